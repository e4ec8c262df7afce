//! 1 · Producers → queue. The only code that knows the queue's Redis layout.
//!
//! The layout is BullMQ's. What producers do goes through the official crate; what workers do is our
//! own Lua in `scripts/`, one file per transition, each checking the lease first: the crate's worker
//! neither ends jobs in batches, nor repeats a refused acknowledgement, nor knows fairness.
//!
//! - [`Queues`]: what producers and operators do: add, look, count, retry; [`options`]: what can be
//!   asked for; [`once`]: requests that are answered once; [`events`]: what happens to jobs;
//! - [`link`]: the connection, which replaces itself; `connect`: as configured; `server`: what we ask of Redis;
//! - [`feed`]: reserved jobs, one stream per queue; `pump`, `turn`: its hot path; `marker`: the wait for
//!   jobs;
//! - [`reserved`], `held`: one job that this process holds; [`transition`]: the ways to let go of it;
//!   `take`: ends a job that waits;
//! - [`record`]: a job's hash; `schedule`: when a schedule fires next; `book`: which schedules there are;
//! - [`pause`]: who paused a queue, why, and until when; [`cancel`]: who wants a job to end;
//! - [`roster`]: the processes that are there;
//! - [`apalis`]: the way of a task from an apalis-redis queue into one of ours;
//! - `forget`: everything that queues know of one user, removed;
//! - `finished`: finished jobs, as retention sees them; `web_cache`: what web tiers keep beside them;
//! - `scripts`: our own Lua.

mod add;
pub(crate) mod apalis;
pub(crate) mod book;
mod canary;
pub mod cancel;
mod connect;
mod counts;
mod error;
pub mod events;
pub mod feed;
pub(crate) mod finished;
mod forget;
mod held;
pub mod link;
mod look;
mod marker;
pub mod once;
pub mod options;
pub mod pause;
mod pump;
pub mod record;
pub mod reserved;
pub mod roster;
mod schedule;
mod scripts;
mod server;
pub(crate) mod take;
pub mod transition;
mod turn;
mod web_cache;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bullmq::options::RedisConnectionOptions;
use bullmq::redis_connection::RedisConnection;
use bullmq::{Job, JobState, Queue, QueueOptions};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::config;
pub use add::{Added, AddedAll, How, NewJob, Parent};
pub(crate) use canary::{Closed, is_canary};
use connect::Settings;
pub use counts::{Depth, STATES};
pub use error::QueueError;
use error::step;
pub use link::Link;
pub use look::{Position, Seen};
pub use scripts::Recovered;
pub use server::{check_eviction, ping, survey, writable};

/// Access to all queues of one Redis. Cheap to clone.
#[derive(Clone)]
pub struct Queues {
    link: Link,
    options: RedisConnectionOptions,
    prefix: String,
    open: Arc<Mutex<Handles>>,
}

/// BullMQ's handles of queues, over a connection that does not outlive the link's.
#[derive(Default)]
struct Handles {
    generation: u64,
    connection: Option<RedisConnection>,
    queues: HashMap<String, Arc<Queue>>,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queues").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Queues {
    /// Connects, and refuses a server that may evict jobs.
    pub async fn connect(redis: &config::Redis) -> Result<Self, QueueError> {
        let settings = Settings::read(redis)?;
        let queues = Self {
            link: settings.open(redis).await?,
            options: settings.for_the_crate(redis),
            prefix: redis.prefix.clone(),
            open: Arc::default(),
        };
        if let Some(note) = check_eviction(&queues, &redis.allow_eviction_policy).await? {
            tracing::warn!(note, "not all of Redis could be checked");
        }
        Ok(queues)
    }

    /// A connection for plain commands; it reconnects by itself.
    pub fn redis(&self) -> Link {
        self.link.clone()
    }

    /// BullMQ's handle of one queue, for an operation or two: after a reconnect there is another.
    pub async fn queue(&self, name: &str) -> Result<Arc<Queue>, QueueError> {
        let failed = |e| step("open the queue", name, e);
        let (generation, place) = self.link.place().await.map_err(|e| failed(e.into()))?;
        let mut open = self.open.lock().await;
        if open.generation != generation {
            // The crate's own connection comes back late, and does not follow a failover.
            *open = Handles { generation, ..Handles::default() };
        }
        if let Some(queue) = open.queues.get(name) {
            return Ok(Arc::clone(queue));
        }
        let connection = match &open.connection {
            Some(connection) => connection.clone(),
            None => connect::open_for_producers(&self.link, &place, &self.options)
                .await
                .map_err(failed)?,
        };
        open.connection = Some(connection.clone());
        let options = QueueOptions::new()
            .connection(self.options.clone())
            .prefix(self.prefix.clone())
            .skip_version_check();
        let opening = Queue::with_connection(name, connection, options);
        let queue = self.link.unless_lost(opening).await.map_err(|e| failed(e.into()))?;
        let queue = Arc::new(queue.map_err(failed)?);
        open.queues.insert(name.to_owned(), Arc::clone(&queue));
        Ok(queue)
    }

