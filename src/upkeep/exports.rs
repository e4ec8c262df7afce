//! Removes files of exports whose time is over. The catalogue says which: a file that a crash has left
//! without an end is one of them.

use std::sync::Arc;

use roadie_jobs::effects::Effects;
use tokio::time::MissedTickBehavior;

use crate::observe::logs;
use crate::worker::Engine;

/// Files removed in one go; a shutdown waits for no more than one.
const PAGE: u32 = 100;

/// Rounds until aborted. Several processes at once do no harm: what has gone is no fault.
pub(super) async fn keep(engine: Arc<Engine>) {
    let mut ticks = tokio::time::interval(engine.config.exports.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match remove_expired(&engine.effects).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "exports removed after their time"),
            Err(error) => {
                let trouble = logs::one_line(error.chain());
                tracing::warn!(trouble, "exports stay longer than they should; trying again");
            }
        }
    }
}

async fn remove_expired(effects: &Effects) -> anyhow::Result<u64> {
    let Effects { catalogue, objects, clock, .. } = effects;
    let mut removed = 0;
    loop {
        let expired = catalogue.expired_exports(clock.now_ms(), PAGE).await?;
        if expired.is_empty() {
            return Ok(removed);
        }
        for export in expired {
            objects.remove(&export.bucket, &export.key).await?;
            catalogue.export_removed(&export).await?;
            removed += 1;
        }
    }
}
