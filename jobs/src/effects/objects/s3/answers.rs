//! What the store's answers mean.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::super::ObjectError;

/// With a key it is about that object, without about the bucket.
pub(super) fn classify<E>(
    step: &'static str,
    bucket: &str,
    key: Option<&str>,
    error: &SdkError<E, HttpResponse>,
) -> ObjectError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if let SdkError::ServiceError(answer) = error {
        let status = answer.raw().status().as_u16();
        return judge(step, bucket, key, status, error.code(), error.message());
    }
    let source = anyhow::anyhow!("{}", in_words(error));
    ObjectError::Passing { step, bucket: bucket.to_owned(), source }
}

/// What an answer means: with a key it is about that object, without about the bucket.
fn judge(
    step: &'static str,
    bucket: &str,
    key: Option<&str>,
    status: u16,
    code: Option<&str>,
    message: Option<&str>,
) -> ObjectError {
    // Answers without a body, or a proxy's, name no code.
    let code = code.map_or_else(|| format!("HTTP {status}"), str::to_owned);
    let told = match message {
        Some(message) if !message.is_empty() => format!("{code}: {message}"),
        _ => code.clone(),
    };
    let source = anyhow::anyhow!(told);
    let bucket = bucket.to_owned();
    match (code.as_str(), key) {
        ("NoSuchBucket", _) => ObjectError::NoBucket { bucket },
        ("NoSuchKey" | "NotFound" | "HTTP 404", Some(key)) => {
            ObjectError::NoObject { bucket, key: key.to_owned() }
        }
        ("InvalidBucketName", _) => ObjectError::Name { name: bucket },
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "AuthorizationHeaderMalformed"
            | "ExpiredToken"
            | "InvalidToken"
            | "HTTP 401",
            _,
        )
        | ("AccessDenied" | "HTTP 403", None) => ObjectError::Denied { bucket, source },
        _ if !is_final(status, &code) => ObjectError::Passing { step, bucket, source },
        (_, Some(key)) => ObjectError::Unreadable { bucket, key: key.to_owned(), code },
        (_, None) => {
            let message = message.unwrap_or("no more is said").to_owned();
            ObjectError::Refused { bucket, code, message }
        }
    }
}

/// Whether the same request would be answered the same way again.
fn is_final(status: u16, code: &str) -> bool {
    let passing = ["RequestTimeTooSkewed", "RequestTimeout", "SlowDown", "TooManyRequests"];
    matches!(status, 300..=499)
        && !matches!(status, 307 | 408 | 429)
        && !passing.contains(&code)
        && !code.starts_with("Throttl")
        && !code.starts_with("RequestLimit")
}

/// An error and its causes; the SDK's own words for several causes are a debug dump.
fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

/// What a refused `If-None-Match` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// There is an object.
    Failed,
    /// The store does not know such conditions.
    Unknown,
    /// Another request about the same key was faster.
    Contested,
    /// Something else is wrong.
    NotAtFault,
}

pub(super) fn condition<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Condition {
    let SdkError::ServiceError(answer) = error else { return Condition::NotAtFault };
    match (answer.raw().status().as_u16(), error.code()) {
        (412, _) => Condition::Failed,
        (501, _) | (_, Some("NotImplemented")) => Condition::Unknown,
        (409, Some("ConditionalRequestConflict" | "OperationAborted")) => Condition::Contested,
        _ => Condition::NotAtFault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_about_the_object_the_bucket_or_the_moment() {
        let word = |error: &ObjectError| match error {
            ObjectError::NoBucket { .. } => "no bucket",
            ObjectError::NoObject { .. } => "no object",
            ObjectError::Denied { .. } => "denied",
            ObjectError::Unreadable { .. } => "unreadable",
            ObjectError::Refused { .. } => "refused",
            ObjectError::Name { .. } => "name",
            ObjectError::Endpoint { .. } => "endpoint",
            ObjectError::Passing { .. } => "passing",
        };
        for (status, code, of_object, of_bucket) in [
            (404, Some("NoSuchBucket"), "no bucket", "no bucket"),
            (404, Some("NoSuchKey"), "no object", "refused"),
            (404, None, "no object", "refused"),
            (400, Some("InvalidBucketName"), "name", "name"),
            (403, Some("AccessDenied"), "unreadable", "denied"),
            (403, None, "unreadable", "denied"),
            (401, None, "denied", "denied"),
            (403, Some("InvalidAccessKeyId"), "denied", "denied"),
            (403, Some("SignatureDoesNotMatch"), "denied", "denied"),
            (400, Some("ExpiredToken"), "denied", "denied"),
            (403, Some("InvalidObjectState"), "unreadable", "refused"),
            (400, Some("InvalidRequest"), "unreadable", "refused"),
            (400, Some("KMS.DisabledException"), "unreadable", "refused"),
            (416, Some("InvalidRange"), "unreadable", "refused"),
            (301, Some("PermanentRedirect"), "unreadable", "refused"),
            (301, None, "unreadable", "refused"),
            (307, Some("TemporaryRedirect"), "passing", "passing"),
            (403, Some("RequestTimeTooSkewed"), "passing", "passing"),
            (400, Some("RequestTimeout"), "passing", "passing"),
            (408, None, "passing", "passing"),
            (429, None, "passing", "passing"),
            (400, Some("ThrottlingException"), "passing", "passing"),
            (503, Some("SlowDown"), "passing", "passing"),
            (500, Some("InternalError"), "passing", "passing"),
            (502, None, "passing", "passing"),
        ] {
            let judged = |key| judge("test", "photos", key, status, code, Some("so it is"));
            assert_eq!(word(&judged(Some("a.jpg"))), of_object, "{status} {code:?} of an object");
            assert_eq!(word(&judged(None)), of_bucket, "{status} {code:?} of a bucket");
            assert_eq!(judged(None).is_transient(), of_bucket == "passing", "{status} {code:?}");
        }
    }
}
