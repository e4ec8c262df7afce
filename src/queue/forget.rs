//! Everything that queues know of one user, removed: jobs in any state, events, schedules, turns, claims,
//! keys that web tiers poll.
//!
//! Sets and streams are read in pages; a job that moves from one set to another meanwhile is found in the
//! next round. Events go before the jobs that tell whose they are.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use redis::Script;
use redis::streams::{StreamId, StreamRangeReply};
use roadie_jobs::context::{Forgotten, Traces};
use roadie_jobs::privacy::is_of;

use super::cancel::Wish;
use super::look::lossy;
use super::{QueueError, Queues};

macro_rules! script {
    ($name:ident, $($file:literal),+) => {
        static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    };
}

script!(FORGET, "scripts/common.lua", "scripts/forget.lua");
script!(FORGET_EVENTS, "scripts/forget_events.lua");

const FORGETTING: &str = "forget a user";
/// Entries that are read at once.
const PAGE: isize = 500;
/// Jobs that one script removes at most: what takes it 1 to 2 ms.
const REMOVED_AT_ONCE: usize = 100;
/// Rounds until what still moves is left to the next call.
const ROUNDS: usize = 5;
/// How long counts outlive a worker that does not come back, in seconds.
const COUNTS_LAST: u64 = 7 * 24 * 3600;
/// Where jobs wait in order, and where they wait or stay by a score.
const LISTS: [&str; 3] = ["active", "wait", "paused"];
const SETS: [&str; 5] = ["delayed", "prioritized", "waiting-children", "completed", "failed"];

/// The request of a user to be forgotten, on its way through the queues.
struct Search<'a> {
    queues: &'a Queues,
    traces: &'a Traces,
    counts: String,
    wish: String,
    alive: &'a (dyn Fn() + Send + Sync),
}

impl Queues {
    /// Removes what there is of a user; jobs that run are asked to end. `alive` is called now and then.
    pub(crate) async fn forget_user(
        &self,
        traces: &Traces,
        alive: &(dyn Fn() + Send + Sync),
    ) -> Result<Forgotten, QueueError> {
        let wish = Wish::new(traces.spared, "the user is erased");
        let search = Search {
            queues: self,
            traces,
            counts: self.counts_key(&traces.request_id),
            wish: serde_json::to_string(&wish).unwrap_or_default(),
            alive,
        };
        let mut running = 0;
        for queue in self.names().await? {
            search.forget_events(&queue).await?;
            search.forget_schedules(&queue).await?;
            for _ in 0..ROUNDS {
                let (removed, still) = search.forget_jobs(&queue).await?;
                if removed == 0 {
                    running += still;
                    break;
                }
            }
            search.forget_turns(&queue).await?;
        }
        search.forget_keys().await?;
        Ok(Forgotten { running, ..search.counted().await? })
    }

    /// Forgets what was counted for a request.
    pub(crate) async fn end_forgetting(&self, request_id: &str) -> Result<(), QueueError> {
        let mut forget = redis::cmd("UNLINK");
        forget.arg(self.counts_key(request_id));
        forget.exec_async(&mut self.redis()).await.map_err(QueueError::of(FORGETTING))
    }

    fn counts_key(&self, request_id: &str) -> String {
        self.own_key(&format!("erasure:{request_id}"))
    }
}

