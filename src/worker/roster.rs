//! Tells the fleet that this process is there, and what it does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::queue::feed::Feed;
use crate::queue::roster::{Card, Served};

/// Three heartbeats may be lost before a process counts as gone.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Announces this process until the crew closes.
pub(super) async fn announce(
    engine: Arc<Engine>,
    feeds: BTreeMap<String, Arc<Feed>>,
    draining: CancellationToken,
) {
    let mut card = Card {
        name: engine.name.clone(),
        host: sysinfo::System::host_name().unwrap_or_else(|_| "host".to_owned()),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: engine.effects.clock.now_ms(),
        draining: false,
        queues: Vec::new(),
    };
    loop {
        card.draining = draining.is_cancelled();
        card.queues = feeds
            .iter()
            .map(|(queue, feed)| Served {
                queue: queue.clone(),
                slots: engine.config.queue_slots(queue),
                jobs: feed.in_hand(),
            })
            .collect();
        if let Err(error) = engine.queues.announce(&card).await {
            tracing::debug!(%error, "heartbeat not sent");
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT_EVERY) => {}
            () = draining.cancelled(), if !card.draining => {}
        }
    }
}
