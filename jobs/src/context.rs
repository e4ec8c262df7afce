//! What a handler gets beside its payload.
//!
//! A handler sees only [`JobContext`]; how progress, checkpoints and follow-ups reach Redis is the
//! engine's business, behind [`JobPort`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::effects::Effects;
use crate::job::JobError;

/// Who is running: the facts of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobInfo {
    /// The job's id within its queue.
    pub id: String,
    /// The queue that it came from.
    pub queue: String,
    /// Its kind (BullMQ's job name).
    pub kind: String,
    /// This attempt; 1 is the first.
    pub attempt: u32,
    /// Executions before it becomes a dead letter.
    pub max_attempts: u32,
    /// The producer's trace context, a W3C `traceparent`; follow-ups inherit it.
    pub trace: Option<String>,
}

/// Why a running job is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// An operator or a web tier cancelled it.
    Cancelled,
    /// This process is shutting down; the job will go on elsewhere.
    Shutdown,
    /// The lease was lost: another worker may hold the job now.
    LeaseLost,
}

/// Asks one attempt to stop; the first reason stays.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    token: CancellationToken,
    reason: Arc<std::sync::OnceLock<CancelReason>>,
}

impl Cancel {
    /// Asks the attempt to stop.
    pub fn cancel(&self, reason: CancelReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Resolves when the attempt should stop.
    pub async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Why, if it should stop.
    pub fn reason(&self) -> Option<CancelReason> {
        self.token.is_cancelled().then(|| self.reason.get().copied()).flatten()
    }
}

/// A job that follows from this one.
#[derive(Clone, Debug)]
pub struct FollowUp {
    /// The queue to put it into.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// Its payload.
    pub payload: Value,
    /// A deterministic id: enqueueing twice adds once.
    pub id: String,
    /// Not before this has passed.
    pub delay: Option<Duration>,
}

/// What a child that becomes a dead letter means for its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildFailure {
    /// The parent becomes one, too.
    FailsParent,
    /// The parent goes on without it, and is told.
    IsTold,
}

/// What the children of a job have answered, by BullMQ's key of each (`prefix:queue:id`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Children {
    /// Return values of those that completed.
    pub completed: BTreeMap<String, Value>,
    /// Reasons of those that failed and whose failure was to be told.
    pub failed: BTreeMap<String, String>,
}

/// Whose traces are to be removed from the queues.
#[derive(Clone, Debug)]
pub struct Traces {
    /// Jobs whose payload names this user in `userId` are theirs.
    pub user_id: i64,
    /// What is counted is kept under this name until [`JobPort::end_forgetting`].
    pub request_id: String,
    /// Jobs of this kind are left alone: they erase users.
    pub spared: &'static str,
    /// Also those that have ended, which somebody may wait for.
    pub spared_ended: bool,
    /// How ids of the user's jobs begin that tell whose they are, such as `scan:7`; a colon or nothing
    /// follows.
    pub job_ids: Vec<String>,
    /// Names that the user's jobs claim.
    pub claims: Vec<String>,
    /// Keys that web tiers poll.
    pub keys: Vec<String>,
}

/// What was found of a user in the queues, by all calls with the same request together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Jobs that still run; they were asked to stop.
    pub running: u64,
    /// Jobs that were removed or asked to stop, by queue.
    pub jobs: BTreeMap<String, u64>,
    /// Other things that were removed: `events`, `keys`, `schedules`.
    pub others: BTreeMap<String, u64>,
}

/// A progress report and, optionally, the key that web tiers poll for it.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What `job.progress` becomes.
    pub value: Value,
    /// A key that gets the same JSON, and its lifetime.
    pub mirror: Option<(String, Duration)>,
}

