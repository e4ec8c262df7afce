//! `DELETE /queues/{queue}/jobs/{id}`: cancels a job.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::job::no_such_job;
use super::problem::{Problem, What};
use super::{Api, WITHIN, silent};
use crate::outcome::cancel::{self, Cancelled};
use crate::queue::cancel::Wish;

/// Longer ones belong elsewhere.
const MAX_WORDS: usize = 500;

/// Who cancels, and why: for the job's `failedReason` and its dead letter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    #[serde(default)]
    by: String,
    #[serde(default)]
    reason: String,
}

/// What cancelling came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Cancelling {
    id: String,
    outcome: CancelOutcome,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum CancelOutcome {
    /// It runs, and was asked to stop; its events tell when it has.
    Asked,
    /// It waited, and is a dead letter now.
    Cancelled,
}

pub(super) async fn cancel(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    words: Result<Query<Words>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path((queue, id)) = path?;
    let Query(Words { by, reason }) =
        words.map_err(|rejection| Problem::new(What::BadRequest, rejection.body_text()))?;
    if by.chars().count().max(reason.chars().count()) > MAX_WORDS {
        let detail = format!("`by` and `reason` have at most {MAX_WORDS} characters");
        return Err(Problem::new(What::BadRequest, detail));
    }
    api.know_queue(&queue).await?;
    if api.look(&queue, &id).await?.1.is_none() {
        return Err(no_such_job(&queue, &id));
    }
    let wish = Wish::new(if by.is_empty() { "HTTP API".to_owned() } else { by }, reason);
    let (status, outcome) = match end(&api, &queue, &id, wish).await? {
        Cancelled::Asked => (StatusCode::ACCEPTED, CancelOutcome::Asked),
        Cancelled::Ended => (StatusCode::OK, CancelOutcome::Cancelled),
        Cancelled::Already(state) => {
            let detail = format!("job `{id}` of queue `{queue}` has {state} already");
            return Err(Problem::new(What::Ended, detail));
        }
        Cancelled::Missing => return Err(no_such_job(&queue, &id)),
    };
    Ok((status, Json(Cancelling { id, outcome })).into_response())
}

/// Goes on when nobody waits for it any more: a job must not leave its queue without a dead letter.
async fn end(api: &Api, queue: &str, id: &str, wish: Wish) -> Result<Cancelled, Problem> {
    let (engine, queue, id) = (Arc::clone(&api.engine), queue.to_owned(), id.to_owned());
    let ending = api.engine.control.spawn(async move {
        cancel::cancel(&engine.queues, &engine.effects.catalogue, &queue, &id, &wish).await
    });
    let ended = tokio::time::timeout(WITHIN, ending).await.map_err(|_| silent())?;
    Ok(ended.map_err(|error| Problem::internal(&error))??)
}
