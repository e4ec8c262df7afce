//! Why a question has to wait, and for how long.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When it may be a question's turn, and why not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// By then it is its turn, as far as is known now; no two questions are told the same.
    pub after: Duration,
    /// Why.
    pub why: Why,
}

/// Why a question has to wait.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// Others are before it.
    Busy,
    /// The day's questions are used up.
    Quota,
    /// An operator has paused the target.
    Paused,
    /// The target asked for patience.
    Limited,
    /// The target says that its own quota of the day is used up.
    Exhausted,
    /// The target does not want to hear from us.
    Refused,
    /// The target failed too often.
    Failing,
    /// A single question finds out whether the target answers again.
    Probing,
}

impl Why {
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "others are before this question",
            Self::Quota => "the budget of 24 hours is used up",
            Self::Paused => "an operator has paused it",
            Self::Limited => "it has asked for patience",
            Self::Exhausted => "it says that the day's quota is used up",
            Self::Refused => "it refuses to answer",
            Self::Failing => "it failed too often",
            Self::Probing => "one question finds out whether it answers again",
        })
    }
}
