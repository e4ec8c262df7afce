//! Bodies of requests.

use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use futures::StreamExt as _;

use super::problem::{Problem, What};

/// A client that takes longer would hold memory for nothing.
const WITHIN: Duration = Duration::from_secs(30);
/// Of a body that is too large, so many times the limit are still taken in and forgotten: a client
/// that is cut off while it writes does not read the answer.
const FORGOTTEN: usize = 4;

/// Reads a JSON body of at most so many bytes.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Vec<u8>, Problem> {
    check_type(headers)?;
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limit.saturating_mul(FORGOTTEN)) {
        return Err(too_large(limit));
    }
    tokio::time::timeout(WITHIN, collect(body, limit)).await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {} s", WITHIN.as_secs());
        Err(Problem::new(What::TooSlow, detail))
    })
}

async fn collect(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::new(What::BadRequest, format!("the body broke off: {error}"))
        })?;
        length = length.saturating_add(chunk.len());
        if length <= limit {
            bytes.extend_from_slice(&chunk);
        } else if length > limit.saturating_mul(FORGOTTEN) {
            break;
        } else {
            bytes = Vec::new();
        }
    }
    if length > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

fn too_large(limit: usize) -> Problem {
    let detail =
        format!("the body is larger than http.max_body, {limit} bytes; send fewer jobs at once");
    Problem::new(What::TooLarge, detail)
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let said = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(coding) =
        said(CONTENT_ENCODING).filter(|coding| !coding.eq_ignore_ascii_case("identity"))
    {
        let detail =
            format!("content encoding `{coding}` is not understood; send the body as it is");
        return Err(Problem::new(What::MediaType, detail));
    }
    match said(CONTENT_TYPE) {
        Some(sent) if is_json(sent) => Ok(()),
        Some(sent) => {
            let detail = format!("the body is `{sent}`, but must be application/json in UTF-8");
            Err(Problem::new(What::MediaType, detail))
        }
        None => {
            Err(Problem::new(What::MediaType, "the body needs `Content-Type: application/json`"))
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let charset = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_lowercase())
    };
    json && parts.filter_map(charset).all(|charset| charset == "utf-8" || charset == "utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf_8_is_taken() {
        for content_type in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; profile=x",
        ] {
            assert!(is_json(content_type), "{content_type}");
        }
        for content_type in [
            "",
            "text/plain",
            "application/jsonp",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "text/plain; application/json",
        ] {
            assert!(!is_json(content_type), "{content_type}");
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_kept() {
        let read = async |bytes: usize| collect(Body::from(vec![b' '; bytes]), 10).await;
        assert_eq!(read(10).await.unwrap().len(), 10);
        for bytes in [11, 40, 1_000] {
            assert_eq!(read(bytes).await.unwrap_err().what, What::TooLarge);
        }
    }
}
