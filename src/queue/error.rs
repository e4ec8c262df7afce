//! What can go wrong with a queue, and the way out.

use super::link::fault::{Fault, Refusal};

/// A queue operation that failed: the variant names the step.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Redis did not answer at start.
    #[error(
        "cannot reach Redis at {place}; is it running, and is [redis] of the configuration (REDIS_URL) right?"
    )]
    Connect {
        /// Without the password.
        place: String,
        /// Why.
        #[source]
        source: redis::RedisError,
    },
    /// A file of `[redis]` cannot be read.
    #[error("cannot read {path} ({key})")]
    File {
        /// The configuration's key.
        key: &'static str,
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server may evict jobs.
    #[error(
        "Redis evicts keys (maxmemory-policy is {policy}), so jobs would be lost; set it to noeviction, \
         or accept the loss with redis.allow_eviction_policy = \"{policy}\""
    )]
    Evicts {
        /// The server's policy.
        policy: String,
    },
    /// A BullMQ operation failed.
    #[error("{step} ({queue})")]
    Step {
        /// What was tried.
        step: &'static str,
        /// On which queue.
        queue: String,
        /// Why.
        #[source]
        source: Box<bullmq::Error>,
    },
    /// A Redis command failed.
    #[error("{step}")]
    Redis {
        /// What was tried.
        step: &'static str,
        /// Why.
        #[source]
        source: redis::RedisError,
    },
    /// A script of ours failed.
    #[error("{step}: {message}")]
    Script {
        /// What was tried.
        step: &'static str,
        /// What Redis says.
        message: String,
    },
    /// The queue is not served any more.
    #[error("queue {queue} is closed in this process")]
    Closed {
        /// The queue.
        queue: String,
    },
    /// The connection broke, or there is none.
    #[error("{step}: Redis is not reachable")]
    Unreachable {
        /// What was tried. It may have been done all the same, if the answer was lost.
        step: &'static str,
        /// Why.
        #[source]
        source: redis::RedisError,
    },
    /// Redis is there, and refuses for now.
    #[error("{step}: Redis refuses writes: {refusal}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// Why, and the way out.
        refusal: Refusal,
        /// Its own words.
        #[source]
        source: redis::RedisError,
    },
    /// An apalis queue and ours are on different nodes of a Cluster.
    #[error(
        "in a Redis Cluster no task can move in one step from apalis' queue {namespace} to queues under {prefix}: \
         both names must hold the same {{hash tag}}, e.g. redis.prefix = \"{{roadie}}\" and \
         namespace = \"{{roadie}}:emails\", which the producers then name in their `Config::queue`"
    )]
    OtherSlot {
        /// apalis' name of its queue.
        namespace: String,
        /// `redis.prefix`.
        prefix: String,
    },
    /// The queue is not there.
    #[error("there is no queue {queue} under this prefix; `roadie queues` lists those that exist")]
    NoSuchQueue {
        /// The queue.
        queue: String,
    },
    /// The job is not there.
    #[error("queue {queue} has no job {id}")]
    NoSuchJob {
        /// The queue.
        queue: String,
        /// The id.
        id: String,
    },
    /// The end of a pause has passed already.
    #[error("queue {queue} was not paused: the pause would be over already")]
    PauseOver {
        /// The queue.
        queue: String,
    },
    /// The job is in a state that the operation does not apply to.
    #[error("job {id} of queue {queue} is {state}; only failed jobs can be retried")]
    NotFailed {
        /// The queue.
        queue: String,
        /// The id.
        id: String,
        /// Its state.
        state: &'static str,
    },
}

impl QueueError {
    /// What a failed command means.
    pub(crate) fn of(step: &'static str) -> impl Fn(redis::RedisError) -> Self + Copy {
        move |source| match Fault::of(&source) {
            Fault::Broken | Fault::Moved => Self::Unreachable { step, source },
            Fault::Refused(refusal) => Self::Refused { step, refusal, source },
            Fault::Command => Self::Redis { step, source },
        }
    }

    /// Whether BullMQ refuses what it was asked to do, whatever becomes of Redis.
    pub(crate) fn is_final(&self) -> bool {
        use bullmq::Error::{InvalidConfig, Script, Serialization};
        matches!(self, Self::Step { source, .. }
            if matches!(**source, InvalidConfig(_) | Script { .. } | Serialization(_)))
    }

    /// Whether waiting does not help: Redis answered, and did not understand or could not do it.
    pub(crate) fn is_lasting(&self) -> bool {
        matches!(self, Self::Redis { .. } | Self::Script { .. } | Self::Closed { .. })
    }

    /// Whether Redis refused because its memory is full: removing is still allowed.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Refused { refusal: Refusal::Full, .. })
    }
}

/// What a failed operation of BullMQ means.
pub(super) fn step(step: &'static str, queue: &str, source: bullmq::Error) -> QueueError {
    match source {
        bullmq::Error::Redis(source) if Fault::of(&source) != Fault::Command => {
            QueueError::of(step)(source)
        }
        source => QueueError::Step { step, queue: queue.to_owned(), source: Box::new(source) },
    }
}
