//! Sends canaries: jobs that only this process sees, for queues that give no sign of their own.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::worker::Engine;
use crate::worker::moving::Step;

/// How often the queues' signs are looked at; only those in need cost a round trip.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks after all queues until aborted.
pub(super) async fn keep(engine: Arc<Engine>) {
    let every = engine.config.canary.every;
    let queues = || engine.config.queues.keys();
    for queue in queues() {
        // Ready should mean proven from the start.
        probe(&engine, queue).await;
    }
    let mut ticks = tokio::time::interval(LOOK_EVERY.min(every));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for queue in queues() {
            if engine.moving.step(queue, every) == Step::Probe {
                probe(&engine, queue).await;
            }
        }
    }
}

/// What Redis does not answer is no sign: the verdict ripens by itself.
async fn probe(engine: &Engine, queue: &str) {
    match engine.queues.closed(queue).await {
        Ok(None) => {
            if engine.queues.send_canary(queue, &engine.name).await.is_ok() {
                engine.moving.sent(queue);
            }
        }
        Ok(Some(closed)) => engine.moving.excuse(queue, closed),
        Err(error) => tracing::debug!(%error, queue, "no canary sent"),
    }
}
