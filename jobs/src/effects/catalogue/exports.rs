//! Files that users have asked for.

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use super::error::{unread, written};
use super::row::TableRow;
use super::{Catalogue, CatalogueError, users};

const TABLE: &str = "exports";

/// How far an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportState {
    /// Its job has begun.
    Making,
    /// The file is there.
    Ready,
    /// The file has gone.
    Removed,
}

/// An export, as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Whose it is.
    pub user_id: i64,
    /// The web tier's name for it.
    pub export_id: String,
    /// `csv`, `json` or `pdf`.
    pub format: String,
    /// How far it is.
    pub state: ExportState,
    /// Where the file is, or will be.
    pub bucket: String,
    /// The file's key.
    pub key: String,
    /// Its size, once it is ready.
    pub bytes: Option<i64>,
    /// SHA-256 of the file in hexadecimal, once it is ready.
    pub sha256: Option<String>,
    /// Rows of a CSV: one per event night and setlist.
    pub shows: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// When the file is removed, in Unix milliseconds.
    pub expires_at: i64,
}

/// An export that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExportOrder<'o> {
    pub(crate) user_id: i64,
    pub(crate) export_id: &'o str,
    pub(crate) format: &'o str,
    pub(crate) bucket: &'o str,
    pub(crate) key: &'o str,
    /// When its file is removed, in Unix milliseconds.
    pub(crate) expires_ms: i64,
}

/// What has been made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MadeExport<'m> {
    pub(crate) bytes: u64,
    pub(crate) sha256: &'m str,
    pub(crate) shows: u64,
}

impl Catalogue {
    /// Notes that an export is being made, unless that is known; answers what is known of it then.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Write`, `Read`, `Decode` or `Commit`.
    pub(crate) async fn begin_export(
        &self,
        order: ExportOrder<'_>,
        now_ms: i64,
    ) -> Result<Export, CatalogueError> {
        let sql = "INSERT INTO exports (user_id, export_id, format, state, bucket, object_key, \
                   created_at, expires_at) VALUES ($1, $2, $3, 'making', $4, $5, $6, $7) \
                   ON CONFLICT (user_id, export_id) DO NOTHING";
        self.timed("begin_export", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            users::ensure(&mut transaction, order.user_id, now_ms).await?;
            let query = sqlx::query(sql).bind(order.user_id).bind(order.export_id);
            let query = query.bind(order.format).bind(order.bucket).bind(order.key);
            let query = query.bind(now_ms).bind(order.expires_ms);
            query.execute(&mut *transaction).await.map_err(written(TABLE))?;
            let known = "SELECT * FROM exports WHERE user_id = $1 AND export_id = $2";
            let query = sqlx::query(known).bind(order.user_id).bind(order.export_id);
            let row = query.fetch_one(&mut *transaction).await.map_err(unread(TABLE))?;
            transaction.commit().await.map_err(CatalogueError::Commit)?;
            export(&row)
        })
        .await
    }

    /// Notes that the file is there. Answers none when it is not wanted any more: its row has gone with its
    /// user, or the file counts as removed.
    ///
    /// # Errors
    /// [`CatalogueError::Write`] or `Decode`.
    pub(crate) async fn finish_export(
        &self,
        order: ExportOrder<'_>,
        made: MadeExport<'_>,
        now_ms: i64,
    ) -> Result<Option<Export>, CatalogueError> {
        let sql = "UPDATE exports SET state = 'ready', bytes = $3, sha256 = $4, shows = $5, \
                   ready_at = $6, expires_at = $7 WHERE user_id = $1 AND export_id = $2 \
                   AND state <> 'removed' RETURNING *";
        self.timed("finish_export", async {
            let query = sqlx::query(sql).bind(order.user_id).bind(order.export_id);
            let query = query.bind(i64::try_from(made.bytes).unwrap_or(i64::MAX));
            let query = query.bind(made.sha256);
            let query = query.bind(i64::try_from(made.shows).unwrap_or(i64::MAX)).bind(now_ms);
            let query = query.bind(order.expires_ms).fetch_optional(&self.primary);
            query.await.map_err(written(TABLE))?.as_ref().map(export).transpose()
        })
        .await
    }

    /// All exports of a user, the newest first.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn exports(&self, user_id: i64) -> Result<Vec<Export>, CatalogueError> {
        let sql = "SELECT * FROM exports WHERE user_id = $1 ORDER BY created_at DESC, export_id";
        self.timed("exports", async {
            let rows = sqlx::query(sql).bind(user_id).fetch_all(&self.primary).await;
            rows.map_err(unread(TABLE))?.iter().map(export).collect()
        })
        .await
    }

    /// Exports whose time is over and whose files have not been removed, the oldest first.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn expired_exports(
        &self,
        now_ms: i64,
        limit: u32,
    ) -> Result<Vec<Export>, CatalogueError> {
        let sql = "SELECT * FROM exports WHERE expires_at <= $1 AND state <> 'removed' \
                   ORDER BY expires_at, user_id, export_id LIMIT $2";
        self.timed("expired_exports", async {
            let query = sqlx::query(sql).bind(now_ms).bind(i64::from(limit));
            let rows = query.fetch_all(&self.primary).await;
            rows.map_err(unread(TABLE))?.iter().map(export).collect()
        })
        .await
    }

    /// Notes that the file of an export has gone, unless it was made anew since `export` was read.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn export_removed(&self, export: &Export) -> Result<(), CatalogueError> {
        let sql = "UPDATE exports SET state = 'removed' WHERE user_id = $1 AND export_id = $2 \
                   AND expires_at = $3";
        self.timed("export_removed", async {
            let query = sqlx::query(sql).bind(export.user_id).bind(&export.export_id);
            let query = query.bind(export.expires_at).execute(&self.primary);
            query.await.map_err(written(TABLE))?;
            Ok(())
        })
        .await
    }
}

fn export(row: &AnyRow) -> Result<Export, CatalogueError> {
    let row = TableRow { table: TABLE, row };
    Ok(Export {
        user_id: row.get("user_id")?,
        export_id: row.get("export_id")?,
        format: row.get("format")?,
        state: row.word("state")?,
        bucket: row.get("bucket")?,
        key: row.get("object_key")?,
        bytes: row.get("bytes")?,
        sha256: row.get("sha256")?,
        shows: row.get("shows")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
    })
}
