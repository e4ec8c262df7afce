//! Which Takeout file belongs to which photo, folder by folder.

use super::{DriveScope, ITEMS, ItemKind};
use crate::effects::catalogue::batch::{self, ROWS};
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};

/// A photo or Takeout file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) item_id: String,
    pub(crate) kind: ItemKind,
    pub(crate) name: String,
    pub(crate) base_rev: String,
}

impl Catalogue {
    /// A folder in which there are Takeout files, and something has changed.
    pub(crate) async fn unpaired_folder(
        &self,
        scope: &DriveScope,
    ) -> Result<Option<String>, CatalogueError> {
        // From the Takeout files on: most folders have none.
        let sql = "SELECT parent_id FROM drive_items s WHERE user_id = $1 AND scope = $2 \
                   AND kind = 'sidecar' AND EXISTS (SELECT 1 FROM drive_items i \
                   WHERE i.user_id = $1 AND i.scope = $2 AND i.parent_id = s.parent_id \
                   AND i.paired = 0 AND i.kind IN ('photo', 'sidecar')) LIMIT 1";
        self.timed("unpaired_folder", async {
            let query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder);
            let row = query.fetch_optional(&self.primary).await.map_err(unread(ITEMS))?;
            row.map(|row| TableRow { table: ITEMS, row: &row }.get("parent_id")).transpose()
        })
        .await
    }

    /// The photos and Takeout files of a folder.
    pub(crate) async fn names_in(
        &self,
        scope: &DriveScope,
        folder: &str,
    ) -> Result<Vec<Named>, CatalogueError> {
        let sql = "SELECT item_id, kind, name, base_rev FROM drive_items WHERE user_id = $1 \
                   AND scope = $2 AND parent_id = $3 AND kind IN ('photo', 'sidecar') \
                   ORDER BY item_id";
        self.timed("names_in", async {
            let query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder).bind(folder);
            let rows = query.fetch_all(&self.primary).await.map_err(unread(ITEMS))?;
            let named = |row| {
                let row = TableRow { table: ITEMS, row };
                Ok(Named {
                    item_id: row.get("item_id")?,
                    kind: row.parse("kind", ItemKind::parse)?,
                    name: row.get("name")?,
                    base_rev: row.get("base_rev")?,
                })
            };
            rows.iter().map(named).collect()
        })
        .await
    }

    /// Keeps which photo of a folder has which Takeout file; the others have none.
    pub(crate) async fn record_pairs(
        &self,
        scope: &DriveScope,
        folder: &str,
        pairs: &[(&Named, &Named)],
    ) -> Result<(), CatalogueError> {
        let alone = "UPDATE drive_items SET paired = 1, sidecar_id = NULL, source_rev = base_rev \
                     WHERE user_id = $1 AND scope = $2 AND parent_id = $3";
        self.timed("record_pairs", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            let query = sqlx::query(alone).bind(scope.user_id).bind(&scope.folder).bind(folder);
            query.execute(&mut *transaction).await.map_err(written(ITEMS))?;
            for chunk in pairs.chunks(ROWS) {
                // Both databases call the columns of a list of values so.
                let sql = format!(
                    "UPDATE drive_items SET sidecar_id = pairs.column2, source_rev = pairs.column3 \
                     FROM (VALUES {}) AS pairs WHERE drive_items.user_id = $1 \
                     AND drive_items.scope = $2 AND drive_items.item_id = pairs.column1",
                    batch::rows(chunk.len(), 3, 3, "", "")
                );
                let mut query = batch::query(sql, chunk.len() == ROWS);
                query = query.bind(scope.user_id).bind(&scope.folder);
                for (photo, sidecar) in chunk {
                    let revision = format!("{}+{}", photo.base_rev, sidecar.base_rev);
                    query = query.bind(&photo.item_id).bind(&sidecar.item_id).bind(revision);
                }
                query.execute(&mut *transaction).await.map_err(written(ITEMS))?;
            }
            transaction.commit().await.map_err(CatalogueError::Commit)
        })
        .await
    }

    /// Ends the pairing: where there are no Takeout files, no photo has one.
    pub(crate) async fn end_pairing(&self, scope: &DriveScope) -> Result<(), CatalogueError> {
        let sql = "UPDATE drive_items SET paired = 1, sidecar_id = NULL, source_rev = base_rev \
                   WHERE user_id = $1 AND scope = $2 AND paired = 0";
        self.timed("end_pairing", async {
            let query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder);
            query.execute(&self.primary).await.map_err(written(ITEMS))?;
            Ok(())
        })
        .await
    }
}
