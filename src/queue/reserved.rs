//! One job that this process holds, and the ways to let go of it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::held::{Failure, Held};
use super::pump::{EndRequest, Hold};
use super::record::{Keep, Record};
use super::transition::{RetryOptions, Settled, Transition};
use super::turn::{Ending, FoundJob};
use super::{QueueError, Queues, schedule};

/// BullMQ keeps this much of an error text; longer ones would only fill Redis.
const MAX_REASON: usize = 4_000;

/// A job that this process holds under a lease.
pub struct Reserved {
    queues: Queues,
    queue: Arc<str>,
    job: FoundJob,
    hold: Arc<Hold>,
    ends: mpsc::UnboundedSender<EndRequest>,
}

impl std::fmt::Debug for Reserved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reserved")
            .field("queue", &self.queue)
            .field("id", &self.id())
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

impl Reserved {
    pub(super) fn new(
        queues: Queues,
        queue: Arc<str>,
        job: FoundJob,
        hold: Arc<Hold>,
        ends: mpsc::UnboundedSender<EndRequest>,
    ) -> Self {
        Self { queues, queue, job, hold, ends }
    }

    fn record(&self) -> &Record {
        &self.job.record
    }

    /// The queue that it came from.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// The priority that its producer asked for; 0: none.
    pub fn priority_asked(&self) -> u64 {
        self.record().priority_asked()
    }

    /// Its id within the queue.
    pub fn id(&self) -> &str {
        &self.job.id
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.record().kind()
    }

    /// Its payload, as its producer wrote it.
    pub fn payload(&self) -> &str {
        self.record().payload()
    }

    /// Attempts that failed before.
    pub fn attempts_made(&self) -> u32 {
        self.record().attempts_made()
    }

    /// Executions before this one, counted or not.
    pub fn runs_before(&self) -> u32 {
        self.record().runs()
    }

    /// The lease's token.
    pub fn token(&self) -> &str {
        &self.job.token
    }

    /// Attempts that the producer asked for.
    pub fn attempts_asked(&self) -> Option<u32> {
        self.record().attempts()
    }

    /// When it could first have run: added, plus its delay; in ms since 1970.
    pub fn due_at(&self) -> u64 {
        self.record().added_at().saturating_add(self.record().delay())
    }

    /// The queues that it lives in.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// What the producer asked for.
    pub fn retry_options(&self) -> RetryOptions {
        self.record().retry_options()
    }

    /// Why it must fail instead of being run: it crashed too often, or a child of it failed.
    pub fn deferred_failure(&self) -> Option<&str> {
        self.record().deferred_failure()
    }

    /// Its producer's trace context, as its telemetry wrote it.
    pub fn telemetry(&self) -> Option<&str> {
        self.record().telemetry()
    }

    /// Whether it keeps a schedule going.
    pub fn is_firing(&self) -> bool {
        self.record().schedule().is_some()
    }

    /// Adds the job that comes after this one in its schedule. Repeating adds it once.
    pub async fn schedule_next(&self, now_ms: u64) -> Result<(), QueueError> {
        self.queues.schedule_next(&self.queue, self.id(), self.record(), now_ms).await
    }

    /// Renews the lease; false when it is lost.
    pub async fn extend(&self, lease: Duration) -> Result<bool, QueueError> {
        self.queues.extend(&self.held(), lease).await
    }

    /// Publishes progress, and its copy under `mirror`; false when the lease is lost.
    pub async fn publish(
        &self,
        progress: &Value,
        mirror: Option<&(String, Duration)>,
    ) -> Result<bool, QueueError> {
        let text = progress.to_string();
        if !self.queues.report(&self.held(), &text).await? {
            return Ok(false);
        }
        if let Some((key, lifetime)) = mirror {
            redis::cmd("SET")
                .arg(key)
                .arg(text)
                .arg("EX")
                .arg(lifetime.as_secs().max(1))
                .query_async::<()>(&mut self.queues.redis())
                .await
                .map_err(|source| QueueError::Redis { step: "mirror progress", source })?;
        }
        Ok(true)
    }

    /// Keeps a checkpoint; false when the lease is lost.
    pub async fn save_checkpoint(&self, checkpoint: &Value) -> Result<bool, QueueError> {
        self.queues.save_checkpoint(&self.held(), &checkpoint.to_string()).await
    }

    /// The checkpoint of an earlier attempt.
    pub async fn load_checkpoint(&self) -> Result<Option<Value>, QueueError> {
        self.queues.checkpoint(&self.queue, self.id()).await
    }

