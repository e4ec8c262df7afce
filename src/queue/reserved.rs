//! One job that this process holds, and the ways to let go of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bullmq::types::BackoffStrategy;
use bullmq::{Error, Job, JobProgress};
use serde_json::Value;
use tokio::sync::oneshot;

use super::scripts::{Failure, Held};
use super::transition::{ProducerBackoff, RetryOptions, Settled, Transition};
use super::{QueueError, Queues, millis, step};

/// BullMQ keeps this much of an error text; longer ones would only fill Redis.
const MAX_REASON: usize = 4_000;

/// What the crate is told about a job that we are done with.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Move it to completed.
    Completed(Value),
    /// Move it to failed.
    Dead(String),
    /// Nothing: it was moved already, or is no longer ours.
    Moved,
}

/// Stack traces that a job keeps, if its producer did not say.
const TRACES_KEPT: u32 = 10;

/// A job that this process holds under a lease.
pub struct Reserved {
    queues: Queues,
    queue: Arc<str>,
    job: Job,
    reply: Mutex<Option<oneshot::Sender<Verdict>>>,
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
        job: Job,
        reply: oneshot::Sender<Verdict>,
    ) -> Self {
        Self { queues, queue, job, reply: Mutex::new(Some(reply)) }
    }

    /// The queue that it came from.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// Its id within the queue.
    pub fn id(&self) -> &str {
        self.job.id()
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.job.name()
    }

    /// Its payload.
    pub fn payload(&self) -> &Value {
        self.job.data()
    }

    /// Attempts that failed before.
    pub fn attempts_made(&self) -> u32 {
        self.job.attempts_made()
    }

    /// The lease's token. The crate gives it to another job once this one is settled.
    pub fn token(&self) -> &str {
        self.job.token().unwrap_or_default()
    }

    /// What the producer asked for. Producers that were not told write `attempts: 0`.
    pub fn attempts_asked(&self) -> Option<u32> {
        self.job.opts().attempts.filter(|attempts| *attempts > 0)
    }

    /// When it could first have run: added, plus its delay.
    pub fn due_at(&self) -> u64 {
        self.job.timestamp().saturating_add(self.job.delay())
    }

    /// The queues that it lives in.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// What the producer asked for. The crate drops `backoff.jitter`, so the options are read
    /// again from Redis; only failed attempts pay for that.
    pub async fn retry_options(&self) -> Result<RetryOptions, QueueError> {
        let attempts = self.attempts_asked();
        let Some(backoff) = &self.job.opts().backoff else {
            return Ok(RetryOptions { attempts, backoff: None });
        };
        let raw: Option<String> = redis::cmd("HGET")
            .arg(self.queues.job_key(&self.queue, self.id()))
            .arg("opts")
            .query_async(&mut self.queues.redis())
            .await
            .map_err(|source| QueueError::Redis { step: "read a job's options", source })?;
        let jitter = raw
            .and_then(|raw| serde_json::from_str::<Value>(&raw).ok())
            .and_then(|options| options.pointer("/backoff/jitter")?.as_f64())
            .map_or(0.0, |jitter| jitter.clamp(0.0, 1.0));
        let backoff = Some(match backoff {
            BackoffStrategy::Fixed(ms) => ProducerBackoff::Fixed(*ms, jitter),
            BackoffStrategy::Exponential(ms) => ProducerBackoff::Exponential(*ms, jitter),
            BackoffStrategy::Custom(_) => ProducerBackoff::Custom,
        });
        Ok(RetryOptions { attempts, backoff })
    }

    /// Renews the lease; false when it is lost.
    pub async fn extend(&self, lease: Duration) -> Result<bool, QueueError> {
        match self.job.extend_lock(self.token(), millis(lease)).await {
            Ok(()) => Ok(true),
            Err(Error::JobLocked(_)) => Ok(false),
            Err(error) => Err(step("renew a lease", &self.queue, error)),
        }
    }

    /// Publishes progress, and its copy under `mirror`.
    pub async fn publish(
        &self,
        progress: &Value,
        mirror: Option<&(String, Duration)>,
    ) -> Result<(), QueueError> {
        if let Some((key, lifetime)) = mirror {
            redis::cmd("SET")
                .arg(key)
                .arg(progress.to_string())
                .arg("EX")
                .arg(lifetime.as_secs().max(1))
                .query_async::<()>(&mut self.queues.redis())
                .await
                .map_err(|source| QueueError::Redis { step: "mirror progress", source })?;
        }
        let mut job = self.job.clone();
        let progress = match progress.as_f64() {
            Some(number) => JobProgress::Number(number),
            None => JobProgress::Object(progress.clone()),
        };
        job.update_progress(progress).await.map_err(|e| step("publish progress", &self.queue, e))
    }

    /// Keeps a checkpoint; false when the lease is lost.
    pub async fn save_checkpoint(&self, checkpoint: &Value) -> Result<bool, QueueError> {
        self.queues.save_checkpoint(&self.held(), &checkpoint.to_string()).await
    }

    /// The checkpoint of an earlier attempt.
    pub async fn load_checkpoint(&self) -> Result<Option<Value>, QueueError> {
        self.queues.checkpoint(&self.queue, self.id()).await
    }

    /// Adds a line to the job's log.
    pub async fn log(&self, line: &str) -> Result<(), QueueError> {
        self.job.log(line).await.map(drop).map_err(|e| step("add a log line", &self.queue, e))
    }

    /// Notes a failed attempt on the job; answers its timeline, one JSON entry a line, or none when
    /// the lease is lost. The attempt is counted here unless the stock scripts will do it.
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
            traces_kept: self.job.opts().stack_trace_limit.unwrap_or(TRACES_KEPT),
            entry: &entry.to_string(),
        };
        self.queues.note_failure(&self.held(), &failure).await
    }

    /// Lets go of the job, after [`Reserved::note_failure`]. May be repeated after an error.
    pub async fn settle(
        &self,
        transition: &Transition,
        now_ms: u64,
    ) -> Result<Settled, QueueError> {
        let verdict = match transition {
            Transition::Complete(value) => Some(Verdict::Completed(value.clone())),
            Transition::Abandon => Some(Verdict::Moved),
            Transition::Bury { reason, .. } => Some(Verdict::Dead(clip(reason))),
            Transition::Retry { delay: None, .. } => {
                let front = self.job.opts().lifo.unwrap_or(false);
                self.requeue(front).await?
            }
            Transition::Retry { delay: Some(delay), .. } | Transition::Postpone { delay } => {
                self.delay_until(now_ms.saturating_add(millis(*delay))).await?
            }
            Transition::Release => self.requeue(true).await?,
        };
        let settled = if verdict.is_some() { Settled::Done } else { Settled::LeaseLost };
        let reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reply) = reply {
            // The receiver lives as long as the crate's worker; without it there is nobody to tell.
            let _ = reply.send(verdict.unwrap_or(Verdict::Moved));
        }
        Ok(settled)
    }

    async fn requeue(&self, front: bool) -> Result<Option<Verdict>, QueueError> {
        let held = self.queues.requeue(&self.held(), front).await?;
        Ok(held.then_some(Verdict::Moved))
    }

    async fn delay_until(&self, due_ms: u64) -> Result<Option<Verdict>, QueueError> {
        self.moved(self.job.move_to_delayed(due_ms).await, "delay a job")
    }

    /// A stock script's answer: moved, not ours any more, or a failure that may be repeated.
    fn moved(
        &self,
        result: Result<(), Error>,
        what: &'static str,
    ) -> Result<Option<Verdict>, QueueError> {
        match result {
            Ok(()) => Ok(Some(Verdict::Moved)),
            Err(Error::Script { .. } | Error::JobLocked(_) | Error::JobNotFound(_)) => Ok(None),
            Err(error) => Err(step(what, &self.queue, error)),
        }
    }

    fn held(&self) -> Held<'_> {
        Held { queue: &self.queue, id: self.id(), token: self.token() }
    }
}

/// Cuts a text at a character boundary.
fn clip(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}
