//! A dead letter: a job that was given up on, with what is needed to understand and replay it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a job was given up on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadReason {
    /// Its last attempt failed.
    Exhausted,
    /// Its handler found that repeating is pointless.
    Discarded,
    /// It took its worker's process down again and again.
    CrashLoop,
    /// Its last attempt ran out of time.
    Timeout,
    /// Its payload is not what the kind asks for.
    Undecodable,
    /// Somebody cancelled it.
    Cancelled,
    /// Its last attempt panicked.
    Panic,
}

impl DeadReason {
    /// Every reason, for labels that are registered at zero.
    pub const ALL: [Self; 7] = [
        Self::Exhausted,
        Self::Discarded,
        Self::CrashLoop,
        Self::Timeout,
        Self::Undecodable,
        Self::Cancelled,
        Self::Panic,
    ];

    /// As it is stored and shown: `exhausted`, `crash-loop`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Discarded => "discarded",
            Self::CrashLoop => "crash-loop",
            Self::Timeout => "timeout",
            Self::Undecodable => "undecodable",
            Self::Cancelled => "cancelled",
            Self::Panic => "panic",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One failed attempt of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// 1 is the first.
    pub attempt: u32,
    /// When it ended, in Unix milliseconds.
    pub at: i64,
    /// What it said. Up to 4,000 characters are stored.
    pub error: String,
}

/// A job that has just died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeadLetter {
    /// Its queue.
    pub queue: String,
    /// Its id there; shortened above 1,024 bytes.
    pub job_id: String,
    /// Its kind.
    pub kind: String,
    /// Its payload, the JSON text as the producer wrote it. Never shortened.
    pub payload: String,
    /// Why it was given up on.
    pub reason: DeadReason,
    /// The last error. Messages are stored up to 4,000 characters each.
    pub error: String,
    /// What caused the error, outermost first. The first 32 are stored.
    pub error_chain: Vec<String>,
    /// Groups failures with the same cause.
    pub fingerprint: String,
    /// Attempts that it had.
    pub attempts: u32,
    /// How they ended. The last 50 are stored.
    pub timeline: Vec<FailedAttempt>,
    /// The worker that gave up. Up to 255 characters.
    pub worker: String,
    /// Its version. Up to 255 characters.
    pub worker_version: String,
    /// When the job died, in Unix milliseconds. Must be the same when the same death is reported
    /// again.
    pub died_at: i64,
}

/// A stored dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// 32 hexadecimal digits, derived from queue and job id.
    pub id: String,
    /// The job's queue.
    pub queue: String,
    /// The job's id there.
    pub job_id: String,
    /// The job's kind.
    pub kind: String,
    /// The job's payload, JSON text.
    pub payload: String,
    /// Why it was given up on: a [`DeadReason`], or one that only a newer build knows.
    pub reason: String,
    /// The last error.
    pub error: String,
    /// What caused the error, outermost first.
    pub error_chain: Vec<String>,
    /// The same for failures with the same cause.
    pub fingerprint: String,
    /// Attempts that it had before it died last.
    pub attempts: u32,
    /// How they ended.
    pub timeline: Vec<FailedAttempt>,
    /// The worker that gave up.
    pub worker: String,
    /// Its version.
    pub worker_version: String,
    /// The first death, in Unix milliseconds.
    pub first_seen_at: i64,
    /// The latest death, in Unix milliseconds.
    pub last_seen_at: i64,
    /// How often the job has died.
    pub times: u32,
    /// When it was put back into its queue, in Unix milliseconds; none while it waits.
    pub retried_at: Option<i64>,
}

/// Which dead letters to list. Nothing given: all kinds, the default number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Only of this queue.
    pub queue: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only with this reason.
    pub reason: Option<DeadReason>,
    /// Only of this group.
    pub fingerprint: Option<String>,
    /// Also those that were put back into their queue since.
    pub retried: bool,
    /// At most so many, the latest deaths first.
    pub limit: u32,
}

impl Default for DeadLetterFilter {
    fn default() -> Self {
        Self {
            queue: None,
            kind: None,
            reason: None,
            fingerprint: None,
            retried: false,
            limit: 100,
        }
    }
}
