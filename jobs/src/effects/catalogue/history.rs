//! All nights of which a user has photos, page by page.
//!
//! One transaction reads all pages, so that they tell of one moment, from the replica where there is one.

use std::collections::{BTreeMap, VecDeque};

use futures::TryStreamExt as _;
use sqlx::{Any, AnyPool, Transaction};

use super::error::unread;
use super::options::Backend;
use super::row::TableRow;
use super::{Catalogue, CatalogueError, batch};
use crate::matching::SongSet;

const LINKS: &str = "photo_links";
const SETLISTS: &str = "setlists";
const VARIANTS: &str = "photo_variants";
/// Nights of a page.
const PAGE: usize = 250;

/// Every night once, with no more of it than its place in the order needs.
const INDEX: &str = "SELECT p.night_id, n.local_date, v.name AS venue FROM \
    (SELECT DISTINCT night_id FROM photo_links WHERE user_id = $1 AND night_id IS NOT NULL) p \
    JOIN event_nights n ON n.night_id = p.night_id JOIN venues v ON v.venue_id = n.venue_id";

/// A night with everybody who played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NightRow {
    /// The day that it began on, `YYYY-MM-DD`.
    pub(crate) date: String,
    pub(crate) venue: String,
    pub(crate) city: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) country: Option<String>,
    /// The user's photos of it.
    pub(crate) photos: i64,
    /// Whether its user has said of one of them that it is of this night.
    pub(crate) confirmed: bool,
    /// By artist, then by setlist.
    pub(crate) shows: Vec<ShowRow>,
    /// What optimize-photo has made of starred photos, as JSON, in the order of their ids; only where it was
    /// asked for.
    pub(crate) manifests: Vec<String>,
}

/// What one artist played.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShowRow {
    pub(crate) artist: String,
    pub(crate) tour: Option<String>,
    /// How many are written down.
    pub(crate) songs: i64,
    /// `None`: read by a build that only counted them.
    pub(crate) sets: Option<Vec<SongSet>>,
    /// Its record at setlist.fm.
    pub(crate) url: String,
}

/// What is left to be read of one user.
pub(crate) struct HistoryReader<'c> {
    catalogue: &'c Catalogue,
    transaction: Transaction<'static, Any>,
    user_id: i64,
    pictures: bool,
    /// Ids, in order of date, venue and id.
    nights: VecDeque<String>,
}

impl std::fmt::Debug for HistoryReader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryReader").field("nights", &self.nights.len()).finish_non_exhaustive()
    }
}

impl Catalogue {
    /// Begins to read a user's history. `pictures`: with starred photos.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub(crate) async fn history(
        &self,
        user_id: i64,
        pictures: bool,
    ) -> Result<HistoryReader<'_>, CatalogueError> {
        self.timed("history", async {
            let mut transaction = snapshot(self.readers(), self.backend).await?;
            let mut nights = Vec::new();
            let mut rows = sqlx::query(INDEX).bind(user_id).fetch(&mut *transaction);
            while let Some(row) = rows.try_next().await.map_err(unread(LINKS))? {
                let row = TableRow { table: LINKS, row: &row };
                let (date, venue): (String, String) = (row.get("local_date")?, row.get("venue")?);
                nights.push((date, venue, row.get::<String>("night_id")?));
            }
            drop(rows);
            // Here, because databases do not agree about the order of letters.
            nights.sort_unstable();
            let nights = nights.into_iter().map(|(_, _, night)| night).collect();
            Ok(HistoryReader { catalogue: self, transaction, user_id, pictures, nights })
        })
        .await
    }
}

async fn snapshot(
    pool: &AnyPool,
    backend: Backend,
) -> Result<Transaction<'static, Any>, CatalogueError> {
    let begin = match backend {
        Backend::PostgreSql => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        // A transaction that only reads sees what was committed before its first statement.
        Backend::Sqlite => "BEGIN",
    };
    pool.begin_with(begin).await.map_err(CatalogueError::Begin)
}

