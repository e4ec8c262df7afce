//! What is kept of finished jobs: by count and age where their producer did not say, and by bytes.
//!
//! One process of the fleet at a time looks after a queue, and one after the bytes of all: a claim
//! says which. The claims only save work: a job is removed in one step, so that two processes at once
//! do no harm, and a Redis that is too full to take a claim is cleaned all the same.

mod decide;
mod letters;
mod walk;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use tokio::time::{Instant, MissedTickBehavior};

use self::decide::{cutoff, due, excess, relief, too_old};
use self::walk::Walk;
use crate::config::Limit;
use crate::observe::{logs, metrics};
use crate::queue::finished::{Ended, Finished, Memory, Removed, Weight};
use crate::queue::{QueueError, Queues};
use crate::worker::Engine;

/// A claim outlives this many rounds, and this time.
const CLAIMED_ROUNDS: u32 = 3;
const CLAIMED_FOR: Duration = Duration::from_secs(5);
/// A queue that nobody has served for this long is left out of the common budget.
const SERVED_WITHIN_MS: i64 = 24 * 60 * 60 * 1000;
/// How often trouble is mentioned.
const WARN_EVERY: Duration = Duration::from_mins(1);
/// The claim for the bytes of all queues.
const ALL: &str = "retention";

/// Rounds until aborted.
pub(super) async fn keep(engine: Arc<Engine>) {
    let every = engine.config.retention.every;
    let mut rounds = Rounds { engine, stay: HashMap::new(), tally: BTreeMap::new(), warned: None };
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = rounds.round().await {
            rounds.warn(&logs::error_line(&error));
        }
        rounds.log();
    }
}

/// Lets another process take over at once.
pub(super) async fn hand_over(engine: &Engine) {
    let names = engine.config.queues.keys().map(|queue| claim(queue)).chain([ALL.to_owned()]);
    for name in names {
        if engine.queues.unclaim(&name, &engine.name).await.is_err() {
            return;
        }
    }
}

fn claim(queue: &str) -> String {
    format!("{ALL}:{queue}")
}

struct Rounds {
    engine: Arc<Engine>,
    /// How many of the oldest jobs of a queue were seen to stay.
    stay: HashMap<(String, Ended), u64>,
    /// What this round has removed, by queue, state and reason.
    tally: BTreeMap<(String, &'static str, &'static str), Removed>,
    warned: Option<Instant>,
}

impl Rounds {
    async fn round(&mut self) -> Result<(), QueueError> {
        let engine = Arc::clone(&self.engine);
        let now = engine.queues.time_ms().await?;
        let served: Vec<&str> = engine.config.queues.keys().map(String::as_str).collect();
        let noted = engine.queues.note_served(&served, now).await;
        for queue in served {
            if !self.claimed(&claim(queue)).await? {
                continue;
            }
            let kept = engine.config.retention(queue);
            self.limit(queue, Ended::Completed, kept.completed, now).await?;
            self.limit(queue, Ended::Failed, kept.failed, now).await?;
            if let Some(max) = engine.config.queue_max_bytes(queue) {
                let names = [queue.to_owned()];
                let weight = weigh(&engine.queues, &names).await?;
                self.free(&names, weight.slices, excess(weight.bytes, Some(max))).await?;
            }
        }
        if self.claimed(ALL).await? {
            self.budget(now).await?;
        }
        noted.or_else(|error| if error.is_full() { Ok(()) } else { Err(error) })
    }

