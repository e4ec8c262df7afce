//! Counts for a report on one user's photos.

use sqlx::any::AnyRow;

use super::row::TableRow;
use super::scanned::OutcomeStatus;
use super::{Catalogue, CatalogueError};

/// One user's photos in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueSummary {
    /// Photos in the catalogue.
    pub photos: i64,
    /// The same by format, the most frequent first; `unknown` where none is known.
    pub by_format: Vec<(String, i64)>,
    /// Photos of which at least the wall-clock time is known.
    pub with_time: i64,
    /// Photos of which the place is known.
    pub with_place: i64,
    /// Files catalogued with a note.
    pub flawed: i64,
    /// Files not catalogued.
    pub refused: i64,
    /// Files that could not be read.
    pub failed: i64,
    /// The most frequent reasons for these three.
    pub reasons: Vec<OutcomeCount>,
}

/// How many files share a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeCount {
    /// What became of them.
    pub status: OutcomeStatus,
    /// Why.
    pub reason: String,
    /// How many.
    pub files: i64,
}

impl Catalogue {
    /// One user's photos in numbers, with the `reasons` most frequent reasons. The numbers are
    /// not from one instant if a scan is running.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn summary(
        &self,
        user_id: i64,
        reasons: u32,
    ) -> Result<CatalogueSummary, CatalogueError> {
        let photos = "SELECT COALESCE(format, 'unknown') AS format, COUNT(*) AS photos, \
                      COUNT(CASE WHEN taken_local IS NOT NULL OR taken_at IS NOT NULL THEN 1 END) \
                      AS with_time, \
                      COUNT(lat) AS with_place FROM photos WHERE user_id = $1 \
                      GROUP BY COALESCE(format, 'unknown') ORDER BY photos DESC, format";
        let statuses = "SELECT status, COUNT(*) AS files FROM photo_outcomes WHERE user_id = $1 \
                        GROUP BY status";
        let frequent = "SELECT status, reason, COUNT(*) AS files FROM photo_outcomes \
                        WHERE user_id = $1 GROUP BY status, reason \
                        ORDER BY files DESC, status, reason LIMIT $2";
        self.timed("summary", async {
            let mut summary = CatalogueSummary::default();
            for row in &self.counts("photos", sqlx::query(photos).bind(user_id)).await? {
                summary.add_format(TableRow { table: "photos", row })?;
            }
            let table = "photo_outcomes";
            for row in &self.counts(table, sqlx::query(statuses).bind(user_id)).await? {
                summary.add_status(TableRow { table, row })?;
            }
            let frequent = sqlx::query(frequent).bind(user_id).bind(i64::from(reasons));
            for row in &self.counts(table, frequent).await? {
                summary.add_reason(TableRow { table, row })?;
            }
            Ok(summary)
        })
        .await
    }

    async fn counts(
        &self,
        table: &'static str,
        query: super::batch::AnyQuery<'_>,
    ) -> Result<Vec<AnyRow>, CatalogueError> {
        let rows = query.fetch_all(self.readers()).await;
        rows.map_err(|source| CatalogueError::Read { table, source })
    }
}

impl CatalogueSummary {
    fn add_format(&mut self, row: TableRow<'_>) -> Result<(), CatalogueError> {
        let photos: i64 = row.get("photos")?;
        self.photos += photos;
        self.with_time += row.get::<i64>("with_time")?;
        self.with_place += row.get::<i64>("with_place")?;
        self.by_format.push((row.get("format")?, photos));
        Ok(())
    }

    fn add_status(&mut self, row: TableRow<'_>) -> Result<(), CatalogueError> {
        let files = row.get("files")?;
        match row.parse("status", OutcomeStatus::parse)? {
            OutcomeStatus::Flawed => self.flawed = files,
            OutcomeStatus::Refused => self.refused = files,
            OutcomeStatus::Failed => self.failed = files,
        }
        Ok(())
    }

    fn add_reason(&mut self, row: TableRow<'_>) -> Result<(), CatalogueError> {
        self.reasons.push(OutcomeCount {
            status: row.parse("status", OutcomeStatus::parse)?,
            reason: row.get("reason")?,
            files: row.get("files")?,
        });
        Ok(())
    }
}
