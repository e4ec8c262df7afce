//! The contract of a job: what a handler declares, and what it answers.
//!
//! A handler is a struct that *is* the payload. It answers `Ok(output)`, or a [`JobError`] that
//! carries the decision: the line that fails says what happens next. There is no `From` for foreign
//! errors, so that `?` can never pick a decision silently.

use std::fmt;
use std::time::Duration;

use schemars::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::JobContext;

/// One kind of job. The struct's fields are the payload (camelCase JSON, ids only).
pub trait Job: DeserializeOwned + Send + 'static {
    /// The job's name on the wire (`queue.add(KIND, …)`); the handler's file has the same words.
    const KIND: &'static str;
    /// The queue that follow-ups and the CLI put this kind into.
    const QUEUE: &'static str;
    /// Executions before a failing job becomes a dead letter, if the producer did not say.
    const ATTEMPTS: u32 = 3;
    /// Pause before the next attempt, if the producer did not say.
    const BACKOFF: Backoff = Backoff::DEFAULT;
    /// How long one attempt may take.
    const TIMEOUT: Timeout = Timeout::Total(Duration::from_secs(30));
    /// Which slots the handler needs.
    const SLOTS: SlotClass = SlotClass::Io;
    /// Whether it is run for users who were erased: all others end without having begun.
    const FOR_ERASED: bool = false;

    /// Becomes the job's return value in Redis.
    type Output: Serialize;

    /// What the payload looks like, for the description of the HTTP API: a struct that derives
    /// [`JsonSchema`](schemars::JsonSchema) answers [`describe::<Self>()`](crate::schema::describe).
    fn payload() -> Schema {
        schemars::json_schema!({ "type": "object" })
    }

    /// Does the work. Must be safe to repeat: delivery is at least once.
    fn run(self, cx: JobContext) -> impl Future<Output = Result<Self::Output, JobError>> + Send;
}

/// How long one attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// From start to end.
    Total(Duration),
    /// No total limit, but never longer than this without a sign of life (progress or checkpoint).
    Silence(Duration),
}

/// What a handler is made of; the engine runs only so many of each at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotClass {
    /// Waits for other systems most of the time: many.
    Io,
    /// Computes: as many as there are cores.
    Cpu,
    /// Needs much memory or disk: one or two.
    Heavy,
}

impl SlotClass {
    /// All classes, for metrics.
    pub const ALL: [Self; 3] = [Self::Io, Self::Cpu, Self::Heavy];

    /// The label in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Cpu => "cpu",
            Self::Heavy => "heavy",
        }
    }
}

/// Exponential backoff with full jitter.
///
/// Attempt `n` waits a random time in `[0, min(cap, base × 2^(n−1))]`, which spreads a fleet's
/// retries best (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first pause.
    pub base: Duration,
    /// Upper bound of every pause.
    pub cap: Duration,
}

impl Backoff {
    /// 2 s, 4 s, 8 s … up to 10 min.
    pub const DEFAULT: Self = Self { base: Duration::from_secs(2), cap: Duration::from_mins(10) };
}

/// What becomes of a job whose handler did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again; counts an attempt. `after` overrides the backoff.
    Retry {
        /// Pause before the next attempt, where the failing system named one (`Retry-After`).
        after: Option<Duration>,
    },
    /// Later, no attempt counted: budgets, rate limits, maintenance.
    Postpone {
        /// Pause before the job is due again.
        after: Duration,
    },
    /// Never again: a dead letter at once.
    Discard,
    /// Again when all its children are done; counts no attempt.
    AwaitChildren,
    /// The user whom it is about was erased: it ends, and nothing of it is kept.
    Erased,
    /// The handler stopped because it was asked to; the engine knows by whom.
    Stopped,
}

/// A failure that carries its decision.
#[derive(Debug)]
pub struct JobError {
    decision: Decision,
    source: anyhow::Error,
}

impl JobError {
    /// Try again after the usual backoff.
    pub fn retry(source: impl Into<anyhow::Error>) -> Self {
        Self { decision: Decision::Retry { after: None }, source: source.into() }
    }

    /// Try again after a pause that the failing system asked for.
    pub fn retry_after(after: Duration, source: impl Into<anyhow::Error>) -> Self {
        Self { decision: Decision::Retry { after: Some(after) }, source: source.into() }
    }

    /// Later; no attempt is counted.
    pub fn postpone(after: Duration, source: impl Into<anyhow::Error>) -> Self {
        Self { decision: Decision::Postpone { after }, source: source.into() }
    }

    /// Never again.
    pub fn discard(source: impl Into<anyhow::Error>) -> Self {
        Self { decision: Decision::Discard, source: source.into() }
    }

    /// The handler has added children and goes on when all of them are done; it is run anew then, and
    /// finds their results in [`JobContext::children`].
    pub fn await_children() -> Self {
        Self {
            decision: Decision::AwaitChildren,
            source: anyhow::anyhow!("waits for its children"),
        }
    }

    /// The user whom the job is about was erased; nothing of it is kept, not even as a dead letter.
    pub fn erased() -> Self {
        Self { decision: Decision::Erased, source: anyhow::anyhow!("the user was erased") }
    }

    /// The handler saw [`JobContext::cancelled`] and stopped at a safe point.
    pub fn stopped() -> Self {
        Self {
            decision: Decision::Stopped,
            source: anyhow::anyhow!("stopped at a safe point, as asked"),
        }
    }

    /// What happens next.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// The error and its causes, outermost first.
    pub fn chain(&self) -> Vec<String> {
        self.source.chain().map(ToString::to_string).collect()
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.source)
    }
}
