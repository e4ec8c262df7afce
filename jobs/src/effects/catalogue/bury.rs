//! Storing a dead letter.

use super::dead_letters::TABLE;
use super::letter::{FailedAttempt, NewDeadLetter};
use super::text::{self, LABEL, MESSAGE, NAME, capped, without_nul};
use super::{Catalogue, CatalogueError};
use crate::privacy::erased_with;

/// Errors of a chain that are stored.
const CHAIN: usize = 32;

/// Attempts of a timeline that are stored.
const TIMELINE: usize = 50;

impl Catalogue {
    /// Stores a dead letter and answers its id. A job that dies again updates its letter and
    /// counts; the same death reported again (same `died_at`) changes nothing. Of a job of an erased
    /// user nothing is stored, but of one that was to erase the user.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn bury(&self, letter: &NewDeadLetter) -> Result<String, CatalogueError> {
        // A death at or after the retry is another one, whatever the clocks say.
        let sql = "INSERT INTO dead_letters (id, queue, job_id, kind, payload, reason, error, \
            error_chain, fingerprint, attempts, timeline, worker, worker_version, first_seen_at, \
            last_seen_at, times, retried_at) \
            SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), \
            CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT), \
            CAST($9 AS TEXT), CAST($10 AS INTEGER), CAST($11 AS TEXT), CAST($12 AS TEXT), \
            CAST($13 AS TEXT), CAST($14 AS BIGINT), CAST($14 AS BIGINT), 1, NULL \
            WHERE NOT EXISTS (SELECT 1 FROM erased_users WHERE user_id = $15) \
            ON CONFLICT (queue, job_id) DO UPDATE SET kind = excluded.kind, \
            payload = excluded.payload, reason = excluded.reason, error = excluded.error, \
            error_chain = excluded.error_chain, fingerprint = excluded.fingerprint, \
            attempts = excluded.attempts, timeline = excluded.timeline, worker = excluded.worker, \
            worker_version = excluded.worker_version, last_seen_at = excluded.last_seen_at, \
            times = dead_letters.times + 1, retried_at = NULL \
            WHERE dead_letters.last_seen_at <> excluded.last_seen_at \
            OR dead_letters.retried_at <= excluded.last_seen_at";
        let id = letter_id(&letter.queue, &letter.job_id);
        self.timed("bury", async {
            sqlx::query(sql)
                .bind(&id)
                .bind(capped(&letter.queue, NAME))
                .bind(text::key(&letter.job_id))
                .bind(capped(&letter.kind, LABEL))
                .bind(without_nul(&letter.payload))
                .bind(letter.reason.as_str())
                .bind(capped(&letter.error, MESSAGE))
                .bind(error_chain(letter))
                .bind(capped(&letter.fingerprint, LABEL))
                .bind(count(letter.attempts))
                .bind(timeline(letter))
                .bind(capped(&letter.worker, LABEL))
                .bind(capped(&letter.worker_version, LABEL))
                .bind(letter.died_at)
                .bind(erased_with(&letter.kind, &letter.payload))
                .execute(&self.primary)
                .await
                .map_err(|source| CatalogueError::Write { table: TABLE, source })
        })
        .await?;
        Ok(id)
    }
}

/// 128 bits of a hash: enough never to collide, short enough to be read out.
pub(super) fn letter_id(queue: &str, job_id: &str) -> String {
    let mut id = text::sha256_hex(&[queue, job_id]);
    id.truncate(32);
    id
}

fn error_chain(letter: &NewDeadLetter) -> String {
    let chain: Vec<_> =
        letter.error_chain.iter().take(CHAIN).map(|error| capped(error, MESSAGE)).collect();
    serde_json::to_string(&chain).expect("a list of texts is JSON")
}

fn timeline(letter: &NewDeadLetter) -> String {
    let from = letter.timeline.len().saturating_sub(TIMELINE);
    let attempts: Vec<_> = letter.timeline[from..]
        .iter()
        .map(|failed| FailedAttempt { error: capped(&failed.error, MESSAGE), ..failed.clone() })
        .collect();
    serde_json::to_string(&attempts).expect("numbers and texts are JSON")
}

fn count(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
