//! How users are erased.

use std::time::Duration;

use roadie_jobs::effects::Erasing;
use serde::Deserialize;

use super::load;

/// `[privacy]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// How long running jobs of the user are waited for.
    #[serde(with = "load::duration")]
    pub wait: Duration,
    /// How long it is tried to revoke a token.
    #[serde(with = "load::duration")]
    pub revoke_within: Duration,
    /// When it is looked again for what late writers have left.
    #[serde(with = "load::duration")]
    pub sweep_after: Duration,
}

impl Privacy {
    /// As handlers know it.
    pub fn erasing(self) -> Erasing {
        let Self { wait, revoke_within, sweep_after } = self;
        Erasing { wait, revoke_within, sweep_after }
    }
}
