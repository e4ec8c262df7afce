//! Storing what was decided about a session, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Any, Row as _, Transaction};

use super::session::ALGORITHM_VERSION;
use super::shows::{self, night_id};
use super::{LINKS, MEMBERS, SESSIONS, word};
use crate::effects::catalogue::batch::{self, ROWS};
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::photos::FileKey;
use crate::effects::catalogue::{Catalogue, CatalogueError};
use crate::matching::{Basis, Candidate, Decision, Reason};

const EVIDENCE: &str = "match_evidence";

/// What was decided about the photos of one evening.
#[derive(Clone, Debug)]
pub(crate) struct EveningMatch {
    /// The days that it may have been, by `/`.
    pub(crate) evening: String,
    pub(crate) reason: Reason,
    /// How much better the first candidate fits than any other.
    pub(crate) margin: f64,
    /// The likeliest first.
    pub(crate) candidates: Vec<Candidate>,
    /// The same for people, as JSON.
    pub(crate) told: String,
    /// The night that its owner has named, instead of the first candidate.
    pub(crate) said: Option<String>,
    pub(crate) photos: Vec<(FileKey, Reason)>,
}

/// What was decided about a session.
#[derive(Clone, Debug)]
pub(crate) struct SessionMatch {
    pub(crate) session_id: String,
    /// What it was when it was decided about.
    pub(crate) inputs: String,
    pub(crate) evenings: Vec<EveningMatch>,
    pub(crate) rechecks: i32,
    /// Unix milliseconds.
    pub(crate) recheck_at: Option<i64>,
}

impl EveningMatch {
    /// The night that photos are linked to, if any is.
    fn night(&self) -> Option<String> {
        let first = || self.candidates.first().map(|first| night_id(&first.night));
        self.said.clone().or_else(first)
    }

    /// What is written of the world: what photos are linked to, or their owner is asked about.
    fn nights(&self) -> &[Candidate] {
        let first = self.candidates.len().min(1);
        match self.reason {
            Reason::Fits if self.photos.iter().all(|(_, reason)| *reason == Reason::Fits) => {
                &self.candidates[..first]
            }
            reason if reason.decision() == Decision::None => &[],
            _ => &self.candidates,
        }
    }
}

impl Catalogue {
    /// Stores all of it, or nothing: none when the session is another one by now. Answers the nights
    /// that photos were linked to before or are now. What a user has decided stays.
    pub(crate) async fn record_match(
        &self,
        user_id: i64,
        decided: &SessionMatch,
        now_ms: i64,
    ) -> Result<Option<BTreeSet<String>>, CatalogueError> {
        // Boxed: the statements' futures are large, and so would be every handler's.
        self.timed("record_match", Box::pin(self.store_match(user_id, decided, now_ms))).await
    }

    async fn store_match(
        &self,
        user_id: i64,
        decided: &SessionMatch,
        now_ms: i64,
    ) -> Result<Option<BTreeSet<String>>, CatalogueError> {
        let session = decided.session_id.as_str();
        let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
        // A write comes first: SQLite can wait for its write lock only at the beginning.
        let sql = "UPDATE photo_sessions SET matched_inputs = $3, algorithm = $4, matched_at = $5, \
                   put_off_until = NULL, rechecks = $6, recheck_at = $7 \
                   WHERE user_id = $1 AND session_id = $2 AND inputs = $3";
        let query = sqlx::query(sql).bind(user_id).bind(session).bind(decided.inputs.as_str());
        let query = query.bind(ALGORITHM_VERSION).bind(now_ms);
        let query = query.bind(decided.rechecks).bind(decided.recheck_at);
        let noted = query.execute(&mut *transaction).await.map_err(written(SESSIONS))?;
        if noted.rows_affected() == 0 {
            return Ok(None);
        }
        let mut nights = linked_nights(&mut transaction, user_id, session).await?;
        let candidates = || decided.evenings.iter().flat_map(EveningMatch::nights);
        shows::store(&mut transaction, candidates().map(|each| &each.night), now_ms).await?;
        let placed = decided.evenings.iter().filter(|evening| evening.reason == Reason::Fits);
        for candidate in placed.filter_map(|evening| evening.candidates.first()) {
            let Some(place) = candidate.fit.place else { continue };
            let osm = match &candidate.fit.basis {
                Basis::Poi { osm, .. } => Some(osm.as_str()),
                Basis::Coordinates | Basis::City => None,
            };
            shows::place_venue(&mut transaction, &candidate.night.venue.id, place, osm).await?;
        }
        let sql = "DELETE FROM match_evidence WHERE user_id = $1 AND session_id = $2";
        let query = sqlx::query(sql).bind(user_id).bind(session);
        query.execute(&mut *transaction).await.map_err(written(EVIDENCE))?;
        for evening in &decided.evenings {
            store_evidence(&mut transaction, user_id, decided, evening, now_ms).await?;
            store_photos(&mut transaction, user_id, evening, now_ms).await?;
        }
        nights.extend(linked_nights(&mut transaction, user_id, session).await?);
        transaction.commit().await.map_err(CatalogueError::Commit)?;
        Ok(Some(nights))
    }
}

