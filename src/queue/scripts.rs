//! Typed calls of our Lua scripts; their files say what they take and return.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Script, Value as Reply};

use super::record::{Keep, Record};
use super::schedule::Firing;
use super::transition::Settled;
use super::{QueueError, Queues, millis};

macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    };
}

script!(RESERVE, "scripts/common.lua", "scripts/fair.lua", "scripts/reserve.lua");
script!(SORT, "scripts/common.lua", "scripts/fair.lua", "scripts/sort.lua");
script!(SETTLE, "scripts/common.lua", "scripts/settle.lua");
script!(RECOVER, "scripts/common.lua", "scripts/recover.lua");
script!(REQUEUE, "scripts/common.lua", "scripts/requeue.lua");
script!(DELAY, "scripts/common.lua", "scripts/delay.lua");
script!(AWAIT_CHILDREN, "scripts/common.lua", "scripts/await_children.lua");
script!(EXTEND, "scripts/common.lua", "scripts/extend.lua");
script!(REPORT, "scripts/common.lua", "scripts/report.lua");
script!(LOG, "scripts/common.lua", "scripts/log.lua");
script!(NEXT_FIRING, "scripts/common.lua", "scripts/next_firing.lua");
script!(TAKE, "scripts/common.lua", "scripts/take.lua");
script!(NOTE_FAILURE, "scripts/common.lua", "scripts/note_failure.lua");
script!(SAVE_CHECKPOINT, "scripts/common.lua", "scripts/save_checkpoint.lua");
script!(SET_OPTIONS, "scripts/set_options.lua");
script!(CLAIM, "scripts/claim.lua");
script!(UNCLAIM, "scripts/unclaim.lua");
script!(FOLLOW_PAUSE, "scripts/follow_pause.lua");

fn failed(step: &'static str) -> impl FnOnce(redis::RedisError) -> QueueError {
    QueueError::of(step)
}

/// The kind of a worker's own probe.
pub const CANARY: &str = "canary";

/// No producer's id looks like this: BullMQ refuses custom ids with colons.
fn canary_id(worker: &str) -> String {
    format!("roadie:canary:{worker}")
}

fn place(front: bool) -> &'static str {
    if front { "front" } else { "back" }
}

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

/// Jobs that lost their leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// They wait again.
    pub waiting: Vec<String>,
    /// They lost it too often, and will be failed by whoever takes them.
    pub doomed: Vec<String>,
    /// How many jobs wait now.
    pub waiting_now: usize,
}

impl Queues {
    fn meta_key(&self, queue: &str) -> String {
        format!("{}:meta", self.base(queue))
    }

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

