//! What is kept of finished jobs.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use super::{Config, load};

/// `[retention]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// How many completed jobs a queue keeps.
    pub completed: Keep,
    /// How long a completed job is kept.
    #[serde(with = "load::optional_duration")]
    pub completed_for: Option<Duration>,
    /// How many failed jobs a queue keeps.
    pub failed: Keep,
    /// How long a failed job is kept.
    #[serde(with = "load::optional_duration")]
    pub failed_for: Option<Duration>,
    /// Bytes that the finished jobs and events of all queues of the fleet may occupy.
    #[serde(deserialize_with = "load::optional_size")]
    pub max_bytes: Option<u64>,
    /// Per cent of its memory limit from which Redis counts as nearly full; 0: it never does.
    pub nearly_full: u64,
    /// Pause between rounds.
    #[serde(with = "load::duration")]
    pub every: Duration,
}

/// `[queues.<name>.retention]`: what differs from `[retention]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueRetention {
    /// How many completed jobs it keeps.
    pub completed: Option<Keep>,
    /// How long a completed job is kept.
    #[serde(with = "load::optional_duration")]
    pub completed_for: Option<Duration>,
    /// How many failed jobs it keeps.
    pub failed: Option<Keep>,
    /// How long a failed job is kept.
    #[serde(with = "load::optional_duration")]
    pub failed_for: Option<Duration>,
    /// Bytes that its finished jobs and events may occupy.
    #[serde(deserialize_with = "load::optional_size")]
    pub max_bytes: Option<u64>,
}

/// How many finished jobs are kept: a number, or `"all"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// However many there are.
    All,
    /// The newest.
    Newest(u64),
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        let wrong = |what: &dyn std::fmt::Display| {
            D::Error::custom(format!("`{what}` is neither a number of jobs nor \"all\""))
        };
        match Written::deserialize(d).map_err(|_| wrong(&"the value"))? {
            Written::Number(number) => {
                u64::try_from(number).map(Self::Newest).map_err(|_| wrong(&number))
            }
            Written::Text(text) if text == "all" => Ok(Self::All),
            Written::Text(text) => text.parse().map(Self::Newest).map_err(|_| wrong(&text)),
        }
    }
}

/// What one queue keeps of its finished jobs, where their producer did not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Of the completed.
    pub completed: Limit,
    /// Of the failed.
    pub failed: Limit,
}

/// What is kept of jobs in one state; none: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// The newest so many.
    pub count: Option<u64>,
    /// Those that ended within this time.
    pub age: Option<Duration>,
}

impl Config {
    /// What a queue keeps of its finished jobs, where their producer did not say.
    pub fn retention(&self, queue: &str) -> Kept {
        let own = self.queues.get(queue).map(|queue| &queue.retention);
        let all = &self.retention;
        let limit = |keep: Option<Keep>, general: Keep, age: Option<Duration>| Limit {
            count: match keep.unwrap_or(general) {
                Keep::All => None,
                Keep::Newest(count) => Some(count),
            },
            age,
        };
        Kept {
            completed: limit(
                own.and_then(|own| own.completed),
                all.completed,
                own.and_then(|own| own.completed_for).or(all.completed_for),
            ),
            failed: limit(
                own.and_then(|own| own.failed),
                all.failed,
                own.and_then(|own| own.failed_for).or(all.failed_for),
            ),
        }
    }

    /// Bytes that the finished jobs and events of one queue may occupy.
    pub fn queue_max_bytes(&self, queue: &str) -> Option<u64> {
        self.queues.get(queue).and_then(|queue| queue.retention.max_bytes)
    }
}
