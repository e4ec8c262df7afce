//! Finished jobs, as retention sees them: how many, how heavy, and gone.

use std::sync::LazyLock;

use redis::Script;

use super::{QueueError, Queues};

macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    };
}

script!(WEIGH, "scripts/job_keys.lua", "scripts/weigh_finished.lua");
script!(WEIGH_EVENTS, "scripts/weigh_events.lua");
script!(LIST, "scripts/list_finished.lua");
script!(REMOVE, "scripts/job_keys.lua", "scripts/remove_finished.lua");
script!(MEMORY, "scripts/memory.lua");

/// Jobs that one script lists or removes at most: what takes it 1 to 2 ms.
const CHUNK: u64 = 100;
/// Jobs that are weighed for an estimate.
const SAMPLES: u64 = 200;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    /// With a result.
    Completed,
    /// For good, without one.
    Failed,
}

impl Ended {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Completed, Self::Failed];

    /// The state, in BullMQ's words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// The option with which a producer says what to keep.
    const fn option(self) -> &'static str {
        match self {
            Self::Completed => "removeOnComplete",
            Self::Failed => "removeOnFail",
        }
    }
}

/// A finished job: its id, and when it ended (Unix ms).
pub(crate) type Finished = (String, String);

/// Some of the jobs that may be removed.
#[derive(Debug)]
pub(crate) struct Page {
    /// The rank to go on at.
    pub(crate) next: u64,
    /// The jobs.
    pub(crate) jobs: Vec<Finished>,
}

/// What a script removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed {
    /// Jobs.
    pub(crate) jobs: u64,
    /// Their bytes, if they were weighed.
    pub(crate) bytes: u64,
}

/// What is left of a failed job; of what is missing, nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remains {
    pub(crate) kind: String,
    /// JSON, as its producer wrote it.
    pub(crate) payload: String,
    /// JSON.
    pub(crate) options: String,
    pub(crate) error: String,
    /// Attempts that failed.
    pub(crate) attempts: u32,
    /// One JSON object a line, where one of our workers ran it.
    pub(crate) timeline: String,
    /// The worker that had it last.
    pub(crate) worker: String,
}

impl Remains {
    fn of(
        [kind, payload, options, error, attempts, timeline, worker]: [Option<String>; 7],
    ) -> Option<Self> {
        Some(Self {
            kind: kind?,
            payload: payload.unwrap_or_else(|| "null".to_owned()),
            options: options.unwrap_or_default(),
            error: error.unwrap_or_default(),
            attempts: attempts.and_then(|attempts| attempts.parse().ok()).unwrap_or(0),
            timeline: timeline.unwrap_or_default(),
            worker: worker.unwrap_or_default(),
        })
    }
}

/// How heavy things of one sort are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Weight {
    /// Bytes in all.
    pub(crate) bytes: u64,
    /// From when (Unix ms) how many bytes are, in slices; in no order.
    pub(crate) slices: Vec<(i64, u64)>,
}

/// A server's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// In use.
    pub(crate) used: u64,
    /// All there is: `maxmemory`, else the machine's; 0: unknown, or none, as Redis evicts.
    pub(crate) limit: u64,
}

impl Queues {
    /// The server's time, in Unix milliseconds.
    pub(crate) async fn time_ms(&self) -> Result<i64, QueueError> {
        let (seconds, micros): (i64, i64) = self
            .link
            .query_at_home(&redis::cmd("TIME"))
            .await
            .map_err(QueueError::of("ask Redis for the time"))?;
        Ok(seconds * 1000 + micros / 1000)
    }

