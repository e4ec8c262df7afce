//! What came of matching, in numbers.

use super::session::{ALGORITHM_VERSION, TO_MATCH};
use super::{LINKS, SESSIONS};
use crate::effects::catalogue::batch;
use crate::effects::catalogue::error::unread;
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};

/// Photos of sessions that a scan asked for and that were matched, without a night.
const UNMATCHED: &str = "SELECT COUNT(*) AS photos FROM photo_sessions s JOIN session_photos m \
    ON m.user_id = s.user_id AND m.session_id = s.session_id \
    WHERE s.user_id = $1 AND s.asked_at = $2 AND s.matched_inputs = s.inputs AND NOT EXISTS \
    (SELECT 1 FROM photo_links l WHERE l.user_id = m.user_id AND l.provider = m.provider \
    AND l.file_id = m.file_id AND l.night_id IS NOT NULL)";

/// Photos linked since then, and nights of which the user had no photo before.
const LINKED: &str = "SELECT COUNT(*) AS photos, COUNT(DISTINCT CASE WHEN NOT EXISTS \
    (SELECT 1 FROM photo_links o WHERE o.user_id = l.user_id AND o.night_id = l.night_id \
    AND o.linked_at < $2) THEN l.night_id END) AS nights FROM photo_links l \
    WHERE l.user_id = $1 AND l.linked_at >= $2 AND l.night_id IS NOT NULL \
    AND l.decided_by = 'auto'";

const OVERTAKEN: &str =
    "SELECT COUNT(*) AS scans FROM users WHERE user_id = $1 AND scan_began_at > $2";

/// The night that was linked last, with the artist of whom most was written down.
const LATEST: &str = "SELECT v.name AS venue, v.city, v.state, v.country, \
    (SELECT a.name FROM setlists s JOIN artists a ON a.artist_id = s.artist_id \
    WHERE s.night_id = n.night_id ORDER BY s.songs DESC, a.name LIMIT 1) AS artist \
    FROM photo_links l JOIN event_nights n ON n.night_id = l.night_id \
    JOIN venues v ON v.venue_id = n.venue_id \
    WHERE l.user_id = $1 AND l.linked_at >= $2 AND l.decided_by = 'auto' \
    ORDER BY l.linked_at DESC LIMIT 1";

/// Where the matching stands that a scan has asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MatchTally {
    /// Sessions that it asked for.
    pub(crate) asked: u64,
    /// Of these, those that will be matched soon.
    pub(crate) open: u64,
    /// Those that will be later, whoever asked for them.
    pub(crate) later: u64,
    /// Photos that were linked meanwhile.
    pub(crate) linked: u64,
    /// Photos that were matched and belong to no night.
    pub(crate) unmatched: u64,
    /// Another scan of the user has begun later.
    pub(crate) overtaken: bool,
    /// Nights that are new to the user.
    pub(crate) new_nights: u64,
    pub(crate) artist: Option<String>,
    pub(crate) venue: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) country: Option<String>,
}

impl Catalogue {
    /// Where the matching stands that a scan has asked for that began then and asked then.
    pub(crate) async fn match_tally(
        &self,
        user_id: i64,
        began_at: i64,
        asked_at: i64,
    ) -> Result<MatchTally, CatalogueError> {
        self.timed("match_tally", async {
            let sql = format!(
                "SELECT COUNT(CASE WHEN s.asked_at = $3 THEN 1 END) AS asked, COUNT(CASE WHEN \
                 s.asked_at = $3 AND {TO_MATCH} AND s.put_off_until IS NULL THEN 1 END) AS open, \
                 COUNT(CASE WHEN {TO_MATCH} AND s.put_off_until IS NOT NULL THEN 1 END) AS later \
                 FROM photo_sessions s WHERE s.user_id = $1"
            );
            let query =
                batch::query(sql, true).bind(user_id).bind(ALGORITHM_VERSION).bind(asked_at);
            let sessions = query.fetch_one(&self.primary).await.map_err(unread(SESSIONS))?;
            let asked = |sql| sqlx::query(sql).bind(user_id).bind(asked_at);
            let linked = asked(LINKED).fetch_one(&self.primary).await.map_err(unread(LINKS))?;
            let overtaken = sqlx::query(OVERTAKEN).bind(user_id).bind(began_at);
            let overtaken = overtaken.fetch_one(&self.primary);
            let overtaken = overtaken.await.map_err(unread("users"))?;
            let unmatched =
                asked(UNMATCHED).fetch_one(&self.primary).await.map_err(unread(LINKS))?;
            let latest =
                asked(LATEST).fetch_optional(&self.primary).await.map_err(unread(LINKS))?;
            let count = |row, column| -> Result<u64, CatalogueError> {
                Ok(TableRow { table: SESSIONS, row }.number(column)?.unwrap_or(0))
            };
            let text = |column| match &latest {
                Some(row) => TableRow { table: LINKS, row }.get(column),
                None => Ok(None),
            };
            Ok(MatchTally {
                asked: count(&sessions, "asked")?,
                open: count(&sessions, "open")?,
                later: count(&sessions, "later")?,
                linked: count(&linked, "photos")?,
                overtaken: count(&overtaken, "scans")? > 0,
                new_nights: count(&linked, "nights")?,
                unmatched: count(&unmatched, "photos")?,
                artist: text("artist")?,
                venue: text("venue")?,
                city: text("city")?,
                state: text("state")?,
                country: text("country")?,
            })
        })
        .await
    }
}
