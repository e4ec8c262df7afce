//! Jobs whose worker is gone wait again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use crate::observe::metrics;
use crate::queue::QueueError;

/// Active jobs that one call looks at, and the pause between two calls.
const LOOKED_AT: usize = 200;
const BETWEEN: Duration = Duration::from_millis(4);
/// Of a mass of lost leases, the first go in front of the jobs that wait; the others come in at the
/// back while not more than so many wait, or after a longer pause, so that those get their turns, too.
const MASS: usize = 400;
const BETWEEN_IN_MASS: Duration = Duration::from_millis(150);

/// A call that takes so long has waited for Redis to come back.
const OUTAGE: Duration = Duration::from_secs(1);

/// Looks for lost leases again and again. One process of the fleet does it at a time.
pub(super) async fn watch(engine: Arc<Engine>, queue: String) {
    let every = engine.config.worker.recovery_scan;
    // The first look leaves those who were cut off together with us the time to renew their leases.
    let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        // The next tick may come a moment early.
        let turn = engine.queues.claim_recovery(&queue, every * 9 / 10).await;
        let looked = match turn {
            // Leases ran on while Redis was away, or while we waited for it: their holders come first.
            Ok(_) if away || asked.elapsed() >= OUTAGE => {
                away = false;
                ticks.reset_after(engine.config.worker.lease);
                Ok(())
            }
            Ok(true) => look(&engine, &queue).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = looked {
            // The feed says that Redis is away.
            tracing::debug!(%error, queue, "not looked for lost leases");
            away = true;
        }
    }
}

async fn look(engine: &Engine, queue: &str) -> Result<(), QueueError> {
    let mut left = engine.queues.active(queue).await?;
    let mut recovered = 0;
    while left > 0 {
        let most = left.min(LOOKED_AT);
        let crashes = engine.config.worker.max_crashes;
        let found = engine.queues.recover(queue, most, crashes, recovered < MASS).await?;
        for id in &found.doomed {
            tracing::warn!(queue, job.id = %id, "job took its workers down too often; it will be given up");
        }
        let (waiting, doomed) = (found.waiting.len(), found.doomed.len());
        metrics::jobs_recovered(queue, waiting, doomed);
        recovered += waiting + doomed;
        left -= most;
        if left > 0 {
            let crowded = recovered >= MASS && waiting > 0 && found.waiting_now > MASS;
            tokio::time::sleep(if crowded { BETWEEN_IN_MASS } else { BETWEEN }).await;
        }
    }
    if recovered > 0 {
        tracing::warn!(queue, jobs = recovered, "lost leases: these jobs wait again");
    }
    Ok(())
}