impl HistoryReader<'_> {
    /// Nights that no page has told of yet.
    pub(crate) fn left(&self) -> usize {
        self.nights.len()
    }

    /// The next nights; none: that was all.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub(crate) async fn page(&mut self) -> Result<Vec<NightRow>, CatalogueError> {
        let ids: Vec<String> = self.nights.drain(..PAGE.min(self.nights.len())).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let catalogue = self.catalogue;
        catalogue
            .timed("history_page", async {
                let mut nights = self.nights_of(&ids).await?;
                self.shows_of(&ids, &mut nights).await?;
                if self.pictures {
                    self.pictures_of(&ids, &mut nights).await?;
                }
                Ok(ids.iter().filter_map(|id| nights.remove(id)).collect())
            })
            .await
    }

    async fn nights_of(
        &mut self,
        ids: &[String],
    ) -> Result<BTreeMap<String, NightRow>, CatalogueError> {
        let sql = format!(
            "SELECT n.night_id, n.local_date, v.name, v.city, v.state, v.country, p.photos, \
             p.confirmed FROM (SELECT night_id, COUNT(*) AS photos, \
             COUNT(CASE WHEN decided_by = 'user' THEN 1 END) AS confirmed FROM photo_links \
             WHERE user_id = $1 AND night_id IN ({}) GROUP BY night_id) p \
             JOIN event_nights n ON n.night_id = p.night_id \
             JOIN venues v ON v.venue_id = n.venue_id",
            batch::list(2, ids.len())
        );
        let mut nights = BTreeMap::new();
        for row in &self.rows(LINKS, sql, true, ids).await? {
            let row = TableRow { table: LINKS, row };
            let night = NightRow {
                date: row.get("local_date")?,
                venue: row.get("name")?,
                city: row.get("city")?,
                region: row.get("state")?,
                country: row.get("country")?,
                photos: row.get("photos")?,
                confirmed: row.get::<i64>("confirmed")? > 0,
                ..NightRow::default()
            };
            nights.insert(row.get("night_id")?, night);
        }
        Ok(nights)
    }

    async fn shows_of(
        &mut self,
        ids: &[String],
        nights: &mut BTreeMap<String, NightRow>,
    ) -> Result<(), CatalogueError> {
        let sql = format!(
            "SELECT s.night_id, s.setlist_id, a.name, s.tour, s.songs, s.sets, s.url \
             FROM setlists s JOIN artists a ON a.artist_id = s.artist_id \
             WHERE s.night_id IN ({}) ORDER BY s.setlist_id",
            batch::list(1, ids.len())
        );
        for row in &self.rows(SETLISTS, sql, false, ids).await? {
            let row = TableRow { table: SETLISTS, row };
            let sets: Option<String> = row.get("sets")?;
            let sets = sets.map(|sets| serde_json::from_str(&sets));
            let show = ShowRow {
                artist: row.get("name")?,
                tour: row.get("tour")?,
                songs: row.number("songs")?.unwrap_or(0),
                sets: sets.transpose().map_err(|error| row.broken("sets", error))?,
                url: row.get("url")?,
            };
            if let Some(night) = nights.get_mut(row.get::<&str>("night_id")?) {
                night.shows.push(show);
            }
        }
        for night in nights.values_mut() {
            night.shows.sort_by(|a, b| a.artist.cmp(&b.artist));
        }
        Ok(())
    }

    async fn pictures_of(
        &mut self,
        ids: &[String],
        nights: &mut BTreeMap<String, NightRow>,
    ) -> Result<(), CatalogueError> {
        let sql = format!(
            "SELECT l.night_id, v.manifest FROM photo_links l \
             JOIN photos p ON p.user_id = l.user_id AND p.provider = l.provider \
             AND p.file_id = l.file_id AND p.starred_at IS NOT NULL \
             JOIN photo_variants v ON v.user_id = p.user_id AND v.provider = p.provider \
             AND v.file_id = p.file_id AND v.source_rev = p.source_rev \
             WHERE l.user_id = $1 AND l.night_id IN ({}) ORDER BY p.photo_id",
            batch::list(2, ids.len())
        );
        for row in &self.rows(VARIANTS, sql, true, ids).await? {
            let row = TableRow { table: VARIANTS, row };
            if let Some(night) = nights.get_mut(row.get::<&str>("night_id")?) {
                night.manifests.push(row.get("manifest")?);
            }
        }
        Ok(())
    }

    async fn rows(
        &mut self,
        table: &'static str,
        sql: String,
        of_user: bool,
        ids: &[String],
    ) -> Result<Vec<sqlx::any::AnyRow>, CatalogueError> {
        let mut query = batch::query(sql, ids.len() == PAGE);
        if of_user {
            query = query.bind(self.user_id);
        }
        for id in ids {
            query = query.bind(id.as_str());
        }
        query.fetch_all(&mut *self.transaction).await.map_err(unread(table))
    }
}
