//! Jobs whose worker is gone wait again.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use crate::observe::metrics;
use crate::queue::QueueError;

/// Active jobs that one call looks at, and the pause between two: a mass of lost leases must not hold up
/// the jobs of those that are alive.
const LOOKED_AT: usize = 200;
const BETWEEN: Duration = Duration::from_millis(4);

/// Looks for lost leases again and again. One process of the fleet does it at a time.
pub(super) async fn watch(engine: Arc<Engine>, queue: String) {
    let every = engine.config.worker.recovery_scan;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = look(&engine, &queue, every).await {
            // The feed says that Redis is away.
            tracing::debug!(%error, queue, "not looked for lost leases");
        }
    }
}

async fn look(engine: &Engine, queue: &str, every: Duration) -> Result<(), QueueError> {
    // The next tick may come a moment early.
    if !engine.queues.claim_recovery(queue, every * 9 / 10).await? {
        return Ok(());
    }
    let mut left = engine.queues.active(queue).await?;
    let (mut waiting, mut doomed) = (0, 0);
    while left > 0 {
        let most = left.min(LOOKED_AT);
        let found = engine.queues.recover(queue, most, engine.config.worker.max_crashes).await?;
        for id in &found.doomed {
            tracing::warn!(queue, job.id = %id, "job took its workers down too often; it will be given up");
        }
        metrics::jobs_recovered(queue, found.waiting.len(), found.doomed.len());
        waiting += found.waiting.len();
        doomed += found.doomed.len();
        left -= most;
        if left > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
    }
    if waiting + doomed > 0 {
        tracing::warn!(queue, jobs = waiting + doomed, "lost leases: these jobs wait again");
    }
    Ok(())
}
