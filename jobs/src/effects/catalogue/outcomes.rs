//! What was said about files to their owners.

use super::photos::{FileKey, file_key, page_start};
use super::row::TableRow;
use super::scanned::{Note, OutcomeStatus};
use super::{Catalogue, CatalogueError};

/// What there is to say about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoOutcome {
    /// Which file; ids above 1,024 bytes are shortened.
    pub key: FileKey,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub status: OutcomeStatus,
    /// Why, and what to do.
    pub note: Note,
    /// The job that found out.
    pub job_id: String,
    /// When, in Unix milliseconds.
    pub at: i64,
}

impl Catalogue {
    /// A user's files about which there is something to say, at most `limit`, in the order of
    /// their keys, from the first or on `after` another.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn photo_outcomes(
        &self,
        user_id: i64,
        after: Option<&FileKey>,
        limit: u32,
    ) -> Result<Vec<PhotoOutcome>, CatalogueError> {
        const TABLE: &str = "photo_outcomes";
        let sql = "SELECT provider, file_id, name, status, reason, hint, job_id, at \
                   FROM photo_outcomes WHERE user_id = $1 AND (provider, file_id) > ($2, $3) \
                   ORDER BY provider, file_id LIMIT $4";
        self.timed("photo_outcomes", async {
            let (provider, file_id) = page_start(after);
            let rows = sqlx::query(sql)
                .bind(user_id)
                .bind(provider)
                .bind(file_id)
                .bind(i64::from(limit))
                .fetch_all(self.readers())
                .await
                .map_err(|source| CatalogueError::Read { table: TABLE, source })?;
            rows.iter().map(|row| outcome(TableRow { table: TABLE, row })).collect()
        })
        .await
    }
}

fn outcome(row: TableRow<'_>) -> Result<PhotoOutcome, CatalogueError> {
    Ok(PhotoOutcome {
        key: file_key(row)?,
        name: row.get("name")?,
        status: row.parse("status", OutcomeStatus::parse)?,
        note: Note { reason: row.get("reason")?, hint: row.get("hint")? },
        job_id: row.get("job_id")?,
        at: row.get("at")?,
    })
}
