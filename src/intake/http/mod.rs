//! The HTTP API below `/api/v1`: jobs in, and what becomes of them.
//!
//! - [`guard`]: who may; [`problem`]: how it is told that something is wrong;
//! - [`body`], [`request`]: what is sent; [`enqueue`], [`idempotency`]: adding it;
//! - [`job`]: looking at a job; [`events`]: following it; [`cancel`]: cancelling it;
//! - [`queues`]: looking at queues, pausing them;
//! - [`openapi`]: all of it described.

mod body;
mod cancel;
mod enqueue;
mod events;
mod guard;
mod idempotency;
mod job;
mod openapi;
mod problem;
mod queues;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::guard::Guard;
use self::problem::{Problem, What};
use crate::queue::events::Events;
use crate::queue::{Position, QueueError, Seen, is_canary};
use crate::worker::Engine;

/// Where it is.
const PREFIX: &str = "/api/v1";
/// How long Redis may take for what one request asks for. Clients wait, and so does what they hold.
const WITHIN: Duration = Duration::from_secs(5);

/// What all requests share.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    engine: Arc<Engine>,
    guard: Arc<Guard>,
    events: Events,
    /// One permit for each client that follows a job.
    streams: Arc<Semaphore>,
    /// Ends what would go on for ever.
    stop: CancellationToken,
    description: Bytes,
}

/// The API of a process.
pub(crate) fn router(engine: Arc<Engine>, stop: CancellationToken) -> serde_json::Result<Router> {
    let http = &engine.config.http;
    let description = openapi::describe(&engine.registry, !http.tokens.is_empty())?;
    let api = Api {
        guard: Arc::new(Guard::new(&http.tokens)),
        streams: Arc::new(Semaphore::new(http.max_streams)),
        events: Events::new(engine.queues.clone()),
        description: serde_json::to_vec(&description)?.into(),
        engine,
        stop,
    };
    let routes = Router::new()
        .route("/openapi.json", get(openapi::show))
        .route("/queues", get(queues::list))
        .route("/queues/{queue}", get(queues::show))
        .route("/queues/{queue}/pause", put(queues::pause).delete(queues::resume))
        .route("/queues/{queue}/jobs", post(enqueue::enqueue))
        .route("/queues/{queue}/jobs/{id}", get(job::show).delete(cancel::cancel))
        .route("/queues/{queue}/jobs/{id}/events", get(events::follow))
        .fallback(|| async { Problem::new(What::NotFound, "the API has no such path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(What::Method, "the path is right, but it does not know this method")
        })
        .layer(from_fn_with_state(api.clone(), guard::guard))
        .layer(from_fn(problem::render))
        .with_state(api);
    Ok(Router::new().nest(PREFIX, routes))
}

impl Api {
    /// Refuses queues that are neither configured nor there.
    async fn know_queue(&self, queue: &str) -> Result<(), Problem> {
        let engine = &self.engine;
        // A colon would make it a part of another queue's keys.
        let possible = !queue.is_empty() && !queue.contains(':');
        if !possible {
            let detail = format!("`{queue}` cannot be a queue's name");
            return Err(Problem::new(What::NoSuchQueue, detail));
        }
        if engine.config.queues.contains_key(queue) {
            return Ok(());
        }
        redis(engine.queues.must_exist(queue)).await
    }

    /// A job, or none, and the place of that moment in the queue's events.
    async fn look(&self, queue: &str, id: &str) -> Result<(Position, Option<Seen>), Problem> {
        let (at, seen) = redis(self.engine.queues.look(queue, id)).await?;
        // A worker's own probe is nobody else's business.
        Ok((at, seen.filter(|_| !is_canary(id))))
    }
}

/// What Redis answers in time.
async fn redis<T>(asked: impl Future<Output = Result<T, QueueError>>) -> Result<T, Problem> {
    Ok(tokio::time::timeout(WITHIN, asked).await.map_err(|_| silent())??)
}

fn silent() -> Problem {
    Problem::unavailable(format!("Redis did not answer within {} s", WITHIN.as_secs()))
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(What::BadRequest, rejection.body_text())
    }
}
