//! What goes wrong with real services.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::Service;

/// One reply that is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 429, with or without `Retry-After` in seconds.
    TooMany(Option<u64>),
    /// 403: a wrong key, or a ban.
    Forbidden,
    /// 504 of Overpass, 503 of the others.
    Busy,
    /// 500.
    Broken,
    /// Status 200 and a page of HTML: how Nominatim bans.
    BanPage,
    /// Status 200, a remark, and nothing else: how Overpass says that a query timed out.
    Remark,
    /// The right answer, cut off in the middle.
    CutOff,
    /// The connection ends in the middle of the right answer.
    HangUp,
    /// The right answer, after so long.
    Slow(Duration),
}

/// What goes wrong next.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    once: VecDeque<Trouble>,
    always: Option<Trouble>,
}

impl Troubles {
    /// The next question meets this one, after those that were told before.
    pub fn once(&self, trouble: Trouble) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).once.push_back(trouble);
    }

    /// From now on every question meets it; `None` ends that.
    pub fn always(&self, trouble: Option<Trouble>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).always = trouble;
    }

    pub(super) fn next(&self) -> Option<Trouble> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.once.pop_front().or_else(|| state.always.clone())
    }
}

/// The trouble, or the right answer as the trouble leaves it.
pub(super) async fn instead(
    trouble: Trouble,
    service: Service,
    right: impl Future<Output = Response>,
) -> Response {
    match trouble {
        Trouble::TooMany(after) => {
            let body = axum::Json(json!({ "message": "Too Many Requests" }));
            let after = after.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
            match after {
                Some(after) => (StatusCode::TOO_MANY_REQUESTS, after, body).into_response(),
                None => (StatusCode::TOO_MANY_REQUESTS, body).into_response(),
            }
        }
        Trouble::Forbidden => {
            (StatusCode::FORBIDDEN, axum::Json(json!({ "message": "Forbidden" }))).into_response()
        }
        Trouble::Busy if service == Service::Overpass => html(
            StatusCode::GATEWAY_TIMEOUT,
            "The server is probably too busy to handle your request.",
        ),
        Trouble::Busy => html(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
        Trouble::Broken => html(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        Trouble::BanPage => html(StatusCode::OK, "Bandwidth limit exceeded"),
        Trouble::Remark => {
            let remark = "runtime error: Query timed out in \"query\" at line 2 after 25 seconds.";
            axum::Json(json!({ "version": 0.6, "elements": [], "remark": remark })).into_response()
        }
        Trouble::CutOff => {
            let (parts, body) = right.await.into_parts();
            let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let mut cut = Response::new(Body::from(whole.slice(..whole.len() / 2)));
            *cut.status_mut() = parts.status;
            cut
        }
        Trouble::HangUp => {
            let (parts, body) = right.await.into_parts();
            let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let half = Ok(whole.slice(..whole.len() / 2));
            let end = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            let mut cut = Response::new(Body::from_stream(futures::stream::iter([half, end])));
            *cut.status_mut() = parts.status;
            cut
        }
        Trouble::Slow(pause) => {
            tokio::time::sleep(pause).await;
            right.await
        }
    }
}

fn html(status: StatusCode, says: &str) -> Response {
    let kind: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/html")];
    (
        status,
        kind,
        format!("<html><head><title>{says}</title></head><body><h1>{says}</h1></body></html>"),
    )
        .into_response()
}
