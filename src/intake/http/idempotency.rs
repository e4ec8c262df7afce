//! `Idempotency-Key`: a request that may be repeated, because it is carried out once.
//!
//! After draft-ietf-httpapi-idempotency-key-header: the same key with the same body has the same answer
//! for 24 h, with another body it is refused, and while it is being answered it has to wait.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::problem::{Problem, What};
use super::{WITHIN, redis};
use crate::queue::Queues;
use crate::queue::once::{Once, Standing};

/// The header's name.
pub(super) const HEADER: &str = "idempotency-key";
const MAX_KEY: usize = 255;

/// How long a request that died half way keeps its key in use.
const LEASE: Duration = WITHIN.saturating_add(Duration::from_secs(1));

/// The key that a request came with.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut sent = headers.get_all(HEADER).iter();
    let Some(first) = sent.next() else {
        return Ok(None);
    };
    let key = first.to_str().unwrap_or_default().trim();
    if key.is_empty() || key.len() > MAX_KEY || sent.next().is_some() {
        let detail = format!("Idempotency-Key must be one text of 1 to {MAX_KEY} ASCII characters");
        return Err(Problem::new(What::BadRequest, detail));
    }
    Ok(Some(key))
}

/// Begins to answer a request; answers what was answered before.
pub(super) async fn begin(once: &Once) -> Result<Option<String>, Problem> {
    match redis(once.begin(LEASE)).await? {
        Standing::Begun => Ok(None),
        Standing::Answered(answer) => Ok(Some(answer)),
        Standing::Running(left) => {
            let detail = "a request with this Idempotency-Key is being answered; repeat it later";
            Err(Problem::new(What::KeyInUse, detail).after(left))
        }
        Standing::Other => {
            let detail = "this Idempotency-Key came with another body before; use a new key";
            Err(Problem::new(What::KeyReused, detail))
        }
    }
}

/// A request by its key, and a digest of its body. Bodies that say the same are the same, however they
/// are written.
pub(super) fn once(queues: &Queues, queue: &str, key: &str, body: String) -> Once {
    let holder = uuid::Uuid::new_v4().simple().to_string();
    queues.once(queue, &digest(key.as_bytes()), body, holder)
}

pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_short_text() {
        let read = |keys: &[&str]| {
            let keys = keys.iter().map(|key| (HEADER.parse().unwrap(), key.parse().unwrap()));
            let headers: HeaderMap = keys.collect();
            key(&headers).map(|key| key.map(str::to_owned)).map_err(|problem| problem.what)
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["8e03978e-40d5"]), Ok(Some("8e03978e-40d5".to_owned())));
        let long = "k".repeat(256);
        for wrong in [&[""][..], &[" "], &["a", "b"], &["ключ"], &[&long]] {
            assert_eq!(read(wrong), Err(What::BadRequest), "{wrong:?}");
        }
    }
}
