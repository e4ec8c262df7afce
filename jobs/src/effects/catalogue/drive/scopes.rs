//! Full listings, and where each drive's changes feed goes on.

use super::DriveScope;
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError, users};

const SCOPES: &str = "drive_scopes";
const CURSORS: &str = "drive_cursors";

/// The last full listing of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Its number.
    pub(crate) generation: i64,
    /// Whether it came to its end.
    pub(crate) ended: bool,
}

/// Where a drive's listing and changes feed go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriveCursor {
    /// Empty: the user's own.
    pub(crate) drive_id: String,
    pub(crate) change_token: String,
    /// The full listing that it was taken for.
    pub(crate) generation: i64,
    /// Whether the drive is listed as a whole, and not to its end yet.
    pub(crate) listing: bool,
    pub(crate) page_token: Option<String>,
}

impl Catalogue {
    /// The last full listing of a scope; none: there was none.
    pub(crate) async fn drive_listing(
        &self,
        scope: &DriveScope,
    ) -> Result<Option<Listing>, CatalogueError> {
        let sql =
            "SELECT generation, listed_at FROM drive_scopes WHERE user_id = $1 AND scope = $2";
        self.timed("drive_listing", async {
            let query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder);
            let row = query.fetch_optional(&self.primary).await.map_err(unread(SCOPES))?;
            row.map(|row| {
                let row = TableRow { table: SCOPES, row: &row };
                let listed_at: Option<i64> = row.get("listed_at")?;
                Ok(Listing { generation: row.get("generation")?, ended: listed_at.is_some() })
            })
            .transpose()
        })
        .await
    }

    /// Begins a full listing; answers its number.
    pub(crate) async fn begin_drive_listing(
        &self,
        scope: &DriveScope,
        now_ms: i64,
    ) -> Result<i64, CatalogueError> {
        let begin = "INSERT INTO drive_scopes (user_id, scope, generation, listed_at) \
                     VALUES ($1, $2, 1, NULL) ON CONFLICT (user_id, scope) DO UPDATE SET \
                     generation = drive_scopes.generation + 1, listed_at = NULL";
        let again = "UPDATE drive_items SET page_token = NULL \
                     WHERE user_id = $1 AND scope = $2 AND page_token IS NOT NULL";
        self.timed("begin_drive_listing", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            users::ensure(&mut transaction, scope.user_id, now_ms).await?;
            for (sql, table) in [(begin, SCOPES), (again, super::ITEMS)] {
                let query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder);
                query.execute(&mut *transaction).await.map_err(written(table))?;
            }
            transaction.commit().await.map_err(CatalogueError::Commit)
        })
        .await?;
        Ok(self.drive_listing(scope).await?.map_or(1, |listing| listing.generation))
    }

    /// All drives of a scope, the user's own first.
    pub(crate) async fn drive_cursors(
        &self,
        scope: &DriveScope,
    ) -> Result<Vec<DriveCursor>, CatalogueError> {
        let sql = "SELECT * FROM drive_cursors WHERE user_id = $1 AND scope = $2 ORDER BY drive_id";
        self.timed("drive_cursors", async {
            let query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder);
            let rows = query.fetch_all(&self.primary).await.map_err(unread(CURSORS))?;
            let cursor = |row| {
                let row = TableRow { table: CURSORS, row };
                let listing: i32 = row.get("listing")?;
                Ok(DriveCursor {
                    drive_id: row.get("drive_id")?,
                    change_token: row.get("change_token")?,
                    generation: row.get("generation")?,
                    listing: listing == 1,
                    page_token: row.get("page_token")?,
                })
            };
            rows.iter().map(cursor).collect()
        })
        .await
    }

    /// Keeps where a drive's changes feed stood before anything of it was listed.
    pub(crate) async fn open_drive_cursor(
        &self,
        scope: &DriveScope,
        cursor: &DriveCursor,
    ) -> Result<(), CatalogueError> {
        let sql = "INSERT INTO drive_cursors \
                   (user_id, scope, drive_id, change_token, generation, listing, page_token) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (user_id, scope, drive_id) \
                   DO UPDATE SET change_token = excluded.change_token, \
                   generation = excluded.generation, listing = excluded.listing, \
                   page_token = excluded.page_token";
        self.timed("open_drive_cursor", async {
            sqlx::query(sql)
                .bind(scope.user_id)
                .bind(&scope.folder)
                .bind(&cursor.drive_id)
                .bind(&cursor.change_token)
                .bind(cursor.generation)
                .bind(i32::from(cursor.listing))
                .bind(cursor.page_token.as_deref())
                .execute(&self.primary)
                .await
                .map_err(written(CURSORS))?;
            Ok(())
        })
        .await
    }
}
