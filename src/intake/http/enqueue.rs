//! `POST /queues/{queue}/jobs`: one job or a batch, each job for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::problem::{Document, Fault, Problem, What};
use super::request::{Asked, Doorkeeper};
use super::{Api, PREFIX, WITHIN, body, idempotency};
use crate::config::PATH_IN_URL;
use crate::queue::once::Once;
use crate::queue::{Added, AddedAll, How, NewJob};
use crate::worker::trace_context;

/// One segment of a path.
const SEGMENT_IN_URL: &AsciiSet = &PATH_IN_URL.add(b'/');

/// What became of a job that was to be added.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    /// There is a job for it.
    Taken(Taken),
    /// There is none.
    Refused {
        /// Why.
        problem: Document,
    },
}

/// The job that stands for one that was sent.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Taken {
    /// Its id.
    id: String,
    /// Whether it was added now, was there under this id, or is an earlier one of the same
    /// deduplication.
    outcome: How,
}

/// What became of the jobs of a batch.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Results {
    /// How many jobs were refused.
    refused: usize,
    /// In the order of the jobs.
    results: Vec<Outcome>,
}

/// An answer, as it is kept for those who ask again.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    body: Value,
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, Json(self.body)).into_response();
        if let Some(Ok(location)) = self.location.map(HeaderValue::try_from) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

pub(super) async fn enqueue(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Path(queue) = path?;
    let key = idempotency::key(&headers)?.map(str::to_owned);
    let bytes = body::read(&headers, body, api.engine.config.http.max_body).await?;
    api.know_queue(&queue).await?;
    // Once it has begun it goes on, also when the client does not wait for it.
    let control = api.engine.control.clone();
    let answering = control.spawn(answer(api, queue, key, telemetry(&headers), bytes));
    answering.await.map_err(|error| Problem::internal(&error))?
}

async fn answer(
    api: Api,
    queue: String,
    key: Option<String>,
    telemetry: Option<String>,
    bytes: Vec<u8>,
) -> Result<Response, Problem> {
    let engine = Arc::clone(&api.engine);
    // Megabytes of JSON would hold up the leases that are renewed on this thread.
    let reading = tokio::task::spawn_blocking(move || {
        read(&bytes, &Doorkeeper { registry: &engine.registry, telemetry })
    });
    let (asked, digest) = reading.await.map_err(|error| Problem::internal(&error))??;
    let queues = &api.engine.queues;
    let once = key.map(|key| idempotency::once(queues, &queue, &key, digest));
    if let Some(once) = &once
        && let Some(kept) = idempotency::begin(once).await?
    {
        return replay(&kept);
    }
    match (carry_out(&api, &queue, asked, once.as_ref()).await, once) {
        (Ok(answer), None) => Ok(answer.into_response()),
        (Ok(answer), Some(once)) => {
            let text = serde_json::json!(answer).to_string();
            replay(&super::redis(once.answer(&text)).await?)
        }
        (Err(problem), once) => {
            if let Some(once) = once {
                // Failing that, its lease runs out.
                let _ = super::redis(once.give_up()).await;
            }
            Err(problem)
        }
    }
}

/// What a body asks for, and a digest of what it says.
fn read(bytes: &[u8], door: &Doorkeeper<'_>) -> Result<(Result<Asked, Fault>, String), Problem> {
    let body: Value = serde_json::from_slice(bytes)
        .map_err(|error| Problem::new(What::NotJson, error.to_string()))?;
    let digest = idempotency::digest(body.to_string().as_bytes());
    Ok((door.read(body), digest))
}

/// The trace that the jobs belong to, as BullMQ's telemetry writes it.
fn telemetry(headers: &HeaderMap) -> Option<String> {
    let traceparent = headers.get("traceparent")?.to_str().ok()?;
    trace_context::parse(traceparent)?;
    Some(serde_json::json!({ "traceparent": traceparent }).to_string())
}

fn replay(kept: &str) -> Result<Response, Problem> {
    let answer: Answer = serde_json::from_str(kept).map_err(|error| Problem::internal(&error))?;
    Ok(answer.into_response())
}

async fn carry_out(
    api: &Api,
    queue: &str,
    asked: Result<Asked, Fault>,
    once: Option<&Once>,
) -> Result<Answer, Problem> {
    match asked.map_err(|fault| Problem::invalid(vec![fault]))? {
        Asked::One(job) => {
            let job = job.map_err(|fault| Problem::invalid(vec![fault]))?;
            let taken = add(api, queue, &[(0, job)], once).await.remove(0)?;
            let segment = |text| utf8_percent_encode(text, SEGMENT_IN_URL).to_string();
            Ok(Answer {
                status: if taken.outcome == How::Added { 201 } else { 200 },
                location: Some(format!(
                    "{PREFIX}/queues/{}/jobs/{}",
                    segment(queue),
                    segment(&taken.id)
                )),
                body: serde_json::json!(taken),
            })
        }
        Asked::Batch(jobs) => {
            let results = batch(api, queue, jobs, once).await;
            let trouble =
                results.iter().find_map(|result| result.as_ref().err().filter(|p| p.passes()));
            match trouble {
                // Said of the whole, so that it is repeated: what was added is noted.
                Some(trouble) if once.is_some() => Err(trouble.clone()),
                _ => summed_up(results),
            }
        }
    }
}

async fn batch(
    api: &Api,
    queue: &str,
    jobs: Vec<Result<NewJob, Fault>>,
    once: Option<&Once>,
) -> Vec<Result<Taken, Problem>> {
    let mut good = Vec::with_capacity(jobs.len());
    let mut faults = BTreeMap::new();
    for (index, job) in jobs.into_iter().enumerate() {
        match job {
            Ok(job) => good.push((index, job)),
            Err(fault) => {
                faults.insert(index, Err(Problem::invalid(vec![fault])));
            }
        }
    }
    let added = add(api, queue, &good, once).await;
    let mut results: BTreeMap<usize, Result<Taken, Problem>> = faults;
    results.extend(good.iter().map(|(index, _)| *index).zip(added));
    results.into_values().collect()
}

/// The answer for a batch; if none of its jobs was taken, the problem that they share.
fn summed_up(results: Vec<Result<Taken, Problem>>) -> Result<Answer, Problem> {
    let refused = results.iter().filter(|result| result.is_err()).count();
    if refused == results.len() {
        return Err(Problem::together(results.into_iter().filter_map(Result::err)));
    }
    let results = results.into_iter().map(|result| match result {
        Ok(taken) => Outcome::Taken(taken),
        Err(problem) => Outcome::Refused { problem: problem.document(None) },
    });
    let body = serde_json::json!(Results { refused, results: results.collect() });
    Ok(Answer { status: 207, location: None, body })
}

/// Adds jobs; answers for each.
async fn add(
    api: &Api,
    queue: &str,
    jobs: &[(usize, NewJob)],
    once: Option<&Once>,
) -> Vec<Result<Taken, Problem>> {
    let deadline = Instant::now() + WITHIN;
    let record = once.map(Once::record);
    let AddedAll { added, failed } =
        api.engine.queues.add_all(queue, jobs, record, Some(deadline)).await;
    let missing = failed.map_or_else(
        || Problem::new(What::KeyInUse, "another request with this key was quicker; repeat it"),
        Problem::from,
    );
    let taken = |added: Added| Taken { id: added.id, outcome: added.how };
    added.into_iter().map(|added| added.map(taken).ok_or_else(|| missing.clone())).collect()
}