/// What the engine does for a running job.
#[async_trait]
pub trait JobPort: Send + Sync {
    /// Publishes progress. Cheap: reports are thinned out, the last one always arrives.
    fn report(&self, progress: Progress);
    /// The checkpoint of an earlier attempt.
    async fn load_checkpoint(&self) -> anyhow::Result<Option<Value>>;
    /// Replaces the checkpoint; fails when the lease is lost.
    async fn save_checkpoint(&self, checkpoint: Value) -> anyhow::Result<()>;
    /// Takes a name that only one job of the fleet may hold at a time, until this attempt ends.
    /// Answers who holds it instead, as `queue/id`.
    async fn claim(&self, name: &str) -> anyhow::Result<Result<(), String>>;
    /// Adds a follow-up job.
    async fn enqueue(&self, follow_up: FollowUp) -> anyhow::Result<()>;
    /// Adds a child: a follow-up that this job can wait for.
    async fn enqueue_child(&self, child: FollowUp, on_failure: ChildFailure) -> anyhow::Result<()>;
    /// What the children have answered so far.
    async fn children(&self) -> anyhow::Result<Children>;
    /// Drops what web tiers cache of something that has changed, and tells them. `changed` names it:
    /// the configured names of keys hold these, such as `userId`, in braces; one may come several times.
    async fn drop_cached(&self, changed: &[(&'static str, String)]) -> anyhow::Result<()>;
    /// Removes what there is of a user in all queues: jobs in any state with all that hangs on them,
    /// events, schedules, claims and polled keys. Jobs that run are asked to stop, and are to be removed
    /// by another call when they have. May be repeated.
    async fn forget_user(&self, traces: &Traces) -> anyhow::Result<Forgotten>;
    /// Forgets what [`JobPort::forget_user`] has counted for a request.
    async fn end_forgetting(&self, request_id: &str) -> anyhow::Result<()>;
    /// Adds a line to the job's log, which boards show.
    async fn log(&self, line: &str) -> anyhow::Result<()>;
}

/// What a handler gets beside its payload.
#[derive(Clone)]
pub struct JobContext {
    info: Arc<JobInfo>,
    effects: Effects,
    cancel: Cancel,
    port: Arc<dyn JobPort>,
}

impl JobContext {
    /// Built by the engine for one attempt.
    pub fn new(
        info: Arc<JobInfo>,
        effects: Effects,
        cancel: Cancel,
        port: Arc<dyn JobPort>,
    ) -> Self {
        Self { info, effects, cancel, port }
    }

    /// Who is running.
    pub fn info(&self) -> &JobInfo {
        &self.info
    }

    /// The doors to the world.
    pub fn effects(&self) -> &Effects {
        &self.effects
    }

    /// Resolves when the job should stop at the next safe point.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    /// A safe point: answers an error when the job should stop here.
    pub fn safe_point(&self) -> Result<(), JobError> {
        match self.cancel.reason() {
            Some(_) => Err(JobError::stopped()),
            None => Ok(()),
        }
    }

    /// Publishes progress; see [`JobPort::report`].
    pub fn report(&self, progress: Progress) {
        self.port.report(progress);
    }

    /// The checkpoint of an earlier attempt, if there is one that this version understands.
    pub async fn resume<T: DeserializeOwned>(&self) -> Result<Option<T>, JobError> {
        let saved = self.port.load_checkpoint().await.map_err(JobError::retry)?;
        Ok(saved.and_then(|value| match serde_json::from_value(value) {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                tracing::warn!(%error, job.id = %self.info.id, "checkpoint not understood; starting over");
                None
            }
        }))
    }

    /// Keeps where the work stands, so that a retry, a release or a recovery goes on from here.
    pub async fn checkpoint<T: Serialize + Sync>(&self, checkpoint: &T) -> Result<(), JobError> {
        let value = serde_json::to_value(checkpoint)
            .context("encode the checkpoint")
            .map_err(JobError::discard)?;
        self.port.save_checkpoint(value).await.map_err(JobError::retry)
    }

    /// Takes a name that only one job of the fleet may hold at a time.
    /// The inner error names the holder.
    pub async fn claim(&self, name: &str) -> Result<Result<(), String>, JobError> {
        self.port.claim(name).await.map_err(JobError::retry)
    }

    /// Adds a follow-up job; its id makes repeating harmless.
    pub async fn enqueue(&self, follow_up: FollowUp) -> Result<(), JobError> {
        self.port.enqueue(follow_up).await.map_err(JobError::retry)
    }

    /// Adds a child, whose end this job can wait for with [`JobError::await_children`]; its id makes
    /// repeating harmless.
    pub async fn enqueue_child(
        &self,
        child: FollowUp,
        on_failure: ChildFailure,
    ) -> Result<(), JobError> {
        self.port.enqueue_child(child, on_failure).await.map_err(JobError::retry)
    }

    /// What the children have answered so far: those that this job has added, and those of the flow
    /// that it is the parent of.
    pub async fn children(&self) -> Result<Children, JobError> {
        self.port.children().await.map_err(JobError::retry)
    }

    /// Drops what web tiers cache of something that has changed; see [`JobPort::drop_cached`].
    pub async fn drop_cached(&self, changed: Vec<(&'static str, String)>) -> Result<(), JobError> {
        self.port.drop_cached(&changed).await.map_err(JobError::retry)
    }

    /// Removes what there is of a user in all queues; see [`JobPort::forget_user`].
    pub async fn forget_user(&self, traces: &Traces) -> Result<Forgotten, JobError> {
        self.port.forget_user(traces).await.map_err(JobError::retry)
    }

    /// Forgets what was counted for a request; see [`JobPort::end_forgetting`].
    pub async fn end_forgetting(&self, request_id: &str) -> Result<(), JobError> {
        self.port.end_forgetting(request_id).await.map_err(JobError::retry)
    }

    /// Adds a line to the job's log. Best effort: a log line never fails a job.
    pub async fn log(&self, line: &str) {
        if let Err(error) = self.port.log(line).await {
            tracing::debug!(%error, "job log line lost");
        }
    }
}

impl std::fmt::Debug for JobContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobContext").field("info", &self.info).finish_non_exhaustive()
    }
}
