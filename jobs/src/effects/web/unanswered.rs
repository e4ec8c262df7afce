//! Why a service gave no answer.

use std::time::Duration;

use crate::effects::Target;
use crate::job::JobError;

/// When a service that asks for patience does not say how long: beyond what bursts are measured by.
const PATIENCE: Duration = Duration::from_mins(1);
/// Somebody has to change the configuration, or a ban has to pass.
const LONG_PATIENCE: Duration = Duration::from_hours(1);

/// Why there is no answer. None of these means that there is nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Too many questions (429), or it is busy.
    #[error("{service} asks for patience (status {status})")]
    Limited {
        /// Which service.
        service: Target,
        /// The status of its reply.
        status: u16,
        /// How long it wants to be left alone, if it says so.
        after: Option<Duration>,
    },
    /// It has answered all that it answers us in a day.
    #[error("{service} answers no more questions today (status {status})")]
    Exhausted {
        /// Which service.
        service: Target,
        /// The status of its reply.
        status: u16,
    },
    /// It is not asked for now: its budget is used up, or it is left alone for a while.
    #[error("{service} is not asked for now: {why}")]
    Resting {
        /// Which service.
        service: Target,
        /// Why.
        why: String,
        /// When it may be this question's turn.
        after: Duration,
    },
    /// It does not want to hear from us: a wrong key, or a ban.
    #[error(
        "{service} refuses to answer: {reason}; check its key, base URL and user agent in the configuration"
    )]
    Refused {
        /// Which service.
        service: Target,
        /// What it says.
        reason: String,
    },
    /// It does not understand the question, and never will.
    #[error("{service} does not understand the question (status {status})")]
    Rejected {
        /// Which service.
        service: Target,
        /// The status of its reply.
        status: u16,
    },
    /// It could not be reached, did not reply in time, or broke.
    #[error("{service} failed: {reason}")]
    Failed {
        /// Which service.
        service: Target,
        /// What happened.
        reason: String,
    },
    /// What it replied is no answer.
    #[error("{service} gave no answer: {reason}")]
    Garbled {
        /// Which service.
        service: Target,
        /// What is wrong with it.
        reason: String,
    },
}

impl Unanswered {
    /// What becomes of a job that needs the answer: limits and bans count no attempt.
    pub fn for_job(self) -> JobError {
        match &self {
            Self::Limited { after, .. } => JobError::postpone(after.unwrap_or(PATIENCE), self),
            Self::Resting { after, .. } => JobError::postpone(*after, self),
            Self::Refused { .. } | Self::Exhausted { .. } => {
                JobError::postpone(LONG_PATIENCE, self)
            }
            Self::Rejected { .. } => JobError::discard(self),
            Self::Failed { .. } | Self::Garbled { .. } => JobError::retry(self),
        }
    }
}