async fn linked_nights(
    transaction: &mut Transaction<'static, Any>,
    user_id: i64,
    session: &str,
) -> Result<BTreeSet<String>, CatalogueError> {
    let sql = "SELECT DISTINCT l.night_id FROM session_photos m JOIN photo_links l \
               ON l.user_id = m.user_id AND l.provider = m.provider AND l.file_id = m.file_id \
               WHERE m.user_id = $1 AND m.session_id = $2 AND l.night_id IS NOT NULL";
    let rows = sqlx::query(sql).bind(user_id).bind(session).fetch_all(&mut **transaction).await;
    let rows = rows.map_err(unread(LINKS))?;
    rows.iter().map(|row| row.try_get("night_id").map_err(unread(LINKS))).collect()
}

async fn store_evidence(
    transaction: &mut Transaction<'static, Any>,
    user_id: i64,
    decided: &SessionMatch,
    evening: &EveningMatch,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    let sql = "INSERT INTO match_evidence (user_id, session_id, evening, algorithm, inputs, decision, \
               reason, photos, score, margin, candidates, decided_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let score = evening.candidates.first().map_or(0.0, |first| first.fit.score);
    let query = sqlx::query(sql)
        .bind(user_id)
        .bind(decided.session_id.as_str())
        .bind(evening.evening.as_str())
        .bind(ALGORITHM_VERSION)
        .bind(decided.inputs.as_str())
        .bind(evening.reason.decision().name())
        .bind(word(evening.reason))
        .bind(i32::try_from(evening.photos.len()).unwrap_or(i32::MAX))
        .bind(score)
        .bind(evening.margin)
        .bind(evening.told.as_str())
        .bind(now_ms);
    query.execute(&mut **transaction).await.map_err(written(EVIDENCE))?;
    Ok(())
}

/// Notes what became of each photo, and links those that are to be linked.
async fn store_photos(
    transaction: &mut Transaction<'static, Any>,
    user_id: i64,
    evening: &EveningMatch,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    let mut by_reason: BTreeMap<String, (Reason, Vec<&FileKey>)> = BTreeMap::new();
    for (key, reason) in &evening.photos {
        by_reason.entry(word(*reason)).or_insert_with(|| (*reason, Vec::new())).1.push(key);
    }
    for (named, (reason, keys)) in by_reason {
        let decision = reason.decision();
        for chunk in keys.chunks(ROWS) {
            let values = batch::rows(chunk.len(), 5, 2, "", "");
            let sql = format!(
                "UPDATE session_photos SET evening = $2, decision = $3, reason = $4 \
                 WHERE user_id = $1 AND (provider, file_id) IN (VALUES {values})"
            );
            let query = batch::query(sql, chunk.len() == ROWS).bind(user_id);
            let query = query.bind(evening.evening.as_str()).bind(decision.name());
            let query = bind_keys(query.bind(named.clone()), chunk);
            query.execute(&mut **transaction).await.map_err(written(MEMBERS))?;
            let night = evening.night().filter(|_| decision == Decision::Auto);
            let query = if let Some(night) = night {
                let values = batch::rows(chunk.len(), 4, 2, "$1, $2, $3, 'auto', ", "");
                let sql = format!(
                    "INSERT INTO photo_links \
                     (user_id, night_id, linked_at, decided_by, provider, file_id) VALUES {values} \
                     ON CONFLICT (user_id, provider, file_id) DO UPDATE SET \
                     night_id = excluded.night_id, linked_at = excluded.linked_at \
                     WHERE photo_links.decided_by = 'auto' \
                     AND photo_links.night_id IS DISTINCT FROM excluded.night_id"
                );
                let query = batch::query(sql, chunk.len() == ROWS).bind(user_id);
                bind_keys(query.bind(night).bind(now_ms), chunk)
            } else {
                let values = batch::rows(chunk.len(), 2, 2, "", "");
                let sql = format!(
                    "DELETE FROM photo_links WHERE user_id = $1 AND decided_by = 'auto' \
                     AND (provider, file_id) IN (VALUES {values})"
                );
                bind_keys(batch::query(sql, chunk.len() == ROWS).bind(user_id), chunk)
            };
            query.execute(&mut **transaction).await.map_err(written(LINKS))?;
        }
    }
    Ok(())
}

fn bind_keys<'q>(query: batch::AnyQuery<'q>, keys: &[&FileKey]) -> batch::AnyQuery<'q> {
    keys.iter()
        .fold(query, |query, key| query.bind(key.provider.as_str()).bind(key.file_id.clone()))
}
