//! A worker's own probe: a job that only it sees, and that ends as all jobs do. And what a queue has to say
//! for itself when no job moves.

use std::time::Duration;

use super::{QueueError, Queues, millis};

/// Its name, for people who come across one.
const KIND: &str = "canary";
/// No producer's id begins like this: BullMQ refuses custom ids with colons.
const ID: &str = "roadie:canary:";
/// What a process that dies leaves of its probe goes by itself.
const LIFETIME: Duration = Duration::from_mins(1);

/// Whether a job is a worker's own probe.
pub(crate) fn is_canary(id: &str) -> bool {
    id.starts_with(ID)
}

pub(super) fn canary_id(worker: &str) -> String {
    format!("{ID}{worker}")
}

/// Why a queue gives nobody a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Somebody has paused it.
    Paused,
    /// Its global concurrency is used up.
    Full,
    /// Its rate limit is reached.
    Limited,
}

/// A queue's pause, its global concurrency, the jobs of its rate limit.
type Attributes = (Option<String>, Option<u64>, Option<u64>);

impl Queues {
    /// Sets a probe for one worker.
    pub(crate) async fn send_canary(&self, queue: &str, worker: &str) -> Result<(), QueueError> {
        let key = self.job_key(queue, &canary_id(worker));
        redis::pipe()
            .atomic()
            .cmd("HSET")
            .arg(&key)
            .arg(&["name", KIND, "data", "{}", "opts", r#"{"removeOnComplete":true}"#])
            .arg(&["timestamp", "0", "waiting", "1"])
            .pexpire(&key, i64::try_from(millis(LIFETIME)).unwrap_or(i64::MAX))
            .exec_async(&mut self.redis())
            .await
            .map_err(QueueError::of("set a canary"))
    }

    /// Why a queue gives nobody a job now; none: it would.
    pub(crate) async fn closed(&self, queue: &str) -> Result<Option<Closed>, QueueError> {
        let base = self.base(queue);
        let limiter = format!("{base}:limiter");
        let ((paused, concurrency, max), active, used, left): (Attributes, u64, Option<u64>, i64) =
            redis::pipe()
                .hmget(format!("{base}:meta"), &["paused", "concurrency", "max"])
                .llen(format!("{base}:active"))
                .get(&limiter)
                .pttl(&limiter)
                .query_async(&mut self.redis())
                .await
                .map_err(QueueError::of("look whether a queue gives jobs"))?;
        Ok(if paused.is_some() {
            Some(Closed::Paused)
        } else if concurrency.is_some_and(|concurrency| active >= concurrency) {
            Some(Closed::Full)
        } else if max.is_some_and(|max| used.unwrap_or(0) >= max) && left > 0 {
            Some(Closed::Limited)
        } else {
            None
        })
    }
}
