//! `/queues`: what is in them, and who has paused them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use chrono::DateTime;
use roadie_jobs::registry::pointer;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job::moment;
use super::problem::{Fault, Problem, What};
use super::{Api, body, redis};
use crate::queue::options::{MAX_DELAY, Whole};
use crate::queue::pause::{Pause, PauseEnd};
use crate::queue::{QueueError, STATES};

/// Who pauses and resumes, if it is not said.
const NOBODY: &str = "HTTP API";
/// Longer ones belong elsewhere.
const MAX_WORDS: usize = 500;

/// All queues at one moment.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Queues")]
pub(super) struct QueueList {
    queues: Vec<Queue>,
}

/// A queue at one moment.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queue {
    #[serde(rename = "queue")]
    name: String,
    /// How many jobs are in which state.
    jobs: BTreeMap<&'static str, u64>,
    /// How long the oldest job that could run now has waited, in ms.
    oldest_age_ms: u64,
    /// Whether no jobs start.
    paused: bool,
    /// Why; the oldest first.
    pauses: Vec<PauseView>,
}

/// A reason why a queue is paused.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Pause")]
struct PauseView {
    /// Who paused it; null: another client, which does not say.
    owner: Option<String>,
    /// In the owner's words.
    reason: String,
    /// Null: not known.
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// When it is over; null: when somebody lifts it.
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
}

impl From<Pause> for PauseView {
    fn from(Pause { owner, reason, since, until }: Pause) -> Self {
        let time = |ms: Option<i64>| moment(u64::try_from(ms?).ok()?);
        Self { owner, reason, since: time(since), until: time(until) }
    }
}

/// A pause that somebody wants.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewPause", extend("not" = { "required": ["for", "until"] }))]
pub(super) struct PauseRequest {
    /// Why, for those who wonder.
    #[schemars(length(max = 500))]
    reason: String,
    /// Who pauses it; by default this API.
    #[schemars(length(min = 1, max = 500), regex(pattern = r"\S"))]
    by: Option<String>,
    /// Over after so many ms.
    #[serde(rename = "for")]
    length: Option<Whole<1, MAX_DELAY>>,
    /// Over at this moment; not together with `for`.
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
}

impl PauseRequest {
    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let sent: Value = serde_json::from_slice(bytes)
            .map_err(|error| Problem::new(What::NotJson, error.to_string()))?;
        if !sent.is_object() {
            // An array would be taken for the fields in their order.
            return Err(fault("", "expected a pause, {\"reason\": …}"));
        }
        serde_path_to_error::deserialize(sent)
            .map_err(|error| fault(&pointer(&error), error.inner().to_string()))
    }

    fn end(&self) -> Result<PauseEnd, Problem> {
        match (self.length, &self.until) {
            (None, None) => Ok(PauseEnd::Lifted),
            (Some(length), None) => Ok(PauseEnd::After(Duration::from_millis(length.get()))),
            (None, Some(text)) => DateTime::parse_from_rfc3339(text)
                .ok()
                .and_then(|time| u64::try_from(time.timestamp_millis()).ok())
                .map(PauseEnd::At)
                .ok_or_else(|| fault("/until", format!("`{text}` is no time (RFC 3339)"))),
            (Some(_), Some(_)) => Err(fault("/until", "not together with `for`")),
        }
    }
}

fn fault(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::invalid(vec![Fault {
        index: None,
        pointer: pointer.to_owned(),
        detail: detail.into(),
    }])
}

/// Why a name or a reason cannot be taken.
fn unfit(name: &str, words: &str) -> Option<String> {
    if words.chars().count() > MAX_WORDS {
        return Some(format!("`{name}` has at most {MAX_WORDS} characters"));
    }
    (name == "by" && words.trim().is_empty()).then(|| "`by` must name somebody".to_owned())
}

/// Whose pause is to be lifted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    by: Option<String>,
    #[serde(default)]
    all: bool,
}

pub(super) async fn list(State(api): State<Api>) -> Result<Json<QueueList>, Problem> {
    let queues = redis(async {
        let mut names: BTreeSet<String> = api.engine.config.queues.keys().cloned().collect();
        names.extend(api.engine.queues.names().await?);
        let mut queues = Vec::with_capacity(names.len());
        for name in names {
            queues.push(api.queue(name).await?);
        }
        Ok(queues)
    });
    Ok(Json(QueueList { queues: queues.await? }))
}

pub(super) async fn show(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Queue>, Problem> {
    let Path(queue) = path?;
    api.know_queue(&queue).await?;
    Ok(Json(redis(api.queue(queue)).await?))
}

pub(super) async fn pause(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Queue>, Problem> {
    let Path(queue) = path?;
    let bytes = body::read(&headers, body, api.engine.config.http.max_body).await?;
    api.know_queue(&queue).await?;
    let sent = PauseRequest::read(&bytes)?;
    let (end, by) = (sent.end()?, sent.by.as_deref().unwrap_or(NOBODY));
    for (name, words) in [("by", by), ("reason", &sent.reason)] {
        if let Some(detail) = unfit(name, words) {
            return Err(fault(&format!("/{name}"), detail));
        }
    }
    let pausing = api.engine.queues.pause(&queue, by.trim(), &sent.reason, end);
    let paused = tokio::time::timeout(super::WITHIN, pausing).await.map_err(|_| super::silent())?;
    match paused {
        Err(error @ QueueError::PauseOver { .. }) => Err(fault("/until", error.to_string())),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(Json(redis(api.queue(queue)).await?)),
    }
}

pub(super) async fn resume(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    whose: Result<Query<Whose>, QueryRejection>,
) -> Result<Json<Queue>, Problem> {
    let Path(queue) = path?;
    let Query(Whose { by, all }) =
        whose.map_err(|rejection| Problem::new(What::BadRequest, rejection.body_text()))?;
    let by = by.as_deref().unwrap_or(NOBODY);
    if let Some(detail) = unfit("by", by) {
        return Err(Problem::new(What::BadRequest, detail));
    }
    api.know_queue(&queue).await?;
    let queues = &api.engine.queues;
    let resumed = if all {
        redis(queues.resume_all(&queue, by.trim())).await?
    } else {
        redis(queues.resume(&queue, by.trim())).await?
    };
    if !resumed.lifted && !resumed.left.is_empty() {
        let owners: Vec<&str> = resumed
            .left
            .iter()
            .map(|pause| pause.owner.as_deref().unwrap_or("another client"))
            .collect();
        let detail = format!(
            "queue `{queue}` is not paused by `{by}`, but by {}; lift a pause of somebody else with \
             `by`, or all with `all=true`",
            owners.join(", ")
        );
        return Err(Problem::new(What::NotOwner, detail));
    }
    Ok(Json(redis(api.queue(queue)).await?))
}

impl Api {
    async fn queue(&self, queue: String) -> Result<Queue, QueueError> {
        let now = self.engine.effects.clock.now_ms();
        // In this order: one that is over is lifted first.
        let pauses = self.engine.queues.pauses(&queue).await?;
        let depth = self.engine.queues.depth(&queue, now).await?;
        Ok(Queue {
            name: queue,
            jobs: STATES.into_iter().zip(depth.jobs).collect(),
            oldest_age_ms: depth.oldest_age_ms,
            paused: depth.paused,
            pauses: pauses.into_iter().map(PauseView::from).collect(),
        })
    }
}
