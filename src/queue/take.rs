//! Ends a job that waits, without running it.

use std::time::Duration;

use super::held::{Failure, Held};
use super::record::Record;
use super::transition::Settled;
use super::turn::Ending;
use super::{QueueError, Queues};

/// Long enough for two calls; whoever dies between them leaves a job that is recovered.
const LEASE: Duration = Duration::from_secs(10);

/// A job that was failed without being run.
#[derive(Clone, Debug)]
pub struct FailedWaiting {
    /// The job, as it was.
    pub record: Record,
    /// How its attempts ended, this one included: one JSON entry a line.
    pub timeline: String,
}

impl Queues {
    /// Takes a job that waits (also one that is delayed, prioritized or waits for its children) and
    /// fails it, with all that follows for a flow's parent; its schedule goes on. Answers the job; none
    /// when it does not wait: it runs, has ended, or is not there.
    pub async fn fail_waiting(
        &self,
        queue: &str,
        id: &str,
        by: &str,
        reason: &str,
        now_ms: u64,
    ) -> Result<Option<FailedWaiting>, QueueError> {
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
        let noted = self.note_failure(&held, &failure).await?;
        let ending = Ending {
            id: id.to_owned(),
            token: token.clone(),
            completed: false,
            value: reason.to_owned(),
            keep: record.keep_failed().unwrap_or_default(),
            attempts: record.attempts().unwrap_or(1),
        };
        match self.end(queue, by, &[&ending]).await?.pop() {
            Some(Err(error)) => Err(error),
            Some(Ok(Settled::Done)) => {
                Ok(Some(FailedWaiting { record, timeline: noted.unwrap_or_default() }))
            }
            _ => Ok(None),
        }
    }
}
