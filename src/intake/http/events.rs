//! `GET /queues/{queue}/jobs/{id}/events`: a job's way to its end, as server-sent events.
//!
//! First its present state, then what happens to it. Between the two nothing is lost: the look at the
//! job tells the place in the queue's events that belongs to it. A client that comes back with the id of
//! the last event that it saw is told what it missed; one that is too slow is told the present state
//! again instead of what it did not take.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::job::no_such_job;
use super::problem::Problem;
use super::{Api, redis};
use crate::queue::events::{Event, Following, Happened};
use crate::queue::{Position, Seen};

/// A comment keeps the connection alive, and finds out that it is dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often a job is looked at of which nothing is heard: it may be gone without an event.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

pub(super) async fn follow(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path((queue, id)) = path?;
    api.know_queue(&queue).await?;
    let Ok(permit) = Arc::clone(&api.streams).try_acquire_owned() else {
        let detail = "as many clients as http.max_streams allows follow jobs already";
        return Err(Problem::unavailable(detail));
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let Some(follower) = Follower::start(api, queue, id, last, permit).await? else {
        // It knows the end: a browser that gets this does not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let events = stream::unfold(follower, |mut follower| async {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let alive = KeepAlive::new().interval(HEARTBEAT).text("still here");
    Ok(([(CACHE_CONTROL, "no-store")], Sse::new(events).keep_alive(alive)).into_response())
}

/// One client that follows one job.
struct Follower {
    api: Api,
    queue: String,
    id: String,
    events: Following,
    /// What the client has been told up to.
    at: Position,
    /// What it will be told next.
    ready: VecDeque<Sent>,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// None when the client has been told the end of the job before.
    async fn start(
        api: Api,
        queue: String,
        id: String,
        last: Option<Position>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Option<Self>, Problem> {
        let (from, _) = api.look(&queue, &id).await?;
        let events = api.events.follow(&queue, &id, from);
        // After this one, nothing is missed.
        let (at, seen) = api.look(&queue, &id).await?;
        let missed = match last.filter(|last| *last <= at) {
            Some(last) => redis(api.events.between(&queue, &id, last, at)).await?,
            None => None,
        };
        let ready = VecDeque::new();
        let mut follower =
            Self { api, queue, id, events, at, ready, ended: false, _permit: permit };
        let finished = seen.as_ref().is_none_or(Seen::has_ended);
        match missed {
            Some(missed) if finished && !missed.iter().any(|event| event.what.is_end()) => {
                return match seen {
                    Some(_) => Ok(None),
                    None => Err(no_such_job(&follower.queue, &follower.id)),
                };
            }
            Some(missed) => missed.iter().for_each(|event| follower.tell(event)),
            None => match seen {
                Some(seen) => follower.present(seen),
                None => return Err(no_such_job(&follower.queue, &follower.id)),
            },
        }
        Ok(Some(follower))
    }

    async fn next(&mut self) -> Option<Sent> {
        let stop = self.api.stop.clone();
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            let again = Instant::now() + LOOK_AGAIN;
            tokio::select! {
                // The client comes back, to another process.
                () = stop.cancelled() => return None,
                event = self.events.next() => match event {
                    Some(event) if event.position > self.at => self.tell(&event),
                    Some(_) => {}
                    None => self.look(true).await,
                },
                () = sleep_until(again) => self.look(false).await,
            }
        }
    }

    /// Looks at the job: after events were missed, or to see whether it is still there.
    async fn look(&mut self, missed: bool) {
        // An outage passes; the next look tells.
        let Ok((at, seen)) = self.api.look(&self.queue, &self.id).await else {
            return;
        };
        match seen {
            Some(seen) if missed || seen.has_ended() => {
                self.at = at;
                self.present(seen);
            }
            Some(_) => {}
            None => self.tell(&Event { position: at, what: Happened::Removed }),
        }
    }

    /// Tells the present state, and the end if that is what it is.
    fn present(&mut self, seen: Seen) {
        let end = seen.end();
        let job = json!(self.api.view(&self.queue, &self.id, seen));
        // Who is cut off between the two must be told both again, so the first has no id then.
        let id = end.is_none().then_some(self.at);
        self.ready.push_back(sent("state", &job, id));
        if let Some(what) = end {
            self.tell(&Event { position: self.at, what });
        }
    }

    fn tell(&mut self, event: &Event) {
        let (name, data) = match &event.what {
            Happened::State(state) => ("state", json!({ "state": state })),
            Happened::Progress(progress) => ("progress", json!({ "progress": progress })),
            Happened::Completed(value) => {
                ("completed", json!({ "state": "completed", "returnValue": value }))
            }
            Happened::Failed(reason) => {
                ("failed", json!({ "state": "failed", "failedReason": reason }))
            }
            Happened::Removed => ("removed", json!({ "state": "removed" })),
        };
        self.at = event.position;
        self.ended |= event.what.is_end();
        self.ready.push_back(sent(name, &data, Some(event.position)));
    }
}

fn sent(name: &str, data: &Value, id: Option<Position>) -> Sent {
    // JSON has no line breaks of its own, which the format would take apart.
    let sent = Sent::default().event(name).data(data.to_string());
    match id {
        Some(id) => sent.id(id.to_string()),
        None => sent,
    }
}
