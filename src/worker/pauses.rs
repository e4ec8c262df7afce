//! What is to be done while a queue is paused.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use crate::queue::Queues;
use crate::queue::pause::Pause;

/// How often a queue is looked at while nobody has paused it, and while somebody has.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// Looks after a queue that this process serves, and says when it is paused and when it goes on.
pub(super) async fn follow(queues: Queues, queue: String) {
    let mut known = Vec::new();
    loop {
        match queues.pauses(&queue).await {
            Ok(pauses) => {
                tell(&queue, &known, &pauses);
                known = pauses;
            }
            // Whoever works on the queue says that Redis is away.
            Err(error) => tracing::debug!(%error, queue, "pauses not looked at"),
        }
        tokio::time::sleep(if known.is_empty() { LOOK_EVERY } else { FOLLOW_EVERY }).await;
    }
}

fn tell(queue: &str, before: &[Pause], now: &[Pause]) {
    for pause in now.iter().filter(|pause| !before.contains(pause)) {
        let by = pause.owner.as_deref().unwrap_or("unknown");
        let until = pause.until.and_then(chrono::DateTime::from_timestamp_millis);
        let until = until.map_or_else(|| "it is resumed".to_owned(), |time| time.to_rfc3339());
        tracing::info!(queue, by, reason = %pause.reason, until, "queue paused");
    }
    if now.is_empty() && !before.is_empty() {
        tracing::info!(queue, "queue resumed");
    }
}

/// Lifts pauses that are over on queues that nobody may be serving.
pub(super) async fn sweep(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let paused = engine.queues.paused_queues().await.unwrap_or_default();
        for queue in paused.iter().filter(|queue| !engine.config.queues.contains_key(*queue)) {
            if let Err(error) = engine.queues.pauses(queue).await {
                tracing::debug!(%error, queue, "pauses not looked at");
            }
        }
    }
}