    /// Adds a line to the job's log; false when the lease is lost.
    pub async fn log(&self, line: &str) -> Result<bool, QueueError> {
        self.queues.log(&self.held(), line, self.record().logs_kept()).await
    }

    /// Notes a failed attempt on the job; answers its timeline, one JSON entry a line, or none when
    /// the lease is lost. The attempt is counted here unless the job ends with it.
    pub async fn note_failure(
        &self,
        transition: &Transition,
        now_ms: u64,
    ) -> Result<Option<String>, QueueError> {
        let (reason, chain, count) = match transition {
            Transition::Retry { reason, chain, .. } => (reason, chain, true),
            Transition::Bury { reason, chain } => (reason, chain, false),
            _ => return Ok(Some(String::new())),
        };
        let reason = clip(reason);
        let entry = serde_json::json!({
            "attempt": self.attempts_made().saturating_add(1), "at": now_ms, "error": reason,
        });
        let failure = Failure {
            count,
            reason: &reason,
            trace: &clip(&chain.join("\n  caused by: ")),
            traces_kept: self.record().traces_kept(),
            entry: &entry.to_string(),
        };
        self.queues.note_failure(&self.held(), &failure).await
    }

    /// Lets go of the job, after [`Reserved::note_failure`]. May be repeated after an error.
    /// `attempts` is after how many it is given up.
    pub async fn settle(
        &self,
        transition: &Transition,
        attempts: u32,
    ) -> Result<Settled, QueueError> {
        let held = self.held();
        let moved = match transition {
            Transition::Complete(value) => {
                let keep = self.record().keep_completed().unwrap_or_default();
                return self.end(true, value.to_string(), keep, attempts).await;
            }
            Transition::Bury { reason, .. } => {
                let keep = self.record().keep_failed().unwrap_or_default();
                return self.end(false, clip(reason), keep, attempts).await;
            }
            Transition::Erase { reason, counted } => {
                let keep = Keep { count: (!counted).then_some(0), age: None };
                return self.end(false, clip(reason), keep, attempts).await;
            }
            Transition::Abandon => false,
            Transition::Retry { delay: None, .. } => {
                self.queues.requeue(&held, self.record().lifo()).await?
            }
            Transition::Retry { delay: Some(pause), .. }
            | Transition::Postpone { delay: pause, .. } => self.queues.delay(&held, *pause).await?,
            Transition::Release => self.queues.requeue(&held, true).await?,
            Transition::AwaitChildren => self.queues.await_children(&held).await?,
        };
        self.hold.let_go();
        Ok(if moved { Settled::Done } else { Settled::LeaseLost })
    }

    async fn end(
        &self,
        completed: bool,
        value: String,
        keep: Keep,
        attempts: u32,
    ) -> Result<Settled, QueueError> {
        let ending = Ending {
            id: self.id().to_owned(),
            token: self.token().to_owned(),
            completed,
            value,
            keep,
            attempts,
        };
        let (reply, told) = oneshot::channel();
        let request = EndRequest { ending, hold: Arc::clone(&self.hold), reply };
        let gone = || QueueError::Closed { queue: self.queue.to_string() };
        self.ends.send(request).map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Puts a job that was reserved and never started back to where it was.
    pub(super) async fn give_back(&self) {
        if let Err(error) = self.queues.give_back(&self.held()).await {
            tracing::warn!(%error, job.id = self.id(), "job not released; its lease runs out");
        }
    }

    fn held(&self) -> Held<'_> {
        Held { queue: &self.queue, id: self.id(), token: self.token() }
    }
}

impl Queues {
    /// Adds the job that comes after a firing of a schedule; of other jobs nothing. Repeating adds it once.
    pub(super) async fn schedule_next(
        &self,
        queue: &str,
        id: &str,
        record: &Record,
        now_ms: u64,
    ) -> Result<(), QueueError> {
        let Some(name) = record.schedule() else { return Ok(()) };
        match schedule::next(id, record, now_ms) {
            Ok(Some(firing)) => self.add_firing(queue, name, &firing, record).await.map(drop),
            Ok(None) => Ok(()),
            Err(error) => {
                // Trying again would not make it readable.
                tracing::error!(queue, schedule = name, %error, "the schedule ends here");
                Ok(())
            }
        }
    }
}

/// Cuts a text at a character boundary.
fn clip(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}
