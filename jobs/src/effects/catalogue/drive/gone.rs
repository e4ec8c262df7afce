//! What is not there any more, and the photos that go with it.

use sqlx::{Any, Transaction};

use super::{DriveScope, ITEMS};
use crate::effects::catalogue::batch::{self, KEYS};
use crate::effects::catalogue::error::written;
use crate::effects::catalogue::{Catalogue, CatalogueError};

impl Catalogue {
    /// Ends a full listing: what it has not seen is gone.
    pub(crate) async fn end_drive_listing(
        &self,
        scope: &DriveScope,
        generation: i64,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let sql = [
            "UPDATE drive_scopes SET listed_at = $4 \
             WHERE user_id = $1 AND scope = $2 AND generation = $3",
            // What is nowhere in the user's Drive is in none of its folders either.
            "DELETE FROM drive_items WHERE user_id = $1 AND $2 = '' AND scope <> '' AND $4 > 0 \
             AND item_id IN (SELECT o.item_id FROM drive_items o WHERE o.user_id = $1 \
             AND o.scope = '' AND o.generation < $3)",
            "DELETE FROM drive_items WHERE user_id = $1 AND scope = $2 AND generation < $3 AND $4 > 0",
            "DELETE FROM drive_cursors WHERE user_id = $1 AND scope = $2 AND generation < $3 AND $4 > 0",
        ];
        self.timed("end_drive_listing", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            for sql in sql {
                let query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder);
                let query = query.bind(generation).bind(now_ms);
                query.execute(&mut *transaction).await.map_err(written(ITEMS))?;
            }
            transaction.commit().await.map_err(CatalogueError::Commit)
        })
        .await
    }

    /// Drops a drive that the user is no member of any more.
    pub(crate) async fn drop_drive(
        &self,
        scope: &DriveScope,
        drive_id: &str,
    ) -> Result<(), CatalogueError> {
        self.timed("drop_drive", async {
            for table in ["drive_items", "drive_cursors"] {
                let sql = format!(
                    "DELETE FROM {table} WHERE user_id = $1 AND scope = $2 AND drive_id = $3"
                );
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(scope.user_id);
                let query = query.bind(&scope.folder).bind(drive_id);
                query.execute(&self.primary).await.map_err(written(table))?;
            }
            Ok(())
        })
        .await
    }

    /// Removes the photos of a user's Drive that nothing leads to any more; answers how many.
    pub(crate) async fn drop_lost_photos(&self, user_id: i64) -> Result<u64, CatalogueError> {
        self.timed("drop_lost_photos", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            let mut dropped = 0;
            for table in ["photos", "processed_files", "photo_outcomes"] {
                // As sets: SQLite would look all items through for every photo.
                let sql = format!(
                    "DELETE FROM {table} WHERE user_id = $1 AND provider = 'drive' AND file_id IN \
                     (SELECT file_id FROM {table} WHERE user_id = $1 AND provider = 'drive' EXCEPT \
                     SELECT file_id FROM drive_items WHERE user_id = $1 AND kind = 'photo')"
                );
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(user_id);
                let done = query.execute(&mut *transaction).await.map_err(written(table))?;
                if table == "photos" {
                    dropped = done.rows_affected();
                }
            }
            transaction.commit().await.map_err(CatalogueError::Commit)?;
            Ok(dropped)
        })
        .await
    }
}

/// Removes items of one drive with all that is below them, from all scopes. One that is in another drive
/// by now was moved there, and stays.
pub(super) async fn remove(
    transaction: &mut Transaction<'static, Any>,
    scope: &DriveScope,
    drive_id: &str,
    ids: &[String],
) -> Result<(), CatalogueError> {
    for chunk in ids.chunks(KEYS) {
        let keys = batch::list(3, chunk.len());
        let roots = format!("r.drive_id = $2 AND r.item_id IN ({keys})");
        fell(transaction, scope.user_id, drive_id, &roots, chunk).await?;
        // What led to them leads to nothing that is known.
        let sql = format!(
            "UPDATE drive_items SET kind = 'shortcut' WHERE user_id = $1 AND item_id <> file_id \
             AND drive_id >= '' AND $2 >= '' AND file_id IN ({keys}) AND NOT EXISTS \
             (SELECT 1 FROM drive_items o WHERE o.user_id = $1 AND o.scope = drive_items.scope \
             AND o.item_id = drive_items.file_id)"
        );
        run(transaction, sql, scope.user_id, drive_id, chunk).await?;
    }
    Ok(())
}

/// Removes items with all that is below them from one scope.
pub(super) async fn leave(
    transaction: &mut Transaction<'static, Any>,
    scope: &DriveScope,
    ids: &[String],
) -> Result<(), CatalogueError> {
    for chunk in ids.chunks(KEYS) {
        let roots = format!("r.scope = $2 AND r.item_id IN ({})", batch::list(3, chunk.len()));
        fell(transaction, scope.user_id, &scope.folder, &roots, chunk).await?;
    }
    Ok(())
}

/// Removes the items that `roots` names, and all below them.
async fn fell(
    transaction: &mut Transaction<'static, Any>,
    user_id: i64,
    second: &str,
    roots: &str,
    ids: &[String],
) -> Result<(), CatalogueError> {
    // What is below a folder that a shortcut led to stays as long as anything else leads to it.
    let gone = format!(
        "WITH RECURSIVE gone (scope, item_id, file_id, parent_id) AS \
         (SELECT r.scope, r.item_id, r.file_id, r.parent_id FROM drive_items r \
         WHERE r.user_id = $1 AND {roots} UNION \
         SELECT i.scope, i.item_id, i.file_id, i.parent_id FROM drive_items i JOIN gone g \
         ON i.scope = g.scope AND i.parent_id = g.file_id WHERE i.user_id = $1 AND NOT EXISTS \
         (SELECT 1 FROM drive_items o WHERE o.user_id = $1 AND o.scope = g.scope \
         AND o.kind = 'folder' AND o.file_id = g.file_id AND o.item_id <> g.item_id))"
    );
    let siblings = format!(
        "{gone} UPDATE drive_items SET paired = 0 WHERE user_id = $1 AND kind = 'photo' \
         AND (scope, parent_id) IN (SELECT scope, parent_id FROM gone)"
    );
    let remove = format!(
        "{gone} DELETE FROM drive_items WHERE user_id = $1 \
         AND (scope, item_id) IN (SELECT scope, item_id FROM gone)"
    );
    for sql in [siblings, remove] {
        run(transaction, sql, user_id, second, ids).await?;
    }
    Ok(())
}

async fn run(
    transaction: &mut Transaction<'static, Any>,
    sql: String,
    user_id: i64,
    second: &str,
    ids: &[String],
) -> Result<(), CatalogueError> {
    let mut query = batch::query(sql, ids.len() == KEYS).bind(user_id).bind(second.to_owned());
    for id in ids {
        query = query.bind(id.clone());
    }
    query.execute(&mut **transaction).await.map_err(written(ITEMS))?;
    Ok(())
}
