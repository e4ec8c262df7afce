//! The time, as something that can be held still.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where the time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Always this many Unix milliseconds.
    Fixed(i64),
}

impl Clock {
    /// Unix milliseconds (UTC).
    #[expect(clippy::disallowed_methods, reason = "this is the clock that all others ask")]
    pub fn now_ms(self) -> i64 {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|since| i64::try_from(since.as_millis()).ok())
                .unwrap_or(0),
            Self::Fixed(ms) => ms,
        }
    }
}