/// A job as far as it tells whose it is.
type Facts = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Search<'_> {
    fn base(&self, queue: &str) -> String {
        self.queues.base(queue)
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, QueueError> {
        (self.alive)();
        command.query_async(&mut self.queues.redis()).await.map_err(QueueError::of(FORGETTING))
    }

    /// Kind and payload of jobs; nothing of those that are not there.
    async fn facts(&self, queue: &str, ids: &[String]) -> Result<Vec<Facts>, QueueError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            pipe.hmget(self.queues.job_key(queue, id), &["name", "data"]);
        }
        (self.alive)();
        pipe.query_async(&mut self.queues.redis()).await.map_err(QueueError::of(FORGETTING))
    }

    fn is_theirs(&self, payload: Option<&[u8]>) -> bool {
        payload.is_some_and(|payload| is_of(&lossy(payload), self.traces.user_id))
    }

    fn is_spared(&self, kind: Option<&[u8]>) -> bool {
        kind == Some(self.traces.spared.as_bytes())
    }

    /// Whether a job's id tells that it was the user's.
    fn tells(&self, id: &str) -> bool {
        let tells = |begin: &String| {
            id.strip_prefix(begin.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        self.traces.job_ids.iter().any(tells)
    }

    async fn forget_jobs(&self, queue: &str) -> Result<(u64, u64), QueueError> {
        let (mut removed, mut running) = (0, 0);
        for list in LISTS {
            // From where jobs are put to where they are taken: what moves on is met again, not missed.
            let mut from = 0;
            loop {
                let key = format!("{}:{list}", self.base(queue));
                let mut range = redis::cmd("LRANGE");
                range.arg(key).arg(from).arg(from + PAGE - 1);
                let ids: Vec<String> = self.ask(&range).await?;
                if ids.is_empty() {
                    break;
                }
                let (gone, still) = self.forget_some(queue, &ids, false).await?;
                (removed, running) = (removed + gone, running + still);
                from += PAGE - isize::try_from(gone).unwrap_or(PAGE);
            }
        }
        for set in SETS {
            let ended = matches!(set, "completed" | "failed");
            let mut cursor = 0_u64;
            loop {
                let key = format!("{}:{set}", self.base(queue));
                let mut scan = redis::cmd("ZSCAN");
                scan.arg(key).arg(cursor).arg("COUNT").arg(PAGE);
                let (next, found): (u64, Vec<(String, String)>) = self.ask(&scan).await?;
                let ids: Vec<String> = found.into_iter().map(|(id, _)| id).collect();
                let (gone, still) = self.forget_some(queue, &ids, ended).await?;
                (removed, running) = (removed + gone, running + still);
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok((removed, running))
    }

    /// Of these jobs, the user's.
    async fn forget_some(
        &self,
        queue: &str,
        ids: &[String],
        ended: bool,
    ) -> Result<(u64, u64), QueueError> {
        let facts = self.facts(queue, ids).await?;
        let theirs = ids.iter().zip(&facts).filter_map(|(id, (kind, payload))| {
            let spared = (!ended || self.traces.spared_ended) && self.is_spared(kind.as_deref());
            (!spared && self.is_theirs(payload.as_deref())).then_some((id, payload.as_deref()?))
        });
        let theirs: Vec<(&String, &[u8])> = theirs.collect();
        let (mut removed, mut running) = (0, 0);
        for some in theirs.chunks(REMOVED_AT_ONCE) {
            let mut call = FORGET.key(self.queues.wishes_key());
            call.key(&self.counts).arg(self.base(queue)).arg(queue).arg(&self.wish);
            call.arg(COUNTS_LAST).arg(self.traces.user_id);
            for (id, payload) in some {
                call.arg(*id).arg(*payload);
            }
            let done: Result<(u64, u64), _> = call.invoke_async(&mut self.queues.redis()).await;
            let (gone, still) = done.map_err(QueueError::of(FORGETTING))?;
            (removed, running) = (removed + gone, running + still);
        }
        Ok((removed, running))
    }

    /// Events of jobs that are the user's, or that say something of the user.
    async fn forget_events(&self, queue: &str) -> Result<(), QueueError> {
        let key = format!("{}:events", self.base(queue));
        let mut from = "-".to_owned();
        loop {
            let mut range = redis::cmd("XRANGE");
            range.arg(&key).arg(&from).arg("+").arg("COUNT").arg(PAGE);
            let page: StreamRangeReply = self.ask(&range).await?;
            let Some(last) = page.ids.last() else { return Ok(()) };
            from = format!("({}", last.id);
            let jobs: Vec<String> =
                page.ids.iter().map(|event| event.get("jobId").unwrap_or_default()).collect();
            let facts = self.facts(queue, &jobs).await?;
            let theirs =
                page.ids.iter().zip(jobs.iter().zip(&facts)).filter(|(event, (id, facts))| {
                    !self.is_spared(facts.0.as_deref())
                        && (self.is_theirs(facts.1.as_deref())
                            || self.tells(id)
                            || self.says(event))
                });
            let theirs: Vec<&str> = theirs.map(|(event, _)| event.id.as_str()).collect();
            if !theirs.is_empty() {
                let mut call = FORGET_EVENTS.key(&key);
                call.key(&self.counts).arg(COUNTS_LAST).arg(theirs);
                let done: Result<u64, _> = call.invoke_async(&mut self.queues.redis()).await;
                done.map_err(QueueError::of(FORGETTING))?;
            }
        }
    }

    /// Whether what an event carries names the user.
    fn says(&self, event: &StreamId) -> bool {
        ["data", "returnvalue"].iter().any(|field| {
            let said: Option<Vec<u8>> = event.get(field);
            self.is_theirs(said.as_deref())
        })
    }

    async fn forget_schedules(&self, queue: &str) -> Result<(), QueueError> {
        for id in self.queues.schedules(queue).await? {
            let mut read = redis::cmd("HGET");
            read.arg(format!("{}:repeat:{id}", self.base(queue))).arg("data");
            let payload: Option<Vec<u8>> = self.ask(&read).await?;
            if self.is_theirs(payload.as_deref()) && self.queues.drop_schedule(queue, &id).await? {
                self.count("schedules", 1).await?;
            }
        }
        Ok(())
    }

    /// The user's place in a fair queue.
    async fn forget_turns(&self, queue: &str) -> Result<(), QueueError> {
        let user = self.traces.user_id.to_string();
        let fair = |name: &str| format!("{}:roadie:{name}", self.base(queue));
        let turns: Vec<String> = self.ask(redis::cmd("HKEYS").arg(fair("turns"))).await?;
        let mut pipe = redis::pipe();
        pipe.zrem(fair("users"), &user).ignore().unlink(fair(&format!("user:{user}"))).ignore();
        // "priority:user"
        for turn in turns.iter().filter(|turn| turn.split_once(':').is_some_and(|t| t.1 == user)) {
            pipe.hdel(fair("turns"), turn).ignore();
        }
        pipe.exec_async(&mut self.queues.redis()).await.map_err(QueueError::of(FORGETTING))
    }

    /// One by one: in a Cluster they lie on several nodes.
    async fn forget_keys(&self) -> Result<(), QueueError> {
        let claims = self.traces.claims.iter().map(|name| self.queues.claim_key(name));
        for key in claims.chain(self.traces.keys.iter().cloned()) {
            let gone: u64 = self.ask(redis::cmd("UNLINK").arg(key)).await?;
            self.count("keys", gone).await?;
        }
        Ok(())
    }

    async fn count(&self, what: &str, items: u64) -> Result<(), QueueError> {
        if items == 0 {
            return Ok(());
        }
        let seconds = i64::try_from(COUNTS_LAST).unwrap_or(i64::MAX);
        let mut pipe = redis::pipe();
        pipe.atomic().hincr(&self.counts, what, items).ignore().expire(&self.counts, seconds);
        pipe.exec_async(&mut self.queues.redis()).await.map_err(QueueError::of(FORGETTING))
    }

    async fn counted(&self) -> Result<Forgotten, QueueError> {
        let counts: BTreeMap<String, u64> =
            self.ask(redis::cmd("HGETALL").arg(&self.counts)).await?;
        let mut found = Forgotten::default();
        for (name, items) in counts {
            match name.strip_prefix("job:").and_then(|job| job.split_once(':')) {
                // Names of queues hold no colon.
                Some((queue, _)) => *found.jobs.entry(queue.to_owned()).or_default() += 1,
                None => drop(found.others.insert(name, items)),
            }
        }
        Ok(found)
    }
}
