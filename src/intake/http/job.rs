//! `GET /queues/{queue}/jobs/{id}`: one job at this moment.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use chrono::{DateTime, SecondsFormat};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::problem::{Problem, What};
use crate::queue::Seen;

/// A job at one moment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    id: String,
    queue: String,
    kind: String,
    /// `waiting`, `prioritized`, `delayed`, `active`, `waiting-children`, `completed` or `failed`.
    state: String,
    payload: Value,
    /// What the handler told last.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Value>,
    /// 1 before 2 and so on; 0 before all of them.
    priority: u64,
    /// The delay that it has or had, in ms.
    delay: u64,
    /// Attempts before it is given up on; none: what the kind declares, which is not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u64>,
    /// Attempts that have failed or completed.
    attempts_made: u64,
    /// Attempts that have begun.
    attempts_started: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    added_at: Option<String>,
    /// When a delayed job is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    due_at: Option<String>,
    /// When the latest attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    started_at: Option<String>,
    /// When it ended for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    finished_at: Option<String>,
    /// What a completed job returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_value: Option<Value>,
    /// Why the latest attempt failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_reason: Option<String>,
}

impl Api {
    pub(super) fn view(&self, queue: &str, id: &str, seen: Seen) -> Job {
        let engine = &self.engine;
        let asked = seen.options.get("attempts").and_then(Value::as_u64).filter(|asked| *asked > 0);
        let declared = engine.registry.get(&seen.kind).map(|entry| entry.attempts);
        let usual = declared.map(|declared| engine.config.attempts(&seen.kind, declared).into());
        Job {
            id: id.to_owned(),
            queue: queue.to_owned(),
            state: seen.state,
            payload: seen.payload,
            progress: seen.progress,
            priority: seen.priority,
            delay: seen.delay,
            attempts: asked.or(usual),
            attempts_made: seen.attempts_made,
            attempts_started: seen.attempts_started,
            added_at: seen.added.and_then(moment),
            due_at: seen.due.and_then(moment),
            started_at: seen.started.and_then(moment),
            finished_at: seen.finished.and_then(moment),
            return_value: seen.returned,
            failed_reason: seen.failed_reason,
            kind: seen.kind,
        }
    }
}

pub(super) async fn show(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Job>, Problem> {
    let Path((queue, id)) = path?;
    api.know_queue(&queue).await?;
    match api.look(&queue, &id).await?.1 {
        Some(seen) => Ok(Json(api.view(&queue, &id, seen))),
        None => Err(no_such_job(&queue, &id)),
    }
}

pub(super) fn no_such_job(queue: &str, id: &str) -> Problem {
    Problem::new(
        What::NoSuchJob,
        format!("queue `{queue}` has no job `{id}`; it may have been removed"),
    )
}

/// A time as JSON has it.
pub(super) fn moment(ms: u64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(ms).ok()?)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_json_has_them() {
        assert_eq!(moment(1_763_636_043_007).as_deref(), Some("2025-11-20T10:54:03.007Z"));
        assert_eq!(moment(u64::MAX), None);
    }
}