    /// Finished jobs in all, and those that ended until `before` (Unix ms).
    pub(crate) async fn count_finished(
        &self,
        queue: &str,
        ended: Ended,
        before: i64,
    ) -> Result<(u64, u64), QueueError> {
        let set = format!("{}:{}", self.base(queue), ended.name());
        redis::pipe()
            .zcard(&set)
            .zcount(&set, "-inf", before)
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("count finished jobs"))
    }

    /// Lists jobs that may go, oldest first, between two ranks. `respect`: not those whose producer
    /// said what to keep.
    pub(crate) async fn list_finished(
        &self,
        queue: &str,
        ended: Ended,
        ranks: std::ops::Range<u64>,
        respect: bool,
    ) -> Result<Page, QueueError> {
        let reply: Vec<String> = LIST
            .key(format!("{}:{}", self.base(queue), ended.name()))
            .key(format!("{}:", self.base(queue)))
            .arg(ranks.start)
            .arg(ranks.end)
            .arg(CHUNK)
            .arg(if respect { ended.option() } else { "" })
            .invoke_async(&mut self.redis())
            .await
            .map_err(QueueError::of("list finished jobs"))?;
        let mut reply = reply.into_iter();
        let next = reply.next().and_then(|rank| rank.parse().ok()).unwrap_or(ranks.end);
        let mut jobs = Vec::new();
        while let (Some(id), Some(end)) = (reply.next(), reply.next()) {
            jobs.push((id, end));
        }
        Ok(Page { next, jobs })
    }

    /// Removes listed jobs, all or until `enough` bytes are free; answers how many were looked at, too.
    pub(crate) async fn remove_finished(
        &self,
        queue: &str,
        ended: Ended,
        jobs: &[Finished],
        enough: Option<u64>,
    ) -> Result<(usize, Removed), QueueError> {
        let mut call = REMOVE.key(format!("{}:{}", self.base(queue), ended.name()));
        call.key(format!("{}:", self.base(queue)))
            .arg(enough.map_or_else(String::new, |enough| enough.to_string()));
        for (id, end) in jobs {
            call.arg(id).arg(end);
        }
        let (looked, jobs, bytes) = call
            .invoke_async(&mut self.redis())
            .await
            .map_err(QueueError::of("remove finished jobs"))?;
        Ok((looked, Removed { jobs, bytes }))
    }

    /// How heavy the finished jobs of one state are, by a sample.
    pub(crate) async fn weigh_finished(
        &self,
        queue: &str,
        ended: Ended,
    ) -> Result<Weight, QueueError> {
        let reply: Vec<i64> = WEIGH
            .key(format!("{}:{}", self.base(queue), ended.name()))
            .key(format!("{}:", self.base(queue)))
            .arg(SAMPLES)
            .invoke_async(&mut self.redis())
            .await
            .map_err(QueueError::of("weigh finished jobs"))?;
        Ok(weight(&reply))
    }

    /// How heavy a queue's events are.
    pub(crate) async fn weigh_events(&self, queue: &str) -> Result<Weight, QueueError> {
        let reply: Vec<i64> = WEIGH_EVENTS
            .key(format!("{}:events", self.base(queue)))
            .invoke_async(&mut self.redis())
            .await
            .map_err(QueueError::of("weigh events"))?;
        Ok(match reply[..] {
            [bytes, first, last] => events_weight(unsigned(bytes), first, last),
            _ => Weight::default(),
        })
    }

    /// What is left of failed jobs, in the order of their ids.
    pub(crate) async fn remains(
        &self,
        queue: &str,
        ids: &[&str],
    ) -> Result<Vec<Option<Remains>>, QueueError> {
        let fields =
            ["name", "data", "opts", "failedReason", "atm", "roadie:timeline", "pb"].as_slice();
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.hmget(self.job_key(queue, id), fields);
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let replies: Vec<[Option<String>; 7]> = pipe
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("read failed jobs"))?;
        Ok(replies.into_iter().map(Remains::of).collect())
    }

    /// Removes events from before a moment (Unix ms), as far as that is cheap; answers the bytes.
    pub(crate) async fn trim_events(&self, queue: &str, before: i64) -> Result<u64, QueueError> {
        let events = format!("{}:events", self.base(queue));
        let weigh = || redis::cmd("MEMORY").arg("USAGE").arg(&events).clone();
        let (had, has): (Option<u64>, Option<u64>) = redis::pipe()
            .add_command(weigh())
            .cmd("XTRIM")
            .arg(&events)
            .arg("MINID")
            .arg("~")
            .arg(before)
            .ignore()
            .add_command(weigh())
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("trim events"))?;
        Ok(had.unwrap_or(0).saturating_sub(has.unwrap_or(0)))
    }

    /// The memory of the server that holds the queues.
    pub(crate) async fn memory(&self) -> Result<Memory, QueueError> {
        let info: String = MEMORY
            .key(format!("{}:roadie:queues", self.prefix))
            .invoke_async(&mut self.redis())
            .await
            .map_err(QueueError::of("read Redis' memory"))?;
        Ok(memory(&info))
    }

    /// Notes that these queues are served, so that all of the prefix can be weighed together.
    pub(crate) async fn note_served(&self, queues: &[&str], now: i64) -> Result<(), QueueError> {
        let members: Vec<(i64, &str)> = queues.iter().map(|queue| (now, *queue)).collect();
        redis::pipe()
            .zadd_multiple(format!("{}:roadie:queues", self.prefix), &members)
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("note which queues are served"))
    }

    /// Queues that some process has served since a moment (Unix ms).
    pub(crate) async fn served_since(&self, since: i64) -> Result<Vec<String>, QueueError> {
        redis::cmd("ZRANGEBYSCORE")
            .arg(format!("{}:roadie:queues", self.prefix))
            .arg(since)
            .arg("+inf")
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("look which queues are served"))
    }
}