    /// Waits for an operation of the crate, but not beyond the end of the connection: the crate would
    /// for many seconds.
    async fn operate<T>(
        &self,
        what: &'static str,
        queue: &str,
        operation: impl IntoFuture<Output = Result<T, bullmq::Error>>,
    ) -> Result<T, QueueError> {
        let done = self.link.unless_lost(operation.into_future()).await;
        let done = done.map_err(QueueError::of(what))?.map_err(|e| step(what, queue, e));
        if let Err(QueueError::Unreachable { .. }) = done {
            // Its connection broke before ours did.
            *self.open.lock().await = Handles::default();
        }
        done
    }

    /// A queue that must exist: opening one creates it, and looking should not.
    async fn existing(&self, name: &str) -> Result<Arc<Queue>, QueueError> {
        self.must_exist(name).await?;
        self.queue(name).await
    }

    /// Refuses a queue that nobody has added to.
    pub async fn must_exist(&self, name: &str) -> Result<(), QueueError> {
        let exists: bool = redis::cmd("EXISTS")
            .arg(format!("{}:meta", self.base(name)))
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("look for a queue"))?;
        if exists { Ok(()) } else { Err(QueueError::NoSuchQueue { queue: name.to_owned() }) }
    }

    /// A job and its state.
    pub async fn job(&self, queue: &str, id: &str) -> Result<(Job, JobState), QueueError> {
        let handle = self.existing(queue).await?;
        // In this order: a job that ends between the two has its result by the time it is read.
        let state = self.operate("read a job's state", queue, handle.get_job_state(id)).await?;
        let job = self.operate("read a job", queue, handle.get_job(id)).await?;
        let Some(job) = job else {
            return Err(QueueError::NoSuchJob { queue: queue.to_owned(), id: id.to_owned() });
        };
        Ok((job, state))
    }

    /// What the children of a job have answered: return values, and reasons of failures that were to be
    /// told; by the children's keys.
    pub async fn children(
        &self,
        queue: &str,
        id: &str,
    ) -> Result<(BTreeMap<String, Value>, BTreeMap<String, String>), QueueError> {
        let key = self.job_key(queue, id);
        let (values, reasons): (BTreeMap<String, String>, BTreeMap<String, String>) = redis::pipe()
            .hgetall(format!("{key}:processed"))
            .hgetall(format!("{key}:failed"))
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("read what children answered"))?;
        let values = values.into_iter().map(|(child, text)| {
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            (child, value)
        });
        Ok((values.collect(), reasons))
    }

    /// Jobs in one state, newest last.
    pub async fn jobs(&self, queue: &str, state: &str, limit: i64) -> Result<Vec<Job>, QueueError> {
        let handle = self.existing(queue).await?;
        self.operate("list jobs", queue, handle.get_jobs(&[state], 0, limit - 1, true)).await
    }

    /// Puts a failed job back to wait, with all its attempts.
    pub async fn retry(&self, queue: &str, id: &str) -> Result<(), QueueError> {
        let (mut job, state) = self.job(queue, id).await?;
        if state != JobState::Failed {
            let state = state_name(state);
            return Err(QueueError::NotFailed {
                queue: queue.to_owned(),
                id: id.to_owned(),
                state,
            });
        }
        let fresh =
            bullmq::RetryOptions { reset_attempts_made: true, reset_attempts_started: true };
        self.operate("retry a job", queue, job.retry("failed", Some(fresh))).await?;
        // A job that died of crashes must not die again before it has started.
        let mut redis = self.redis();
        let _: i64 = redis::cmd("HDEL")
            .arg(self.job_key(queue, id))
            .arg("stc")
            .arg("defa")
            .query_async(&mut redis)
            .await
            .map_err(QueueError::of("clear a job's crashes"))?;
        Ok(())
    }

    /// All queues that exist under the prefix, by name.
    pub async fn names(&self) -> Result<Vec<String>, QueueError> {
        server::queue_names(self).await
    }

    /// What the metrics and `roadie queues` show of one queue.
    pub async fn depth(&self, queue: &str, now_ms: i64) -> Result<Depth, QueueError> {
        counts::depth(self, queue, now_ms).await
    }

    fn base(&self, queue: &str) -> String {
        format!("{}:{queue}", self.prefix)
    }

    fn job_key(&self, queue: &str, id: &str) -> String {
        format!("{}:{queue}:{id}", self.prefix)
    }

    /// The key of a fleet-wide name.
    pub(crate) fn claim_key(&self, name: &str) -> String {
        self.own_key(&format!("claim:{name}"))
    }

    /// A key that BullMQ knows nothing of, in the same slot of a Cluster as the queues.
    pub(crate) fn own_key(&self, name: &str) -> String {
        format!("{}:roadie:{name}", self.prefix)
    }
}

/// A job's state in BullMQ's words.
pub fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "waiting",
        JobState::Active => "active",
        JobState::Completed => "completed",
        JobState::Failed => "failed",
        JobState::Delayed => "delayed",
        JobState::Prioritized => "prioritized",
        JobState::WaitingChildren => "waiting-children",
        JobState::Unknown => "unknown",
    }
}

/// What BullMQ counts time in.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