    async fn claimed(&self, name: &str) -> Result<bool, QueueError> {
        let Engine { config, queues, name: own, .. } = &*self.engine;
        let lifetime = CLAIMED_FOR.max(config.retention.every * CLAIMED_ROUNDS);
        match queues.claim(name, own, lifetime).await {
            Ok(holder) => Ok(holder == *own),
            Err(error) if error.is_full() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Count and age.
    async fn limit(
        &mut self,
        queue: &str,
        ended: Ended,
        limit: Limit,
        now: i64,
    ) -> Result<(), QueueError> {
        if limit == Limit::default() {
            return Ok(());
        }
        let queues = self.engine.queues.clone();
        let before = too_old(limit, now).unwrap_or(i64::MIN);
        let (all, old) = queues.count_finished(queue, ended, before).await?;
        let due = due(limit, all, old);
        let place = (queue.to_owned(), ended);
        // Once all were looked at, and no more are due, from the start: a flow's parent may have ended.
        let from = self.stay.get(&place).copied().filter(|stay| *stay < due).unwrap_or(0);
        let mut walk = Walk::new(&queues, queue, ended, true, from..due);
        while let Some(jobs) = walk.next().await? {
            let Some(jobs) = self.buried(queue, ended, jobs).await else { break };
            // In order, so that those that are too old come first.
            let old = jobs.partition_point(|(_, at)| at.parse().is_ok_and(|at: i64| at <= before));
            for (jobs, reason) in [(&jobs[..old], "age"), (&jobs[old..], "count")] {
                let removed = walk.remove(jobs, None).await?;
                self.count(queue, ended, reason, removed);
            }
        }
        self.stay.insert(place, walk.reached());
        Ok(())
    }

    /// The bytes of all queues together, and of Redis.
    async fn budget(&mut self, now: i64) -> Result<(), QueueError> {
        let engine = Arc::clone(&self.engine);
        let settings = &engine.config.retention;
        let memory = match engine.queues.memory().await {
            // This user may not ask.
            Err(QueueError::Redis { .. }) => Memory::default(),
            memory => memory?,
        };
        let relief = relief(memory, settings.nearly_full);
        if settings.max_bytes.is_none() && relief == 0 {
            return Ok(());
        }
        let mut names = engine.queues.served_since(now.saturating_sub(SERVED_WITHIN_MS)).await?;
        // A Redis that was full at start took no note of them.
        names.extend(engine.config.queues.keys().cloned());
        names.sort_unstable();
        names.dedup();
        let weight = weigh(&engine.queues, &names).await?;
        let wanted = relief.max(excess(weight.bytes, settings.max_bytes));
        let lacking = self.free(&names, weight.slices, wanted).await?;
        if relief > 0 && lacking > 0 {
            self.warn(&format!(
                "Redis uses {} of {} bytes, and {lacking} bytes too few are finished jobs; what waits \
                 fills it: give it more memory, or let fewer jobs wait",
                memory.used, memory.limit
            ));
        }
        Ok(())
    }

    /// Removes the oldest finished jobs and events of queues until so many bytes are free; answers how
    /// many are lacking.
    async fn free(
        &mut self,
        names: &[String],
        mut slices: Vec<(i64, u64)>,
        mut wanted: u64,
    ) -> Result<u64, QueueError> {
        let queues = self.engine.queues.clone();
        while let Some(until) = cutoff(&slices, wanted) {
            for queue in names {
                for ended in Ended::ALL {
                    let (_, old) = queues.count_finished(queue, ended, until).await?;
                    let mut walk = Walk::new(&queues, queue, ended, false, 0..old);
                    while wanted > 0
                        && let Some(jobs) = walk.next().await?
                        && let Some(jobs) = self.buried(queue, ended, jobs).await
                    {
                        let removed = walk.remove(&jobs, Some(wanted)).await?;
                        self.count(queue, ended, "bytes", removed);
                        wanted = wanted.saturating_sub(removed.bytes);
                    }
                }
                if wanted > 0 {
                    wanted = wanted.saturating_sub(queues.trim_events(queue, until).await?);
                }
            }
            // Some were lighter than their sample, or must stay: on with the next ones.
            slices.retain(|(at, _)| *at > until);
        }
        Ok(wanted)
    }

    /// Of failed jobs those that are in the catalogue by now, of completed ones all; none: the
    /// catalogue does not take them.
    async fn buried(
        &mut self,
        queue: &str,
        ended: Ended,
        jobs: Vec<Finished>,
    ) -> Option<Vec<Finished>> {
        if ended == Ended::Completed {
            return Some(jobs);
        }
        match letters::ensure(&self.engine, queue, jobs).await {
            Ok(jobs) => Some(jobs),
            Err(error) => {
                let why = logs::one_line(error.chain());
                self.warn(&format!(
                    "failed jobs stay in Redis, they are no dead letters yet: {why}"
                ));
                None
            }
        }
    }

    fn count(&mut self, queue: &str, ended: Ended, reason: &'static str, removed: Removed) {
        if removed.jobs == 0 {
            return;
        }
        metrics::retention_removed(queue, ended.name(), reason, removed.jobs);
        let sum = self.tally.entry((queue.to_owned(), ended.name(), reason)).or_default();
        sum.jobs += removed.jobs;
        sum.bytes += removed.bytes;
    }

    /// One line a round.
    fn log(&mut self) {
        let mut line = String::new();
        for ((queue, state, reason), Removed { jobs, bytes }) in std::mem::take(&mut self.tally) {
            let comma = if line.is_empty() { "" } else { ", " };
            let weighed = if bytes > 0 { format!(": {}", ByteSize(bytes)) } else { String::new() };
            write!(line, "{comma}{jobs} {state} of {queue} ({reason}{weighed})")
                .expect("writing to a String cannot fail");
        }
        if !line.is_empty() {
            tracing::info!(jobs = line, "finished jobs removed");
        }
    }

    /// An outage says so once in a while, not every round.
    fn warn(&mut self, trouble: &str) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(trouble, "trouble with what is kept of finished jobs; trying again");
        }
    }
}

/// How heavy the finished jobs and the events of queues are.
async fn weigh(queues: &Queues, names: &[String]) -> Result<Weight, QueueError> {
    let mut sum = Weight::default();
    for queue in names {
        for weight in [
            queues.weigh_finished(queue, Ended::Completed).await?,
            queues.weigh_finished(queue, Ended::Failed).await?,
            queues.weigh_events(queue).await?,
        ] {
            sum.bytes += weight.bytes;
            sum.slices.extend(weight.slices);
        }
    }
    Ok(sum)
}
