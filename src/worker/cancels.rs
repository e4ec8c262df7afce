//! Jobs that somebody cancelled, from whichever process.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use roadie_jobs::CancelReason;

use super::Engine;
use super::attempt::Attempt;
use super::patience::patiently;
use crate::outcome::cancel;

/// How often a process looks for jobs in its hands.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it looks after those that are in nobody's.
const REVIEW_EVERY: Duration = Duration::from_secs(1);

/// Asks cancelled jobs that are in hand here to stop.
pub(super) async fn watch(engine: Arc<Engine>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let unwanted: HashSet<_> = match engine.queues.wishes().await {
            Ok(wishes) => wishes.into_iter().collect(),
            Err(error) => {
                tracing::debug!(%error, "cancelled jobs not looked for");
                continue;
            }
        };
        engine.stops.set_unwanted(unwanted.clone());
        for job in &unwanted {
            let handles = engine.stops.of(job);
            if handles.iter().all(|cancel| cancel.reason().is_some()) {
                continue;
            }
            if let Ok((_, Some(wish))) = engine.queues.wished(&job.0, &job.1).await {
                tracing::info!(job.queue = job.0, job.id = job.1, by = wish.by, "job cancelled");
                for cancel in handles {
                    cancel.cancel(CancelReason::Cancelled);
                }
            }
        }
    }
}

/// Ends an attempt before it begins if its job was cancelled.
pub(super) async fn heed(attempt: &Attempt) {
    let info = &attempt.info;
    let stopped = || attempt.cancel.reason().is_some();
    let wished = || attempt.engine.queues.wished(&info.queue, &info.id);
    if let Ok((_, Some(_))) = patiently(stopped, wished).await {
        attempt.cancel.cancel(CancelReason::Cancelled);
    }
}

/// Ends cancelled jobs that came back to wait, and forgets those that have ended.
pub(super) async fn review(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(REVIEW_EVERY).await;
        for job in engine.stops.unwanted() {
            if !engine.stops.of(&job).is_empty() {
                continue;
            }
            let (queues, catalogue) = (&engine.queues, &engine.effects.catalogue);
            let ended = cancel::end(queues, catalogue, &job.0, &job.1, &engine.name).await;
            if let Err(error) = ended {
                tracing::debug!(%error, job.queue = job.0, job.id = job.1, "cancelled job not ended yet");
            }
        }
    }
}