/// A sample's sum and slices: each weighed job stands for as many as there are for one sample.
fn weight(reply: &[i64]) -> Weight {
    let [jobs, own, samples @ ..] = reply else { return Weight::default() };
    let weighed = (samples.len() / 2).max(1) as u64;
    let slices: Vec<(i64, u64)> = samples
        .chunks_exact(2)
        .map(|sample| (sample[0], unsigned(sample[1]) * unsigned(*jobs) / weighed))
        .collect();
    Weight { bytes: unsigned(*own) + slices.iter().map(|slice| slice.1).sum::<u64>(), slices }
}

/// Events are as good as evenly spread between the first and the last.
fn events_weight(bytes: u64, first: i64, last: i64) -> Weight {
    const SLICES: i64 = 16;
    let slices = (1..=SLICES).map(|i| first + (last - first) * i / SLICES);
    Weight { bytes, slices: slices.map(|at| (at, bytes / unsigned(SLICES))).collect() }
}

fn memory(info: &str) -> Memory {
    let field =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number =
        |name: &str| field(name).and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    let evicts = field("maxmemory_policy").is_some_and(|policy| policy.trim() != "noeviction");
    let limit = match number("maxmemory") {
        0 => number("total_system_memory"),
        // A cache that makes room by itself is always full.
        _ if evicts => 0,
        limit => limit,
    };
    Memory { used: number("used_memory"), limit }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_stands_for_all() {
        let weighed = weight(&[1000, 500, 10, 30, 20, 50]);
        assert_eq!(weighed, Weight { bytes: 40_500, slices: vec![(10, 15_000), (20, 25_000)] });
        assert_eq!(weight(&[0, 0]), Weight::default());
        assert_eq!(weight(&[]), Weight::default());
        let events = events_weight(1600, 0, 160);
        assert_eq!(
            (events.bytes, events.slices[0], events.slices[15]),
            (1600, (10, 100), (160, 100))
        );
    }

    #[test]
    fn the_limit_is_what_is_configured_else_the_machine() {
        let info = |max, policy| {
            format!(
                "used_memory:5\r\nused_memory_rss:9\r\ntotal_system_memory:90\r\nmaxmemory:{max}\r\nmaxmemory_policy:{policy}\r\n"
            )
        };
        assert_eq!(memory(&info(70, "noeviction")), Memory { used: 5, limit: 70 });
        assert_eq!(memory(&info(0, "noeviction")), Memory { used: 5, limit: 90 });
        assert_eq!(memory(&info(70, "allkeys-lru")), Memory { used: 5, limit: 0 });
        assert_eq!(memory(""), Memory { used: 0, limit: 0 });
    }
}
