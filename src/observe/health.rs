//! What alive and ready mean.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;

use super::logs;
use crate::queue;
use crate::worker::Engine;
use crate::worker::moving::Verdict;

/// A dependency that takes longer counts as down.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// One thing that readiness needs.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: Cow<'static, str>,
    /// Whether it is well.
    pub ok: bool,
    /// What is wrong, if it is not, and the way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it is well although nothing happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Check {
    fn of<T>(name: &'static str, result: Result<T, String>) -> Self {
        let reason = result.err();
        Self { name: name.into(), ok: reason.is_none(), reason, note: None }
    }

    fn queue(name: &str, verdict: Verdict) -> Self {
        let (reason, note) = match verdict {
            Verdict::Moving => (None, None),
            Verdict::Excused(excuse) => (None, Some(excuse.to_string())),
            Verdict::Stuck(idle, stage) => {
                let seconds = idle.as_secs();
                let reason = format!(
                    "no job has moved for {seconds} s although a slot is free: a canary was not {stage}; the \
                     log may say why, and restarting this process is safe: its jobs go on elsewhere"
                );
                (Some(reason), None)
            }
        };
        Self { name: format!("queue {name}").into(), ok: reason.is_none(), reason, note }
    }
}

/// Whether this process can do its work now.
pub(crate) async fn ready(engine: &Engine, draining: bool) -> Vec<Check> {
    let redis = async { queue::writable(&engine.queues).await.map_err(|e| logs::error_line(&e)) };
    let catalogue =
        async { engine.effects.catalogue.ping().await.map_err(|e| logs::error_line(&e)) };
    let (redis, catalogue) = tokio::join!(within(redis), within(catalogue));
    let accepting = if draining { Err("shutting down".to_owned()) } else { Ok(()) };
    let mut checks = vec![
        Check::of("redis", redis),
        Check::of("catalogue", catalogue),
        Check::of("accepting jobs", accepting),
    ];
    if !draining {
        let verdicts = engine.moving.verdicts(engine.config.canary.within);
        checks.extend(verdicts.map(|(name, verdict)| Check::queue(name, verdict)));
    }
    checks
}

async fn within(check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::time::timeout(ANSWER_WITHIN, check)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())))
}
