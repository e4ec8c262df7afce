//! Why Drive does not answer, and what comes of that.

use std::time::Duration;

use serde::Deserialize;

use crate::effects::SealError;
use crate::effects::catalogue::{CatalogueError, catalogue_error};
use crate::effects::web::{Reply, Unanswered};
use crate::job::JobError;

/// When a limit is one user's own: quotas are counted by the minute.
const USER_PATIENCE: Duration = Duration::from_mins(1);
/// Until somebody has changed the configuration.
const OFF: Duration = Duration::from_hours(1);

/// Why there is no answer. Holds no token and nothing of a file but its id.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// Of Google as a whole: it could not be reached, asks everybody for patience, or its budget is used up.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// It asks for patience, of this user only.
    #[error("Google Drive asks for patience with user {user_id} ({reason})")]
    UserLimit {
        /// Whose limit.
        user_id: i64,
        /// Google's word for it.
        reason: String,
        /// How long, if it says so.
        after: Option<Duration>,
    },
    /// It does not take a token that it has just given.
    #[error("Google Drive does not accept the new access token of user {user_id}")]
    Unauthorized {
        /// Whose.
        user_id: i64,
    },
    /// It was connected once, and is not any more.
    #[error(
        "the Google account of user {user_id} has to be connected again ({reason}): its owner has to sign \
         in once more; a new scan goes on where this one stopped"
    )]
    NeedsReconnect {
        /// Whose.
        user_id: i64,
        /// Google's word for it.
        reason: String,
    },
    /// It was never connected.
    #[error("user {user_id} has not connected a Google account (table provider_accounts)")]
    NotConnected {
        /// Whose.
        user_id: i64,
    },
    /// Our own client is not accepted.
    #[error(
        "Google does not accept this application ({reason}): check google.client_id and google.client_secret"
    )]
    Client {
        /// Google's word for it.
        reason: String,
    },
    /// It does not hand out this file, or does not know it.
    #[error("Google Drive does not hand it out ({reason}, status {status})")]
    Withheld {
        /// 403 or 404.
        status: u16,
        /// Google's word for it.
        reason: String,
    },
    /// The listing has to begin anew.
    #[error("Google Drive does not know this page token any more")]
    PageToken,
    /// Tokens cannot be read or kept.
    #[error("the tokens of user {user_id} cannot be used: {error}")]
    Sealed {
        /// Whose.
        user_id: i64,
        /// Why.
        error: SealError,
    },
    /// The catalogue does not answer.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl DriveError {
    /// What becomes of a job that cannot go on without the answer.
    pub fn for_job(self) -> JobError {
        match self {
            Self::Unanswered(unanswered) => unanswered.for_job(),
            Self::UserLimit { after, .. } => {
                JobError::postpone(after.unwrap_or(USER_PATIENCE), self)
            }
            Self::Client { .. } => JobError::postpone(OFF, self),
            Self::Unauthorized { .. } | Self::PageToken => JobError::retry(self),
            Self::NeedsReconnect { .. }
            | Self::NotConnected { .. }
            | Self::Withheld { .. }
            | Self::Sealed { .. } => JobError::discard(self),
            Self::Catalogue(error) => catalogue_error(error),
        }
    }

    /// Whether asking once more may help within seconds.
    pub(super) fn passes(&self) -> bool {
        matches!(
            self,
            Self::Unanswered(Unanswered::Failed { .. } | Unanswered::Garbled { .. })
                | Self::UserLimit { .. }
        )
    }

    /// Whether it is about this one question, and asking once more tells whether it is meant so: what
    /// stands between may stumble, and losing a file or a listing by that is expensive.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Withheld { .. } | Self::PageToken)
    }
}

/// What a reply of Drive says, judged by status and reason.
pub(super) enum Word {
    /// It is the answer.
    Answer,
    /// The access token is not good any more.
    Token,
    /// Nobody may ask for a while.
    Limit,
    /// This user may not ask for a while.
    UserLimit(String),
    /// Not this file.
    Withheld(String),
    /// Not this page token.
    PageToken,
    /// We have asked nonsense.
    Nonsense(String),
    /// It is broken.
    Broken,
}

