//! What photos are called outside the catalogue: in payloads and by web tiers.

use super::batch::{self, ROWS};
use super::photos::{CataloguedPhoto, file_key, photo};
use super::row::TableRow;
use super::scanned::Provider;
use super::text::sha256_hex;
use super::{Catalogue, CatalogueError};

const TABLE: &str = "photos";

/// The photo's id: 128 bits of a hash of its key, in hexadecimal. It tells nothing of the file's name,
/// needs nobody to give it out, and is the same after the row was removed and found again.
pub(super) fn photo_id(user_id: i64, provider: Provider, key: &str) -> String {
    let mut id = sha256_hex(&[&user_id.to_string(), provider.as_str(), key]);
    id.truncate(32);
    id
}

impl Catalogue {
    /// One photo of a user, as its [`CataloguedPhoto::photo_id`] names it.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn photo(
        &self,
        user_id: i64,
        photo_id: &str,
    ) -> Result<Option<CataloguedPhoto>, CatalogueError> {
        self.timed("photo", async {
            let query = sqlx::query("SELECT * FROM photos WHERE user_id = $1 AND photo_id = $2");
            // From the primary: the photo may have been scanned just now.
            let row = query.bind(user_id).bind(photo_id).fetch_optional(&self.primary).await;
            let row = row.map_err(|source| CatalogueError::Read { table: TABLE, source })?;
            row.map(|row| photo(TableRow { table: TABLE, row: &row })).transpose()
        })
        .await
    }

    /// Gives their ids to photos that a build before them has written; answers how many.
    ///
    /// # Errors
    /// [`CatalogueError::Read`], [`CatalogueError::Decode`] or [`CatalogueError::Write`].
    pub async fn name_photos(&self) -> Result<u64, CatalogueError> {
        self.timed("name_photos", async {
            let mut named = 0;
            loop {
                match self.name_some().await? {
                    0 => return Ok(named),
                    some => named += some,
                }
            }
        })
        .await
    }

    async fn name_some(&self) -> Result<u64, CatalogueError> {
        let sql = "SELECT user_id, provider, file_id FROM photos WHERE photo_id IS NULL LIMIT $1";
        let rows = sqlx::query(sql).bind(i64::try_from(ROWS).unwrap_or(1));
        let rows = rows.fetch_all(&self.primary).await;
        let rows = rows.map_err(|source| CatalogueError::Read { table: TABLE, source })?;
        if rows.is_empty() {
            return Ok(0);
        }
        // Both databases call the columns of a list of values so.
        let sql = format!(
            "UPDATE photos SET photo_id = named.column4 FROM (VALUES {}) AS named \
             WHERE photos.user_id = named.column1 AND photos.provider = named.column2 \
             AND photos.file_id = named.column3",
            batch::rows(rows.len(), 1, 4, "", "")
        );
        let mut query = batch::query(sql, rows.len() == ROWS);
        for row in &rows {
            let row = TableRow { table: TABLE, row };
            let user_id: i64 = row.get("user_id")?;
            let key = file_key(row)?;
            let id = photo_id(user_id, key.provider, &key.file_id);
            query = query.bind(user_id).bind(key.provider.as_str()).bind(key.file_id).bind(id);
        }
        let done = query.execute(&self.primary).await;
        let done = done.map_err(|source| CatalogueError::Write { table: TABLE, source })?;
        Ok(done.rows_affected())
    }
}
