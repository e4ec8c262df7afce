//! Keys for the tokens of users.

use std::collections::BTreeSet;

use roadie_jobs::effects::{TokenKey, TokenKeys};
use serde::Deserialize;

use super::Secret;

/// `[tokens]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Keys as `name:64 hexadecimal digits`; the first one seals, all open.
    pub keys: Vec<Secret>,
}

impl Tokens {
    /// As handlers know them.
    pub fn keys(&self) -> TokenKeys {
        TokenKeys::new(self.keys.iter().filter_map(|key| key.reveal().parse().ok()).collect())
    }

    /// Everything that is wrong, in words.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        let fault = |(at, key): (usize, &Secret)| {
            let fault = match key.reveal().parse::<TokenKey>() {
                Ok(key) if names.insert(key.name().to_owned()) => return None,
                Ok(key) => format!("is called `{}` like another one", key.name()),
                Err(fault) => fault.to_string(),
            };
            Some(format!("tokens.keys: number {} {fault}", at + 1))
        };
        self.keys.iter().enumerate().filter_map(fault).collect()
    }
}