/// <https://developers.google.com/workspace/drive/api/guides/handle-errors>
pub(super) fn word(reply: &Reply) -> Word {
    match reply.status {
        200..=299 => Word::Answer,
        401 => Word::Token,
        429 => Word::Limit,
        403 => match said(&reply.body) {
            Some((_, reason)) if reason == "userRateLimitExceeded" => Word::UserLimit(reason),
            Some((domain, reason))
                if domain == "usageLimits" || reason.ends_with("LimitExceeded") =>
            {
                // The project may not ask at all: somebody has to change it.
                match reason.as_str() {
                    "accessNotConfigured" => Word::Nonsense(reason),
                    _ => Word::Limit,
                }
            }
            Some((_, reason)) => Word::Withheld(reason),
            None => Word::Broken,
        },
        404 => {
            Word::Withheld(said(&reply.body).map_or("notFound".to_owned(), |(_, reason)| reason))
        }
        // Of a changes feed: too old.
        410 => Word::PageToken,
        400 if is_page_token(&reply.body) => Word::PageToken,
        // A file became shorter.
        416 => Word::Withheld("requestedRangeNotSatisfiable".to_owned()),
        400..=499 => {
            Word::Nonsense(said(&reply.body).map_or_else(String::new, |(_, reason)| reason))
        }
        _ => Word::Broken,
    }
}

#[derive(Deserialize)]
struct Said {
    error: Errors,
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Told>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    domain: String,
    reason: String,
    location: String,
}

fn told(body: &[u8]) -> Option<Told> {
    serde_json::from_slice::<Said>(body).ok()?.error.errors.into_iter().next()
}

/// Domain and reason: words of Google's, and nothing else.
fn said(body: &[u8]) -> Option<(String, String)> {
    told(body).map(|told| (told.domain, plain(&told.reason)))
}

fn is_page_token(body: &[u8]) -> bool {
    told(body).is_some_and(|told| told.location == "pageToken")
}

/// A word of a closed set; anything else says nothing.
pub(super) fn plain(word: &str) -> String {
    let known = word.len() <= 48 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if known && !word.is_empty() { word.to_owned() } else { "no reason".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_as(status: u16, body: &str) -> &'static str {
        let reply = Reply { status, retry_after: None, body: body.as_bytes().to_vec() };
        match word(&reply) {
            Word::Answer => "answer",
            Word::Token => "token",
            Word::Limit => "limit",
            Word::UserLimit(_) => "user limit",
            Word::Withheld(_) => "withheld",
            Word::PageToken => "page token",
            Word::Nonsense(_) => "nonsense",
            Word::Broken => "broken",
        }
    }

    #[test]
    fn every_refusal_has_a_meaning() {
        let error = |domain: &str, reason: &str| {
            format!(
                r#"{{"error":{{"errors":[{{"domain":"{domain}","reason":"{reason}","message":"a.jpg"}}]}}}}"#
            )
        };
        let page = r#"{"error":{"errors":[{"domain":"global","reason":"invalid","location":"pageToken"}]}}"#;
        for (status, body, expected) in [
            (200, String::new(), "answer"),
            (206, String::new(), "answer"),
            (401, error("global", "authError"), "token"),
            (403, error("usageLimits", "userRateLimitExceeded"), "user limit"),
            (403, error("usageLimits", "rateLimitExceeded"), "limit"),
            (403, error("usageLimits", "dailyLimitExceeded"), "limit"),
            (403, error("usageLimits", "accessNotConfigured"), "nonsense"),
            (403, error("global", "appNotAuthorizedToFile"), "withheld"),
            (403, error("global", "insufficientFilePermissions"), "withheld"),
            (403, error("global", "domainPolicy"), "withheld"),
            (403, error("global", "cannotDownloadFile"), "withheld"),
            (403, "<html>a proxy's page</html>".to_owned(), "broken"),
            (404, error("global", "notFound"), "withheld"),
            (404, "<html></html>".to_owned(), "withheld"),
            (400, page.to_owned(), "page token"),
            (410, String::new(), "page token"),
            (400, error("global", "badRequest"), "nonsense"),
            (416, String::new(), "withheld"),
            (429, String::new(), "limit"),
            (500, String::new(), "broken"),
            (503, String::new(), "broken"),
        ] {
            assert_eq!(told_as(status, &body), expected, "{status} {body}");
        }
    }

    #[test]
    fn only_words_are_repeated() {
        for (word, shown) in [
            ("invalid_grant", "invalid_grant"),
            ("notFound", "notFound"),
            ("", "no reason"),
            ("File not found: IMG_1.jpg", "no reason"),
            ("me@example.com", "no reason"),
        ] {
            assert_eq!(plain(word), shown);
        }
    }

    #[test]
    fn what_was_recorded_of_google_is_understood() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/drive");
        let Ok(text) = std::fs::read_to_string(folder.join("error_bodies.json")) else {
            return crate::effects::google::skip(
                "recorded answers of Google: ../shared is not there",
            );
        };
        let recorded: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        for one in recorded.iter().filter(|one| one["body"]["error"].is_object()) {
            let status =
                one["http"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap();
            let expected = match status {
                400 => "nonsense",
                401 => "token",
                403 => "user limit",
                _ => "withheld",
            };
            assert_eq!(told_as(status, &one["body"].to_string()), expected, "{one}");
        }
    }
}
