//! What the catalogue knows of the owner of photos.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{LINKS, MEMBERS};
use crate::effects::catalogue::error::unread;
use crate::effects::catalogue::photos::{FileKey, file_key, instant};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};
use crate::matching::Name;
use crate::pixels::Place;

/// The nights of a user, each found by one step in the index, however many photos each has.
const NIGHTS: &str = "WITH RECURSIVE nights (night_id) AS ( \
    SELECT MIN(night_id) FROM photo_links WHERE user_id = $1 UNION ALL \
    SELECT (SELECT MIN(l.night_id) FROM photo_links l WHERE l.user_id = $1 \
    AND l.night_id > nights.night_id) FROM nights WHERE nights.night_id IS NOT NULL) \
    SELECT n.venue_id FROM nights JOIN event_nights n ON n.night_id = nights.night_id";

impl Catalogue {
    /// Where a user was around a time, so long before and after, in the order of time.
    pub(crate) async fn path(
        &self,
        user_id: i64,
        around: DateTime<Utc>,
        span: TimeDelta,
    ) -> Result<Vec<(DateTime<Utc>, Place)>, CatalogueError> {
        self.timed("path", async {
            let sql = "SELECT m.axis_at, p.lat, p.lon FROM session_photos m JOIN photos p \
                       ON p.user_id = m.user_id AND p.provider = m.provider AND p.file_id = m.file_id \
                       WHERE m.user_id = $1 AND m.placed = 'own' AND m.axis_at BETWEEN $2 AND $3 \
                       AND p.lat IS NOT NULL AND p.lon IS NOT NULL ORDER BY m.axis_at";
            let query = sqlx::query(sql).bind(user_id);
            let query = query.bind((around - span).timestamp_millis());
            let query = query.bind((around + span).timestamp_millis());
            let rows = query.fetch_all(&self.primary).await.map_err(unread(MEMBERS))?;
            let mut path = Vec::with_capacity(rows.len());
            for row in &rows {
                let row = TableRow { table: MEMBERS, row };
                let place = Place { lat: row.get("lat")?, lon: row.get("lon")? };
                path.extend(instant(row, "axis_at")?.map(|at| (at, place)));
            }
            Ok(path)
        })
        .await
    }

    /// How many of a user's nights were at each venue.
    pub(crate) async fn visits(
        &self,
        user_id: i64,
    ) -> Result<HashMap<String, usize>, CatalogueError> {
        self.timed("visits", async {
            let rows = sqlx::query(NIGHTS).bind(user_id).fetch_all(&self.primary).await;
            let rows = rows.map_err(unread(LINKS))?;
            let mut visits = HashMap::new();
            for row in &rows {
                let venue: String = TableRow { table: LINKS, row }.get("venue_id")?;
                *visits.entry(venue).or_default() += 1;
            }
            Ok(visits)
        })
        .await
    }

    /// What a user calls venues, by venue.
    pub(crate) async fn aliases(
        &self,
        user_id: i64,
    ) -> Result<HashMap<String, Vec<Name>>, CatalogueError> {
        self.timed("aliases", async {
            let sql = "SELECT venue_id, alias FROM venue_aliases WHERE user_id = $1";
            let rows = sqlx::query(sql).bind(user_id).fetch_all(&self.primary).await;
            let rows = rows.map_err(unread("venue_aliases"))?;
            let mut aliases: HashMap<String, Vec<Name>> = HashMap::new();
            for row in &rows {
                let row = TableRow { table: "venue_aliases", row };
                let alias: &str = row.get("alias")?;
                aliases.entry(row.get("venue_id")?).or_default().push(Name::new(alias));
            }
            Ok(aliases)
        })
        .await
    }

    /// What a user has said of photos of a session: the night of each, or that it is of no show.
    pub(crate) async fn said_of(
        &self,
        user_id: i64,
        session_id: &str,
    ) -> Result<HashMap<FileKey, Option<String>>, CatalogueError> {
        self.timed("said_of", async {
            let sql = "SELECT l.provider, l.file_id, l.night_id FROM session_photos m \
                       JOIN photo_links l ON l.user_id = m.user_id AND l.provider = m.provider \
                       AND l.file_id = m.file_id WHERE m.user_id = $1 AND m.session_id = $2 \
                       AND l.decided_by <> 'auto'";
            let query = sqlx::query(sql).bind(user_id).bind(session_id);
            let rows = query.fetch_all(&self.primary).await.map_err(unread(LINKS))?;
            let said = rows.iter().map(|row| {
                let row = TableRow { table: LINKS, row };
                Ok((file_key(row)?, row.get("night_id")?))
            });
            said.collect()
        })
        .await
    }
}
