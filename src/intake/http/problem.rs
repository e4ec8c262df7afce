//! What goes wrong, told as RFC 9457 asks for.

use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::PREFIX;
use crate::observe::logs;
use crate::queue::QueueError;

/// How long a client should leave queues alone that cannot be used.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Something about the request as a whole.
    BadRequest,
    /// The body is not JSON.
    NotJson,
    /// No token, or none that is known.
    Unauthorized,
    /// From a web page, or under another host's name.
    Forbidden,
    /// No such path.
    NotFound,
    NoSuchQueue,
    NoSuchJob,
    /// The path is right, the method is not.
    Method,
    /// The body did not arrive in time.
    TooSlow,
    /// A request with this key is running.
    KeyInUse,
    /// The job has ended, so it cannot be cancelled.
    Ended,
    /// The queue is paused by others.
    NotOwner,
    TooLarge,
    MediaType,
    /// A job or a pause that cannot be taken.
    Invalid,
    /// The key belongs to another request.
    KeyReused,
    /// Our own fault.
    Internal,
    /// Redis does not answer, or takes nothing.
    Unavailable,
}

impl What {
    /// Its name in types, its status and its title.
    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", StatusCode::BAD_REQUEST, "Bad request"),
            Self::NotJson => ("not-json", StatusCode::BAD_REQUEST, "Not JSON"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "Token needed"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "Forbidden"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::NoSuchQueue => ("no-such-queue", StatusCode::NOT_FOUND, "No such queue"),
            Self::NoSuchJob => ("no-such-job", StatusCode::NOT_FOUND, "No such job"),
            Self::Method => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
            }
            Self::TooSlow => ("too-slow", StatusCode::REQUEST_TIMEOUT, "Too slow"),
            Self::KeyInUse => ("key-in-use", StatusCode::CONFLICT, "Request is running"),
            Self::Ended => ("already-ended", StatusCode::CONFLICT, "Job has ended"),
            Self::NotOwner => ("not-the-owner", StatusCode::CONFLICT, "Paused by others"),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
            Self::MediaType => (
                "unsupported-media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
            ),
            Self::Invalid => ("invalid", StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
            Self::KeyReused => ("key-reused", StatusCode::UNPROCESSABLE_ENTITY, "Key is taken"),
            Self::Internal => {
                ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong")
            }
            Self::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Queues are unavailable")
            }
        }
    }
}

/// A place in the body that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Fault {
    /// Which job of a batch, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<usize>,
    /// The place in the body, as a JSON pointer (RFC 6901).
    pub(super) pointer: String,
    /// What is wrong there.
    pub(super) detail: String,
}

/// A problem on its way out.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) what: What,
    detail: String,
    errors: Vec<Fault>,
    retry_after: Option<Duration>,
}

/// A problem as it is sent (`application/problem+json`).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Document {
    /// What kind of problem it is: `urn:roadie:problem:` and a name.
    #[serde(rename = "type")]
    kind: String,
    /// The same in words.
    title: &'static str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong, and the way out.
    detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Which places in the body are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

impl Problem {
    pub(super) fn new(what: What, detail: impl Into<String>) -> Self {
        Self { what, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// Jobs that cannot be taken.
    pub(super) fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [fault] => format!("{}: {}", fault.pointer, fault.detail),
            faults => format!("{} jobs cannot be taken; see `errors`", faults.len()),
        };
        Self { errors, ..Self::new(What::Invalid, detail) }
    }

    /// What the jobs of a batch share, of which none was taken.
    pub(super) fn together(problems: impl Iterator<Item = Self>) -> Self {
        let (passing, lasting): (Vec<_>, Vec<_>) = problems.partition(Self::passes);
        let errors = lasting.into_iter().flat_map(|problem| problem.errors).collect();
        match passing.into_iter().next() {
            Some(problem) => Self { errors, ..problem },
            None => Self::invalid(errors),
        }
    }

    /// Whether it may go better later.
    pub(super) fn passes(&self) -> bool {
        self.what != What::Invalid
    }

    /// Redis does not do what it was asked for.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(What::Unavailable, detail).after(TRY_AGAIN)
    }

    /// What is our own fault is not told to others.
    pub(super) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %logs::error_line(error), "an API request failed");
        Self::new(What::Internal, "the reason is in the log of this process")
    }

    /// Says when another try may succeed.
    pub(super) fn after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    pub(super) fn document(self, instance: Option<String>) -> Document {
        let (name, status, title) = self.what.parts();
        Document {
            kind: format!("urn:roadie:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            instance,
            errors: self.errors,
        }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match &error {
            QueueError::NoSuchQueue { .. } => Self::new(What::NoSuchQueue, error.to_string()),
            QueueError::NoSuchJob { .. } => Self::new(What::NoSuchJob, error.to_string()),
            QueueError::Unreachable { .. }
            | QueueError::Refused { .. }
            | QueueError::Connect { .. } => Self::unavailable(error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    /// Without its body, which [`render`] writes: it knows what was asked for.
    fn into_response(self) -> Response {
        let mut response = self.what.parts().1.into_response();
        let headers = response.headers_mut();
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_millis().div_ceil(1000).max(1);
            headers.extend(HeaderValue::try_from(seconds.to_string()).map(|v| (RETRY_AFTER, v)));
        }
        if self.what == What::Unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"roadie\""));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the bodies of problems.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let instance = format!("{PREFIX}{}", request.uri().path());
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let (mut head, _) = response.into_parts();
    let body = Json(problem.document(Some(instance))).into_response().into_body();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    head.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(head, body)
}
