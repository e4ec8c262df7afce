//! What alive and ready mean.

use std::time::Duration;

use serde::Serialize;

use super::logs;
use crate::queue;
use crate::worker::Engine;

/// A dependency that takes longer counts as down.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// One thing that readiness needs.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is well.
    pub ok: bool,
    /// What is wrong, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Check {
    fn of<T>(name: &'static str, result: Result<T, String>) -> Self {
        let reason = result.err();
        Self { name, ok: reason.is_none(), reason }
    }
}

/// Whether this process can do its work now.
pub(crate) async fn ready(engine: &Engine, draining: bool) -> Vec<Check> {
    let redis = async { queue::writable(&engine.queues).await.map_err(|e| logs::error_line(&e)) };
    let catalogue =
        async { engine.effects.catalogue.ping().await.map_err(|e| logs::error_line(&e)) };
    let (redis, catalogue) = tokio::join!(within(redis), within(catalogue));
    let accepting = if draining { Err("shutting down".to_owned()) } else { Ok(()) };
    vec![
        Check::of("redis", redis),
        Check::of("catalogue", catalogue),
        Check::of("accepting jobs", accepting),
    ]
}

async fn within(check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::time::timeout(ANSWER_WITHIN, check)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())))
}
