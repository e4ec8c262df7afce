//! The ways to let go of a job, and what its producer asked for.

use std::time::Duration;

use serde_json::Value;

/// How to let go of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Transition {
    /// Done; the value is the return value.
    Complete(Value),
    /// Later again; counts an attempt.
    Retry {
        /// Pause; none: at once, behind the jobs that wait already.
        delay: Option<Duration>,
        /// Becomes `failedReason`.
        reason: String,
        /// Becomes `stacktrace`: the error and its causes.
        chain: Vec<String>,
    },
    /// Later again; counts nothing.
    Postpone {
        /// Pause.
        delay: Duration,
        /// Why, for the log.
        reason: String,
    },
    /// Back to its queue at once, in front; counts nothing.
    Release,
    /// Again when all its children are done; counts nothing.
    AwaitChildren,
    /// Never again: to the failed set.
    Bury {
        /// Becomes `failedReason`.
        reason: String,
        /// Becomes `stacktrace`.
        chain: Vec<String>,
    },
    /// Never again, and nothing of it is kept.
    Erase {
        /// What who waits for it is told.
        reason: String,
        /// Whether the failed set keeps it for the erasure of its user, which removes and counts it.
        counted: bool,
    },
    /// Somebody else holds it: touch nothing.
    Abandon,
}

/// Whether a transition took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It did.
    Done,
    /// Somebody else holds the job now; nothing was changed.
    LeaseLost,
    /// It cannot complete: some of its children are not done. Nothing was changed.
    ChildrenPending,
    /// It cannot complete: a child that it depends on failed. Nothing was changed.
    ChildrenFailed,
}

/// What the producer asked for, as far as retries go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetryOptions {
    /// `attempts`, if given.
    pub attempts: Option<u32>,
    /// `backoff`, if given.
    pub backoff: Option<ProducerBackoff>,
}

/// BullMQ's backoff options.
#[derive(Clone, Debug, PartialEq)]
pub enum ProducerBackoff {
    /// The same pause each time, in ms, spread by the jitter.
    Fixed(u64, f64),
    /// Doubling, from this many ms, spread by the jitter.
    Exponential(u64, f64),
    /// A strategy that lives in the producer's own workers.
    Custom,
}