    /// Deals turns to waiting jobs of a fair queue; answers to how many.
    pub async fn sort(&self, queue: &str, by: &str) -> Result<usize, QueueError> {
        SORT.key(self.meta_key(queue))
            .arg(self.base(queue))
            .arg(by)
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("deal turns"))
    }

    /// Replaces the weights of a fair queue's users.
    pub async fn set_user_weights(
        &self,
        queue: &str,
        weights: &BTreeMap<String, f64>,
    ) -> Result<(), QueueError> {
        let key = format!("{}:roadie:weights", self.base(queue));
        let mut pipe = redis::pipe();
        pipe.atomic().del(&key);
        for (user, weight) in weights {
            pipe.hset(&key, user, *weight);
        }
        pipe.exec_async(&mut self.redis()).await.map_err(failed("set the users' weights"))
    }

    /// Looks at up to `most` active jobs of a queue, and puts those back that nobody holds.
    pub async fn recover(
        &self,
        queue: &str,
        most: usize,
        max_crashes: u32,
        front: bool,
    ) -> Result<Recovered, QueueError> {
        let (waiting, doomed, waiting_now) = RECOVER
            .key(self.meta_key(queue))
            .arg(self.base(queue))
            .arg(most)
            .arg(max_crashes)
            .arg(place(front))
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("look for lost leases"))?;
        Ok(Recovered { waiting, doomed, waiting_now })
    }

    /// Whether it is this process' turn to look for lost leases, as BullMQ's workers take turns.
    pub async fn claim_recovery(&self, queue: &str, pace: Duration) -> Result<bool, QueueError> {
        let set: Option<String> = redis::cmd("SET")
            .arg(format!("{}:stalled-check", self.base(queue)))
            .arg(1)
            .arg(&["NX", "PX"])
            .arg(millis(pace).max(1))
            .query_async(&mut self.redis())
            .await
            .map_err(failed("take turns to look for lost leases"))?;
        Ok(set.is_some())
    }

    /// Active jobs of a queue.
    pub async fn active(&self, queue: &str) -> Result<usize, QueueError> {
        redis::cmd("LLEN")
            .arg(format!("{}:active", self.base(queue)))
            .query_async(&mut self.redis())
            .await
            .map_err(failed("count active jobs"))
    }

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

    /// Adds the next firing of a schedule, unless it is there already or the schedule is gone.
    pub(super) async fn add_firing(
        &self,
        queue: &str,
        schedule: &str,
        firing: &Firing,
        record: &Record,
    ) -> Result<Option<String>, QueueError> {
        NEXT_FIRING
            .key(self.meta_key(queue))
            .arg(self.base(queue))
            .arg(schedule)
            .arg(firing.after_ms)
            .arg(firing.due_ms)
            .arg(firing.options.to_string())
            .arg(record.payload())
            .arg(record.kind())
            .arg(record.priority())
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("add the next job of a schedule"))
    }

    /// Replaces the options of a job that is still there.
    pub(super) async fn set_options(
        &self,
        queue: &str,
        id: &str,
        options: &serde_json::Value,
    ) -> Result<(), QueueError> {
        SET_OPTIONS
            .key(self.job_key(queue, id))
            .arg(options.to_string())
            .invoke_async::<i64>(&mut self.redis())
            .await
            .map(drop)
            .map_err(failed("set a job's options"))
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

    /// Sets a probe for one worker: a job that only this worker sees, and that ends as all jobs do.
    pub async fn send_canary(&self, queue: &str, worker: &str) -> Result<(), QueueError> {
        redis::cmd("HSET")
            .arg(self.job_key(queue, &canary_id(worker)))
            .arg(&["name", CANARY, "data", "{}", "opts", r#"{"removeOnComplete":true}"#])
            .arg(&["timestamp", "0", "waiting", "1"])
            .exec_async(&mut self.redis())
            .await
            .map_err(failed("set a canary"))
    }

    /// Whether a worker's probe is still on its way.
    pub async fn canary_pending(&self, queue: &str, worker: &str) -> Result<bool, QueueError> {
        redis::cmd("EXISTS")
            .arg(self.job_key(queue, &canary_id(worker)))
            .query_async(&mut self.redis())
            .await
            .map_err(failed("look for a canary"))
    }

    /// Wakes an idle worker of a queue. Best effort: all of them look now and then by themselves.
    pub(super) async fn wake(&self, queue: &str) {
        let mut redis = self.redis();
        let marker = format!("{}:marker", self.base(queue));
        let set = redis::cmd("ZADD").arg(marker).arg(0).arg("0").exec_async(&mut redis).await;
        if let Err(error) = set {
            tracing::debug!(%error, queue, "marker not set");
        }
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

    /// Keeps jobs that became due while a client has paused the queue from being lost when it
    /// resumes; answers whether the queue is paused.
    pub(crate) async fn follow_pause(&self, queue: &str) -> Result<bool, QueueError> {
        let base = self.base(queue);
        FOLLOW_PAUSE
            .key(format!("{base}:meta"))
            .key(format!("{base}:wait"))
            .key(format!("{base}:paused"))
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("look whether a queue is paused"))
    }

    /// Keeps a checkpoint; false when somebody else holds the job.
    pub(super) async fn save_checkpoint(
        &self,
        held: &Held<'_>,
        checkpoint: &str,
    ) -> Result<bool, QueueError> {
        self.held_call(&SAVE_CHECKPOINT, "save a checkpoint", held, &[checkpoint]).await
    }

    /// A job's checkpoint, if it has one that is JSON.
    pub async fn checkpoint(
        &self,
        queue: &str,
        id: &str,
    ) -> Result<Option<serde_json::Value>, QueueError> {
        let text: Option<String> = redis::cmd("HGET")
            .arg(self.job_key(queue, id))
            .arg("roadie:checkpoint")
            .query_async(&mut self.redis())
            .await
            .map_err(failed("load a checkpoint"))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Takes or renews a fleet-wide name; answers who holds it.
    pub async fn claim(
        &self,
        name: &str,
        holder: &str,
        lifetime: Duration,
    ) -> Result<String, QueueError> {
        CLAIM
            .key(self.claim_key(name))
            .arg(holder)
            .arg(millis(lifetime))
            .invoke_async(&mut self.redis())
            .await
            .map_err(failed("claim a name"))
    }

    /// Gives a fleet-wide name back.
    pub async fn unclaim(&self, name: &str, holder: &str) -> Result<(), QueueError> {
        UNCLAIM
            .key(self.claim_key(name))
            .arg(holder)
            .invoke_async::<i64>(&mut self.redis())
            .await
            .map(drop)
            .map_err(failed("give a name back"))
    }
}
