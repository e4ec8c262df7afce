//! What goes wrong with the real Drive.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde_json::{Value, json};

/// One reply that is no answer, or comes strangely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriveFault {
    /// 401.
    Unauthorized,
    /// 403 with this reason.
    Forbidden(&'static str),
    /// 404.
    NotFound,
    /// 429, with or without `Retry-After` in seconds.
    TooMany(Option<u64>),
    /// 500.
    Broken,
    /// The right answer, cut off in the middle.
    Cut,
    /// The right answer, in pieces over so long.
    Slow(Duration),
    /// 400: the page token is not known.
    PageToken,
}

/// What goes wrong when.
#[derive(Debug, Default)]
pub(super) struct Plan {
    once: HashMap<&'static str, VecDeque<DriveFault>>,
    every: u64,
    rotation: VecDeque<DriveFault>,
}

impl Plan {
    pub(super) fn once(&mut self, kind: &'static str, fault: DriveFault) {
        self.once.entry(kind).or_default().push_back(fault);
    }

    pub(super) fn every(&mut self, every: u64, faults: Vec<DriveFault>) {
        self.every = every;
        self.rotation = faults.into();
    }

    pub(super) fn next(&mut self, kind: &str, number: u64) -> Option<DriveFault> {
        if let Some(fault) = self.once.get_mut(kind).and_then(VecDeque::pop_front) {
            return Some(fault);
        }
        if self.every == 0 || number == 0 || !number.is_multiple_of(self.every) {
            return None;
        }
        self.rotation.rotate_left(1);
        self.rotation.back().cloned()
    }
}

/// How many questions are answered in any stretch of time.
#[derive(Debug, Default)]
pub(super) struct Quota {
    /// None: as many as come.
    most: Option<(usize, Duration)>,
    answered: VecDeque<Instant>,
}

impl Quota {
    pub(super) fn new(most: usize, window: Duration) -> Self {
        Self { most: Some((most, window)), answered: VecDeque::new() }
    }

    /// Whether a question is answered; those that are not do not count.
    pub(super) fn takes(&mut self, now: Instant) -> bool {
        let Some((most, window)) = self.most else { return true };
        while self.answered.front().is_some_and(|at| now.duration_since(*at) >= window) {
            self.answered.pop_front();
        }
        let within = self.answered.len() < most;
        if within {
            self.answered.push_back(now);
        }
        within
    }
}

/// An error as Drive writes it.
pub(super) fn error(status: StatusCode, domain: &str, reason: &str, message: &str) -> Response {
    (status, Json(body(status, domain, reason, message))).into_response()
}

fn body(status: StatusCode, domain: &str, reason: &str, message: &str) -> Value {
    let location = match reason {
        "invalid" => json!({ "location": "pageToken", "locationType": "parameter" }),
        "authError" => json!({ "location": "Authorization", "locationType": "header" }),
        _ => json!({}),
    };
    let mut one = json!({ "domain": domain, "reason": reason, "message": message });
    if let (Some(one), Some(location)) = (one.as_object_mut(), location.as_object()) {
        one.extend(location.clone());
    }
    json!({ "error": { "errors": [one], "code": status.as_u16(), "message": message } })
}

pub(super) fn unauthorized() -> Response {
    error(StatusCode::UNAUTHORIZED, "global", "authError", "Invalid Credentials")
}

pub(super) fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "global", "notFound", "File not found: .")
}

pub(super) fn bad_page_token() -> Response {
    error(StatusCode::BAD_REQUEST, "global", "invalid", "Invalid Value")
}

pub(super) fn forbidden(reason: &str) -> Response {
    let limits = ["userRateLimitExceeded", "rateLimitExceeded", "dailyLimitExceeded"];
    let domain = if limits.contains(&reason) { "usageLimits" } else { "global" };
    error(StatusCode::FORBIDDEN, domain, reason, "Forbidden.")
}

/// The fault, or the right answer as the fault leaves it.
pub(super) async fn instead(fault: DriveFault, right: impl Future<Output = Response>) -> Response {
    match fault {
        DriveFault::Unauthorized => unauthorized(),
        DriveFault::Forbidden(reason) => forbidden(reason),
        DriveFault::NotFound => not_found(),
        DriveFault::TooMany(after) => {
            let body = body(
                StatusCode::TOO_MANY_REQUESTS,
                "usageLimits",
                "rateLimitExceeded",
                "Rate Limit Exceeded",
            );
            let after = after.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
            match after {
                Some(after) => (StatusCode::TOO_MANY_REQUESTS, after, Json(body)).into_response(),
                None => (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response(),
            }
        }
        DriveFault::Broken => {
            error(StatusCode::INTERNAL_SERVER_ERROR, "global", "backendError", "Internal Error")
        }
        DriveFault::PageToken => bad_page_token(),
        DriveFault::Cut => {
            let (parts, whole) = parts(right.await).await;
            let pieces = [
                Ok(whole.slice(..whole.len() / 2)),
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            ];
            Response::from_parts(parts, Body::from_stream(stream::iter(pieces)))
        }
        DriveFault::Slow(over) => {
            let (parts, whole) = parts(right.await).await;
            let piece = whole.len().div_ceil(4).max(1);
            let pieces: Vec<_> = (0..whole.len())
                .step_by(piece)
                .map(|at| whole.slice(at..(at + piece).min(whole.len())))
                .collect();
            let slowly = stream::unfold(pieces.into_iter(), move |mut left| async move {
                let piece = left.next()?;
                tokio::time::sleep(over / 4).await;
                Some((Ok::<_, std::io::Error>(piece), left))
            });
            Response::from_parts(parts, Body::from_stream(slowly))
        }
    }
}

async fn parts(response: Response) -> (axum::http::response::Parts, bytes::Bytes) {
    let (parts, body) = response.into_parts();
    (parts, to_bytes(body, usize::MAX).await.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_holds_in_any_stretch_of_time() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut quota = Quota::new(2, second);
        for (millis, taken) in
            [(0, true), (600, true), (999, false), (1_000, true), (1_599, false), (1_600, true)]
        {
            assert_eq!(quota.takes(begin + Duration::from_millis(millis)), taken, "{millis} ms");
        }
        assert!(Quota::default().takes(begin));
    }
}
