//! What is shown instead of a photo's original.

use super::photos::FileKey;
use super::row::TableRow;
use super::text::{LABEL, capped};
use super::{Catalogue, CatalogueError};

const TABLE: &str = "photo_variants";

/// The variants of one photo, as they were made last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVariants {
    /// The revision of the photo that they were made from.
    pub source_rev: String,
    /// Stands for what was asked for.
    pub recipe: String,
    /// JSON: objects, `srcset` and placeholder.
    pub manifest: String,
}

/// A starred photo of which variants are to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StarredPhoto {
    pub(crate) photo_id: String,
    pub(crate) source_rev: String,
}

impl Catalogue {
    /// Starred photos in a user's Drive that have no variants as they are now, in the order of their ids,
    /// on `after` another.
    pub(crate) async fn starred_without_variants(
        &self,
        user_id: i64,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StarredPhoto>, CatalogueError> {
        let sql = "SELECT photo_id, source_rev FROM photos p WHERE user_id = $1 \
                   AND provider = 'drive' AND starred_at IS NOT NULL AND photo_id > $2 \
                   AND NOT EXISTS (SELECT 1 FROM photo_variants v WHERE v.user_id = p.user_id \
                   AND v.provider = p.provider AND v.file_id = p.file_id \
                   AND v.source_rev = p.source_rev) ORDER BY photo_id LIMIT $3";
        self.timed("starred_without_variants", async {
            let query = sqlx::query(sql).bind(user_id).bind(after).bind(i64::from(limit));
            let rows = query.fetch_all(&self.primary).await;
            let rows = rows.map_err(|source| CatalogueError::Read { table: "photos", source })?;
            let starred = |row| {
                let row = TableRow { table: "photos", row };
                Ok(StarredPhoto {
                    photo_id: row.get("photo_id")?,
                    source_rev: row.get("source_rev")?,
                })
            };
            rows.iter().map(starred).collect()
        })
        .await
    }

    /// The variants that were made of a photo last.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn variants(
        &self,
        user_id: i64,
        photo: &FileKey,
    ) -> Result<Option<StoredVariants>, CatalogueError> {
        let sql = "SELECT source_rev, recipe, manifest FROM photo_variants \
                   WHERE user_id = $1 AND provider = $2 AND file_id = $3";
        self.timed("variants", async {
            let query =
                sqlx::query(sql).bind(user_id).bind(photo.provider.as_str()).bind(&photo.file_id);
            // From the primary: what a lagging replica lacks would be made again.
            let row = query.fetch_optional(&self.primary).await;
            let row = row.map_err(|source| CatalogueError::Read { table: TABLE, source })?;
            row.map(|row| {
                let row = TableRow { table: TABLE, row: &row };
                Ok(StoredVariants {
                    source_rev: row.get("source_rev")?,
                    recipe: row.get("recipe")?,
                    manifest: row.get("manifest")?,
                })
            })
            .transpose()
        })
        .await
    }

    /// Keeps the variants of a photo in place of those before, unless the photo has gone or has changed
    /// since: answers whether they were kept. `now_ms` is in Unix milliseconds.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn record_variants(
        &self,
        user_id: i64,
        photo: &FileKey,
        variants: &StoredVariants,
        now_ms: i64,
    ) -> Result<bool, CatalogueError> {
        // PostgreSQL would take a bare placeholder in a select list for text.
        let sql = "INSERT INTO photo_variants \
                   (user_id, provider, file_id, source_rev, recipe, manifest, created_at) \
                   SELECT user_id, provider, file_id, source_rev, CAST($5 AS TEXT), \
                   CAST($6 AS TEXT), CAST($7 AS BIGINT) FROM photos \
                   WHERE user_id = $1 AND provider = $2 AND file_id = $3 AND source_rev = $4 \
                   ON CONFLICT (user_id, provider, file_id) DO UPDATE SET \
                   source_rev = excluded.source_rev, recipe = excluded.recipe, \
                   manifest = excluded.manifest, created_at = excluded.created_at";
        self.timed("record_variants", async {
            let done = sqlx::query(sql)
                .bind(user_id)
                .bind(photo.provider.as_str())
                .bind(&photo.file_id)
                .bind(capped(&variants.source_rev, LABEL))
                .bind(&variants.recipe)
                .bind(&variants.manifest)
                .bind(now_ms)
                .execute(&self.primary)
                .await;
            let done = done.map_err(|source| CatalogueError::Write { table: TABLE, source })?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }
}
