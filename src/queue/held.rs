//! What a worker does to a job that it holds: every call names the lease, and changes nothing without it.

use std::time::Duration;

use redis::Script;

use super::record::Record;
use super::scripts::{
    AWAIT_CHILDREN, DELAY, EXTEND, LOG, NOTE_FAILURE, REPORT, REQUEUE, SAVE_CHECKPOINT, TAKE,
    failed, place,
};
use super::{QueueError, Queues, millis};

/// A job of a queue under its lease.
pub(super) struct Held<'a> {
    pub(super) queue: &'a str,
    pub(super) id: &'a str,
    pub(super) token: &'a str,
}

/// A failed attempt, as it is noted on the job.
pub(super) struct Failure<'a> {
    /// Whether to count the attempt here; a job that ends counts it then.
    pub(super) count: bool,
    /// `failedReason`.
    pub(super) reason: &'a str,
    /// Appended to `stacktrace`.
    pub(super) trace: &'a str,
    /// Stack traces to keep.
    pub(super) traces_kept: u64,
    /// Appended to the timeline.
    pub(super) entry: &'a str,
}

impl Queues {
    async fn held_call(
        &self,
        script: &Script,
        step: &'static str,
        held: &Held<'_>,
        args: &[&str],
    ) -> Result<bool, QueueError> {
        let mut call = script.key(self.meta_key(held.queue));
        call.arg(self.base(held.queue)).arg(held.id).arg(held.token);
        for arg in args {
            call.arg(*arg);
        }
        call.invoke_async(&mut self.redis()).await.map_err(failed(step))
    }

    /// Puts a job back among those that wait; false when somebody else holds it.
    pub(super) async fn requeue(&self, held: &Held<'_>, front: bool) -> Result<bool, QueueError> {
        self.held_call(&REQUEUE, "put a job back", held, &[place(front)]).await
    }

    /// Puts a job that never began back to where it was; false when somebody else holds it.
    pub(super) async fn give_back(&self, held: &Held<'_>) -> Result<bool, QueueError> {
        self.held_call(&REQUEUE, "give a job back", held, &[place(true), "unbegun"]).await
    }

    /// Puts a job off; false when somebody else holds it.
    pub(super) async fn delay(&self, held: &Held<'_>, pause: Duration) -> Result<bool, QueueError> {
        self.held_call(&DELAY, "delay a job", held, &[&millis(pause).to_string()]).await
    }

    /// Lets a job wait for its children; false when somebody else holds it.
    pub(super) async fn await_children(&self, held: &Held<'_>) -> Result<bool, QueueError> {
        self.held_call(&AWAIT_CHILDREN, "let a job wait for its children", held, &[]).await
    }

    /// Renews a lease; false when it is lost.
    pub(super) async fn extend(
        &self,
        held: &Held<'_>,
        lease: Duration,
    ) -> Result<bool, QueueError> {
        self.held_call(&EXTEND, "renew a lease", held, &[&millis(lease).to_string()]).await
    }

    /// Publishes progress; false when somebody else holds the job.
    pub(super) async fn report(&self, held: &Held<'_>, json: &str) -> Result<bool, QueueError> {
        self.held_call(&REPORT, "publish progress", held, &[json]).await
    }

    /// Adds a log line; false when somebody else holds the job.
    pub(super) async fn log(
        &self,
        held: &Held<'_>,
        line: &str,
        kept: u64,
    ) -> Result<bool, QueueError> {
        self.held_call(&LOG, "add a log line", held, &[line, &kept.to_string()]).await
    }

    /// Takes one job, wherever it waits; none when it does not.
    pub(super) async fn take_waiting(
        &self,
        held: &Held<'_>,
        lease: Duration,
        worker: &str,
    ) -> Result<Option<Record>, QueueError> {
        TAKE.key(self.meta_key(held.queue))
            .arg(self.base(held.queue))
            .arg(held.id)
            .arg(held.token)
            .arg(millis(lease))
            .arg(worker)
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("take a job"))
    }

    /// Notes a failed attempt; answers the job's timeline, or none when somebody else holds it.
    pub(super) async fn note_failure(
        &self,
        held: &Held<'_>,
        failure: &Failure<'_>,
    ) -> Result<Option<String>, QueueError> {
        NOTE_FAILURE
            .key(self.meta_key(held.queue))
            .arg(self.base(held.queue))
            .arg(held.id)
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

    /// Keeps a checkpoint; false when somebody else holds the job.
    pub(super) async fn save_checkpoint(
        &self,
        held: &Held<'_>,
        checkpoint: &str,
    ) -> Result<bool, QueueError> {
        self.held_call(&SAVE_CHECKPOINT, "save a checkpoint", held, &[checkpoint]).await
    }
}
