//! Our Lua scripts, whose files say what they take and return, and typed calls of those that need no lease.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::record::Record;
use super::schedule::Firing;
use super::{QueueError, Queues, millis};

macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    };
}

script!(RESERVE, "scripts/common.lua", "scripts/fair.lua", "scripts/reserve.lua");
script!(DEAL, "scripts/common.lua", "scripts/fair.lua", "scripts/deal.lua");
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

pub(super) fn failed(step: &'static str) -> impl FnOnce(redis::RedisError) -> QueueError {
    QueueError::of(step)
}

pub(super) fn place(front: bool) -> &'static str {
    if front { "front" } else { "back" }
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
    pub(super) fn meta_key(&self, queue: &str) -> String {
        format!("{}:meta", self.base(queue))
    }

    /// Deals turns to waiting jobs of a fair queue; `from` is where the last look ended. Answers how many
    /// got one, and where this look ended.
    pub async fn deal(&self, queue: &str, by: &str, from: u64) -> Result<(usize, u64), QueueError> {
        DEAL.key(self.meta_key(queue))
            .arg(self.base(queue))
            .arg(by)
            .arg(from)
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

    /// Whether it is this process' turn to look for lost leases. BullMQ's workers take turns under a
    /// name of their own, and at their own pace: 30 s.
    pub async fn claim_recovery(&self, queue: &str, pace: Duration) -> Result<bool, QueueError> {
        let set: Option<String> = redis::cmd("SET")
            .arg(format!("{}:roadie:recovery", self.base(queue)))
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

    /// Wakes an idle worker of a queue. Best effort: all of them look now and then by themselves.
    pub(super) async fn wake(&self, queue: &str) {
        let mut redis = self.redis();
        let marker = format!("{}:marker", self.base(queue));
        let set = redis::cmd("ZADD").arg(marker).arg(0).arg("0").exec_async(&mut redis).await;
        if let Err(error) = set {
            tracing::debug!(%error, queue, "marker not set");
        }
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
