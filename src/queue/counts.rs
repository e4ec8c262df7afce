//! How deep a queue is, and how long its oldest job has waited: read when somebody asks.

use super::{QueueError, Queues};

/// The states of a job, in BullMQ's words.
pub const STATES: [&str; 8] = [
    "waiting",
    "active",
    "delayed",
    "prioritized",
    "waiting-children",
    "paused",
    "completed",
    "failed",
];

/// One queue at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Jobs by state, in the order of [`STATES`].
    pub jobs: [u64; STATES.len()],
    /// How long the oldest job that could run now has waited, in milliseconds.
    pub oldest_age_ms: u64,
    /// Whether the queue is paused.
    pub paused: bool,
}

impl Depth {
    /// Jobs in one state.
    pub fn of(&self, state: &str) -> u64 {
        STATES.iter().position(|s| *s == state).map_or(0, |i| self.jobs[i])
    }
}

type Ids = Vec<String>;
type Reply = (u64, u64, u64, u64, u64, u64, u64, u64, bool, Ids, Ids, Ids);

pub(super) async fn depth(queues: &Queues, queue: &str, now_ms: i64) -> Result<Depth, QueueError> {
    let failed = QueueError::of("read a queue's depth");
    let key = |suffix: &str| format!("{}:{suffix}", queues.base(queue));
    let mut redis = queues.redis();
    let mut pipe = redis::pipe();
    pipe.llen(key("wait"))
        .llen(key("active"))
        .zcard(key("delayed"))
        .zcard(key("prioritized"))
        .zcard(key("waiting-children"))
        .llen(key("paused"))
        .zcard(key("completed"))
        .zcard(key("failed"))
        .hexists(key("meta"), "paused")
        // New jobs enter on the left. Of the prioritized, both ends: the next one and the least
        // urgent one, which is the one that starves.
        .lrange(key("wait"), -1, -1)
        .zrange(key("prioritized"), 0, 0)
        .zrange(key("prioritized"), -1, -1);
    let reply: Reply = pipe.query_async(&mut redis).await.map_err(failed)?;
    let (waiting, active, delayed, prioritized, children, paused, completed, failed_jobs, ..) =
        reply;
    let ids: Vec<String> = [reply.9, reply.10, reply.11].concat();
    let mut oldest_age_ms = 0;
    if !ids.is_empty() {
        let mut pipe = redis::pipe();
        for id in &ids {
            pipe.hmget(queues.job_key(queue, id), &["timestamp", "delay"]);
        }
        let times: Vec<(Option<i64>, Option<i64>)> =
            pipe.query_async(&mut redis).await.map_err(failed)?;
        oldest_age_ms =
            times.into_iter().map(|(added, delay)| age(now_ms, added, delay)).max().unwrap_or(0);
    }
    Ok(Depth {
        jobs: [waiting, active, delayed, prioritized, children, paused, completed, failed_jobs],
        oldest_age_ms,
        paused: reply.8,
    })
}

/// Time since a job could have run: since it was added, or since its delay was over.
fn age(now_ms: i64, added: Option<i64>, delay: Option<i64>) -> u64 {
    let due = added.map(|added| added.saturating_add(delay.unwrap_or(0)));
    due.and_then(|due| u64::try_from(now_ms.saturating_sub(due)).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_counts_from_when_a_job_was_due() {
        for (added, delay, expected) in [
            (Some(1_000), None, 9_000),
            (Some(1_000), Some(4_000), 5_000),
            (Some(20_000), None, 0),
            (None, None, 0),
        ] {
            assert_eq!(age(10_000, added, delay), expected);
        }
    }
}
