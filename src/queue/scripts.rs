//! Typed calls of our own Lua scripts; their files say what they take and return.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::{QueueError, Queues, millis};

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!($file)));
    };
}

script!(NOTE_FAILURE, "scripts/note_failure.lua");
script!(SAVE_CHECKPOINT, "scripts/save_checkpoint.lua");
script!(CLAIM, "scripts/claim.lua");
script!(UNCLAIM, "scripts/unclaim.lua");
script!(REQUEUE, "scripts/requeue.lua");
script!(FOLLOW_PAUSE, "scripts/follow_pause.lua");

fn failed(step: &'static str) -> impl FnOnce(redis::RedisError) -> QueueError {
    move |source| QueueError::Redis { step, source }
}

/// A job of a queue under its lease.
pub(super) struct Held<'a> {
    pub(super) queue: &'a str,
    pub(super) id: &'a str,
    pub(super) token: &'a str,
}

/// A failed attempt, as it is noted on the job.
pub(super) struct Failure<'a> {
    /// Whether to count the attempt here; the stock scripts count themselves.
    pub(super) count: bool,
    /// `failedReason`.
    pub(super) reason: &'a str,
    /// Appended to `stacktrace`.
    pub(super) trace: &'a str,
    /// Stack traces to keep.
    pub(super) traces_kept: u32,
    /// Appended to the timeline.
    pub(super) entry: &'a str,
}

impl Queues {
    /// Notes a failed attempt; answers the job's timeline, or none when somebody else holds it.
    pub(super) async fn note_failure(
        &self,
        held: &Held<'_>,
        failure: &Failure<'_>,
    ) -> Result<Option<String>, QueueError> {
        let key = self.job_key(held.queue, held.id);
        NOTE_FAILURE
            .key(&key)
            .key(format!("{key}:lock"))
            .arg(held.token)
            .arg(i32::from(failure.count))
            .arg(failure.reason)
            .arg(failure.trace)
            .arg(failure.traces_kept)
            .arg(failure.entry)
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("note a failed attempt"))
    }

    /// Puts a job back among those that wait; false when somebody else holds it.
    pub(super) async fn requeue(&self, held: &Held<'_>, front: bool) -> Result<bool, QueueError> {
        let key = self.job_key(held.queue, held.id);
        let mut call = REQUEUE.key(&key);
        call.key(format!("{key}:lock"));
        let base = self.base(held.queue);
        for part in
            ["active", "wait", "paused", "prioritized", "pc", "meta", "marker", "stalled", "events"]
        {
            call.key(format!("{base}:{part}"));
        }
        call.arg(held.token)
            .arg(held.id)
            .arg(if front { "front" } else { "back" })
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("put a job back"))
    }

    /// Keeps jobs that became due while a client has paused the queue from being lost when it
    /// resumes; answers whether the queue is paused.
    pub(crate) async fn follow_pause(&self, queue: &str) -> Result<bool, QueueError> {
        let base = self.base(queue);
        FOLLOW_PAUSE
            .key(format!("{base}:meta"))
            .key(format!("{base}:wait"))
            .key(format!("{base}:paused"))
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("look whether a queue is paused"))
    }

    /// Keeps a checkpoint; false when somebody else holds the job.
    pub(super) async fn save_checkpoint(
        &self,
        held: &Held<'_>,
        checkpoint: &str,
    ) -> Result<bool, QueueError> {
        let key = self.job_key(held.queue, held.id);
        SAVE_CHECKPOINT
            .key(&key)
            .key(format!("{key}:lock"))
            .arg(held.token)
            .arg(checkpoint)
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("save a checkpoint"))
    }

    /// The checkpoint of a job.
    pub(super) async fn load_checkpoint(
        &self,
        queue: &str,
        id: &str,
    ) -> Result<Option<String>, QueueError> {
        redis::cmd("HGET")
            .arg(self.job_key(queue, id))
            .arg("roadie:checkpoint")
            .query_async(&mut self.redis())
            .await
            .map_err(failed("load a checkpoint"))
    }

    /// A job's checkpoint, for people.
    pub async fn checkpoint(
        &self,
        queue: &str,
        id: &str,
    ) -> Result<Option<serde_json::Value>, QueueError> {
        let text = self.load_checkpoint(queue, id).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The payload as its producer wrote it; none if the job is gone or Redis does not answer.
    pub async fn raw_payload(&self, queue: &str, id: &str) -> Option<String> {
        redis::cmd("HGET")
            .arg(self.job_key(queue, id))
            .arg("data")
            .query_async(&mut self.redis())
            .await
            .ok()
            .flatten()
    }

    /// Takes or renews a fleet-wide name; answers who holds it.
    pub async fn claim(
        &self,
        name: &str,
        holder: &str,
        lifetime: Duration,
    ) -> Result<String, QueueError> {
        CLAIM
            .key(self.claim_key(name))
            .arg(holder)
            .arg(millis(lifetime))
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("claim a name"))
    }

    /// Gives a fleet-wide name back.
    pub async fn unclaim(&self, name: &str, holder: &str) -> Result<(), QueueError> {
        UNCLAIM
            .key(self.claim_key(name))
            .arg(holder)
            .invoke_async::<i64>(&mut self.redis())
            .await
            .map(drop)
            .map_err(failed("give a name back"))
    }
}
