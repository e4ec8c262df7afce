//! What is kept of a job that died: a row in the catalogue, which no producer trims.

use std::fmt::Write as _;
use std::time::Duration;

use roadie_jobs::effects::catalogue::{Catalogue, DeadReason, FailedAttempt, NewDeadLetter};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::observe::metrics;
use crate::worker::attempt::Attempt;

/// How long a dead letter waits for a catalogue that does not answer.
const STORE_WITHIN: Duration = Duration::from_secs(10);
/// Pause between tries.
const STORE_AGAIN: Duration = Duration::from_millis(500);

/// Groups failures with the same cause: kind, reason, and the error without what differs from job
/// to job (numbers, quoted values, paths, long hexadecimal words). 16 hexadecimal digits.
pub fn fingerprint(kind: &str, reason: &str, error: &str) -> String {
    let digest = Sha256::digest(format!("{kind}\n{reason}\n{}", normalised(error)));
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn normalised(error: &str) -> String {
    let mut text = String::with_capacity(error.len());
    let mut quote = None;
    for c in error.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            Some(_) => {}
            None if matches!(c, '`' | '"') => {
                quote = Some(c);
                text.push('…');
            }
            None => text.push(c),
        }
    }
    text.split_whitespace().map(normalised_word).collect::<Vec<_>>().join(" ")
}

fn normalised_word(word: &str) -> String {
    if word.contains('/') {
        return "…/".to_owned();
    }
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if bare.len() >= 8 && bare.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return "#".to_owned();
    }
    let mut text = String::new();
    for c in word.chars() {
        if !c.is_ascii_digit() {
            text.push(c);
        } else if !text.ends_with('#') {
            text.push('#');
        }
    }
    text
}

pub(super) async fn bury(
    attempt: &Attempt,
    reason: DeadReason,
    chain: &[String],
    timeline: Vec<FailedAttempt>,
) {
    let info = &attempt.info;
    let error = chain.first().cloned().unwrap_or_default();
    let letter = NewDeadLetter {
        queue: info.queue.clone(),
        job_id: info.id.clone(),
        kind: info.kind.clone(),
        payload: attempt.reserved.payload().to_owned(),
        reason,
        fingerprint: fingerprint(&info.kind, reason.as_str(), &error),
        error,
        error_chain: chain.to_vec(),
        // One that was not run any more had its last attempt before.
        attempts: match reason {
            DeadReason::CrashLoop => attempt.reserved.runs_before(),
            _ => info.attempt,
        },
        died_at: timeline.last().map_or_else(|| attempt.engine.effects.clock.now_ms(), |t| t.at),
        timeline,
        worker: attempt.engine.name.clone(),
        worker_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    store(&attempt.engine.effects.catalogue, &letter).await;
}

/// A catalogue that stays away must not hold the job for ever: the failed set has it as well.
pub(super) async fn store(catalogue: &Catalogue, letter: &NewDeadLetter) {
    metrics::dead_letter(&letter.queue, letter.reason);
    let deadline = Instant::now() + STORE_WITHIN;
    loop {
        let Err(error) = catalogue.bury(letter).await else { return };
        if !error.is_transient() || Instant::now() >= deadline {
            tracing::error!(
                %error, job.id = %letter.job_id, job.queue = %letter.queue,
                "dead letter not stored; only the failed set has this job"
            );
            return;
        }
        tokio::time::sleep(STORE_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cause_has_one_fingerprint() {
        let print = |error| fingerprint("scan-s3", "discarded", error);
        for (one, other) in [
            ("no bucket `alpha`", "no bucket `beta`"),
            ("timed out after 31 s", "timed out after 4000 s"),
            ("cannot read /srv/photos/a.jpg", "cannot read /srv/photos/b/c.png"),
            ("object 9f86d081884c7d65 is gone", "object deadbeefcafe0123 is gone"),
        ] {
            assert_eq!(print(one), print(other), "{one} | {other}");
        }
        assert_ne!(print("no bucket `alpha`"), print("access to bucket `alpha` denied"));
        assert_ne!(print("x"), fingerprint("scan-folder", "discarded", "x"));
    }
}
