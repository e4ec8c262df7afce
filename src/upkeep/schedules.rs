//! Writes the configured schedules into the queues' books, as BullMQ's job schedulers: one firing for the
//! whole fleet, however many processes write, since what is as configured is left alone and what is not
//! is changed in one step, by the server's clock.
//!
//! A process sees to the schedules of the queues that it serves, at its start; those that have vanished
//! from its configuration end, if a configuration had made them. Later it only mends: a firing that was
//! lost, or everything in a Redis that has lost everything. So an older process neither takes back what a
//! newer one has written, nor brings back what that has ended.

mod decide;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::decide::{Step, decide, later};
use crate::config::Schedule;
use crate::observe::logs;
use crate::queue::book::{Entry, Plan, Timing, Written};
use crate::queue::{QueueError, Queues};
use crate::worker::Engine;

/// How often it is looked whether something needs mending.
const MEND_EVERY: Duration = Duration::from_secs(10);
/// Tries in a row, if others write at the same time.
const TRIES: usize = 10;

/// Writes what is configured, then mends until aborted.
pub(super) async fn keep(engine: Arc<Engine>) {
    let plans: BTreeMap<&String, Plan> = engine
        .config
        .schedules
        .iter()
        .filter_map(|(name, schedule)| {
            let queue = schedule.queue(&engine.registry)?;
            Some((name, plan(name, schedule, queue)))
        })
        .collect();
    for (name, plan) in &plans {
        if !engine.config.queues.contains_key(&plan.queue) {
            tracing::warn!(
                schedule = %name, queue = %plan.queue,
                "not served here; a process that serves this queue, and is configured so, fires it"
            );
        }
    }
    let ours: BTreeMap<&str, &Plan> = plans
        .iter()
        .filter(|(_, plan)| engine.config.queues.contains_key(&plan.queue))
        .map(|(name, plan)| (name.as_str(), plan))
        .collect();
    let mut known = false;
    let mut silent = false;
    let mut ticks = tokio::time::interval(MEND_EVERY);
    loop {
        ticks.tick().await;
        let seen = if known { mend(&engine, &ours).await } else { write_all(&engine, &ours).await };
        match seen {
            Ok(()) => (known, silent) = (true, false),
            // An outage is said once.
            Err(_) if silent => {}
            Err(error) => {
                silent = true;
                let error = logs::one_line(error.chain());
                tracing::warn!(error, "schedules not looked after; trying again");
            }
        }
    }
}

/// What the ids of configured schedules begin with. BullMQ takes colons for parts of old ids.
pub(crate) const PREFIX: &str = "roadie.";

/// The id under which a configured schedule is in the book.
pub(crate) fn id(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn plan(name: &str, schedule: &Schedule, queue: &str) -> Plan {
    let every = schedule.every.map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX));
    let timing = match (every, &schedule.cron) {
        (Some(every), _) => Timing::Every(every),
        (None, pattern) => Timing::Cron(pattern.clone().unwrap_or_default(), schedule.tz.clone()),
    };
    Plan {
        id: id(name),
        queue: queue.to_owned(),
        kind: schedule.kind.clone(),
        payload: schedule.payload.clone(),
        timing,
        limit: schedule.limit,
        start: schedule.start,
        end: schedule.end,
        priority: schedule.priority,
        attempts: schedule.attempts,
    }
}

async fn write_all(engine: &Engine, ours: &BTreeMap<&str, &Plan>) -> anyhow::Result<()> {
    let queues = &engine.queues;
    let made = queues.made_schedules().await?.unwrap_or_default();
    for (name, plan) in ours {
        if write(queues, plan).await? {
            tracing::info!(schedule = name, queue = plan.queue, "schedule written");
        }
        match made.get(*name) {
            Some(queue) if *queue == plan.queue => {}
            elsewhere => {
                if let Some(queue) = elsewhere {
                    queues.drop_schedule(queue, &plan.id).await?;
                }
                queues.note_made(Some((name, &plan.queue))).await?;
            }
        }
    }
    for (name, queue) in &made {
        let configured = engine.config.schedules.contains_key(name);
        if !configured && engine.config.queues.contains_key(queue) {
            queues.drop_schedule(queue, &id(name)).await?;
            queues.forget_made(name).await?;
            tracing::info!(schedule = %name, queue, "schedule ended: it is not configured any more");
        }
    }
    Ok(queues.note_made(None).await?)
}

async fn mend(engine: &Engine, ours: &BTreeMap<&str, &Plan>) -> anyhow::Result<()> {
    let Some(made) = engine.queues.made_schedules().await? else {
        return write_all(engine, ours).await;
    };
    for (name, plan) in ours {
        if made.get(*name) != Some(&plan.queue) {
            continue;
        }
        let seen = engine.queues.schedule(&plan.queue, &plan.id).await?;
        let unchanged = seen.as_ref().is_some_and(|seen| seen.fields == plan.fields());
        if unchanged && write(&engine.queues, plan).await? {
            tracing::warn!(schedule = name, queue = plan.queue, "its next firing was lost; mended");
        }
    }
    Ok(())
}

/// Brings one schedule to what it should be; answers whether anything had to be written.
async fn write(queues: &Queues, plan: &Plan) -> anyhow::Result<bool> {
    for _ in 0..TRIES {
        let now = u64::try_from(queues.time_ms().await?).unwrap_or(0);
        let seen = queues.schedule(&plan.queue, &plan.id).await?;
        let mut step = decide(plan, seen.as_ref(), now)?;
        loop {
            match carry_out(queues, plan, seen.as_ref(), step, now).await? {
                None => return Ok(false),
                Some(Written::Done) => return Ok(true),
                Some(Written::Changed) => break,
                Some(Written::Taken) => match step {
                    Step::Fire(taken, count) => step = later(plan, taken, count)?,
                    Step::Leave | Step::Entry => break,
                },
            }
        }
    }
    anyhow::bail!("others write schedule {} of queue {} all the time", plan.id, plan.queue)
}

async fn carry_out(
    queues: &Queues,
    plan: &Plan,
    seen: Option<&Entry>,
    step: Step,
    now: u64,
) -> Result<Option<Written>, QueueError> {
    let next = match step {
        Step::Leave => return Ok(None),
        Step::Entry => None,
        Step::Fire(due, count) => Some((due, count)),
    };
    queues.write_schedule(plan, seen, next, now).await.map(Some)
}
