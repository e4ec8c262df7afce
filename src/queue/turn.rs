//! One turn of the hot path: jobs end, and others are reserved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value as Reply};

use super::canary::canary_id;
use super::record::{Keep, Record};
use super::scripts::{RESERVE, SETTLE, failed};
use super::transition::Settled;
use super::{QueueError, Queues, millis};

/// How a worker reserves.
#[derive(Clone, Debug)]
pub(super) struct Reserve {
    pub(super) worker: String,
    pub(super) lease: Duration,
    /// The worker's name and a colon; a number is appended.
    pub(super) token_prefix: String,
    pub(super) first_token: u64,
    /// Largest share of the busy slots of one user while others wait; none: no fairness.
    pub(super) fair_share: Option<f64>,
    /// The payload field that names the user.
    pub(super) fair_by: String,
    /// Crashes that make a job a dead letter.
    pub(super) max_crashes: u32,
    /// Jobs in this process' hands that are a crash away from that.
    pub(super) suspects: Arc<AtomicUsize>,
}

/// A reserved job.
#[derive(Debug)]
pub(super) struct FoundJob {
    pub(super) id: String,
    pub(super) token: String,
    pub(super) record: Record,
}

/// What a look at a queue brought.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) state: State,
    /// When another look is worth while.
    pub(super) look_after: Option<Duration>,
    pub(super) jobs: Vec<FoundJob>,
}

/// Why a queue gives no more jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has none.
    Open,
    /// It is paused, or its global concurrency is used up.
    Closed,
    /// Its rate limit is reached.
    Limited,
}

impl FromRedisValue for FoundJob {
    fn from_redis_value(reply: Reply) -> Result<Self, ParsingError> {
        let (id, token, record) = redis::from_redis_value(reply)?;
        Ok(Self { id, token, record })
    }
}

impl FromRedisValue for Found {
    fn from_redis_value(reply: Reply) -> Result<Self, ParsingError> {
        let mut items = reply.into_sequence().map_err(|_| "not a list of jobs")?.into_iter();
        let (Some(state), Some(after)) = (items.next(), items.next()) else {
            return Err("an answer without a state".into());
        };
        let state = match redis::from_redis_value::<String>(state)?.as_str() {
            "open" => State::Open,
            "limited" => State::Limited,
            _ => State::Closed,
        };
        let after: u64 = redis::from_redis_value(after)?;
        Ok(Self {
            state,
            look_after: (after > 0).then(|| Duration::from_millis(after)),
            jobs: items.map(redis::from_redis_value).collect::<Result<_, _>>()?,
        })
    }
}

/// How a job ends.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) id: String,
    pub(super) token: String,
    pub(super) completed: bool,
    /// The return value (JSON), or the reason.
    pub(super) value: String,
    pub(super) keep: Keep,
    pub(super) attempts: u32,
}

impl Queues {
    /// Takes up to `want` jobs.
    pub(super) async fn reserve(
        &self,
        queue: &str,
        request: &Reserve,
        want: usize,
    ) -> Result<Found, QueueError> {
        RESERVE
            .key(self.meta_key(queue))
            .arg(self.base(queue))
            .arg(want)
            .arg(millis(request.lease))
            .arg(&request.token_prefix)
            .arg(request.first_token)
            .arg(&request.worker)
            .arg(request.fair_share.unwrap_or(0.0))
            .arg(canary_id(&request.worker))
            .arg(&request.fair_by)
            .arg(request.max_crashes)
            .arg(request.suspects.load(Ordering::Acquire))
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("reserve jobs"))
    }

    /// Ends jobs.
    pub(super) async fn end(
        &self,
        queue: &str,
        worker: &str,
        endings: &[&Ending],
    ) -> Result<Vec<Result<Settled, QueueError>>, QueueError> {
        let mut call = SETTLE.key(self.meta_key(queue));
        call.arg(self.base(queue)).arg(worker);
        let or_all =
            |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(-1));
        for ending in endings {
            call.arg(&ending.id)
                .arg(&ending.token)
                .arg(if ending.completed { "completed" } else { "failed" })
                .arg(&ending.value)
                .arg(or_all(ending.keep.count))
                .arg(or_all(ending.keep.age.map(|age| age.as_secs())))
                .arg(ending.attempts);
        }
        let answers: Vec<String> =
            call.invoke_async(&mut self.redis()).await.map_err(failed("end jobs"))?;
        let told = |answer: String| match answer.as_str() {
            "done" => Ok(Settled::Done),
            "lost" => Ok(Settled::LeaseLost),
            "children" => Ok(Settled::ChildrenPending),
            "failed children" => Ok(Settled::ChildrenFailed),
            _ => Err(QueueError::Script { step: "end a job", message: answer }),
        };
        Ok(answers.into_iter().map(told).collect())
    }
}
