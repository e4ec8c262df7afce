//! Ends a job that waits, without running it.

use std::time::Duration;

use super::held::{Failure, Held};
use super::record::Record;
use super::transition::Settled;
use super::turn::Ending;
use super::{QueueError, Queues};

/// Long enough for a few calls, and for a catalogue that is slow to take the dead letter; whoever dies
/// between them leaves a job that is recovered.
const LEASE: Duration = Duration::from_secs(30);

/// A job that was taken from those that wait, only to fail.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    queues: &'a Queues,
    queue: &'a str,
    id: &'a str,
    by: &'a str,
    reason: &'a str,
    token: String,
    /// The job, as it was.
    pub(crate) record: Record,
    /// How its attempts ended, this end included: one JSON entry a line.
    pub(crate) timeline: String,
}

impl Queues {
    /// Takes a job that waits (also one that is delayed, prioritized or waits for its children) to fail
    /// it; its schedule goes on. None when it does not wait: it runs, has ended, or is not there.
    pub(crate) async fn take_to_fail<'a>(
        &'a self,
        queue: &'a str,
        id: &'a str,
        by: &'a str,
        reason: &'a str,
        now_ms: u64,
    ) -> Result<Option<Taken<'a>>, QueueError> {
        let token = format!("{by}:{}", uuid::Uuid::new_v4().simple());
        let held = Held { queue, id, token: &token };
        let Some(record) = self.take_waiting(&held, LEASE, by).await? else { return Ok(None) };
        self.schedule_next(queue, id, &record, now_ms).await?;
        let entry = serde_json::json!({
            "attempt": record.attempts_made().saturating_add(1), "at": now_ms, "error": reason,
        });
        let failure = Failure {
            count: false,
            reason,
            trace: reason,
            traces_kept: record.traces_kept(),
            entry: &entry.to_string(),
        };
        let Some(timeline) = self.note_failure(&held, &failure).await? else { return Ok(None) };
        Ok(Some(Taken { queues: self, queue, id, by, reason, token, record, timeline }))
    }
}

impl Taken<'_> {
    /// Fails the job, with all that follows for a flow's parent; false when the lease was lost.
    pub(crate) async fn fail(&self) -> Result<bool, QueueError> {
        let ending = Ending {
            id: self.id.to_owned(),
            token: self.token.clone(),
            completed: false,
            value: self.reason.to_owned(),
            keep: self.record.keep_failed().unwrap_or_default(),
            attempts: 0,
        };
        let ended = self.queues.end(self.queue, self.by, &[&ending]).await?.pop();
        ended.transpose().map(|settled| settled == Some(Settled::Done))
    }
}
