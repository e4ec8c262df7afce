//! A value that does not print.

use std::fmt;

use serde::Deserialize;

/// A secret from the configuration. `Debug` shows only whether it is set.
#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself: for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether nothing was configured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Secret(unset)" } else { "Secret(***)" })
    }
}

/// A URL for messages: the password is replaced, and parameters are left out, for they may hold one
/// too.
pub fn redact_url(url: &str) -> String {
    let (head, parameters) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    let Some((scheme, rest)) = head.split_once("://") else {
        return head.to_owned();
    };
    // A password may hold what should have been encoded, `?` among it.
    let cut_short = !rest.starts_with('/') && parameters.contains('@');
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) if !cut_short => (user, host),
        None if !cut_short => return head.to_owned(),
        _ => (rest, "…"),
    };
    match user.split_once(':') {
        Some((name, _)) => format!("{scheme}://{name}:***@{host}"),
        None => format!("{scheme}://{user}@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::from("hunter2".to_owned())), "Secret(***)");
    }

    #[test]
    fn passwords_leave_urls() {
        for (url, shown) in [
            ("redis://:secret@host:1/0", "redis://:***@host:1/0"),
            ("postgres://me:p@ss@db/x", "postgres://me:***@db/x"),
            ("redis://host", "redis://host"),
            ("redis://user@host", "redis://user@host"),
            ("nonsense", "nonsense"),
            ("redis+unix:///run/x.sock?pass=secret", "redis+unix:///run/x.sock"),
            ("redis+unix:///run/x.sock?pass=s@cret&db=1", "redis+unix:///run/x.sock"),
            ("postgres://db/x?user=me&password=secret", "postgres://db/x"),
            ("postgres://me:secret@db/x?sslmode=require#y", "postgres://me:***@db/x"),
            ("postgres://me:s?cret@db/x", "postgres://me:***@…"),
            ("sqlite:x.db?key=secret", "sqlite:x.db"),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }
}
