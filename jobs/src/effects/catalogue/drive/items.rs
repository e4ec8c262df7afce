//! Storing a page of Drive.

use std::collections::BTreeMap;

use sqlx::{Any, Transaction};

use super::{DriveItem, DriveScope, ITEMS};
use crate::effects::catalogue::batch::{self, ROWS};
use crate::effects::catalogue::error::written;
use crate::effects::catalogue::text::{NAME, capped};
use crate::effects::catalogue::{Catalogue, CatalogueError};

/// A page, and what it is a page of.
#[derive(Clone, Debug)]
pub(crate) struct DrivePage<'p> {
    /// What is there.
    pub(crate) items: Vec<DriveItem>,
    /// Of the drive that the page is of: deleted, in the trash, or out of sight.
    pub(crate) gone: Vec<String>,
    /// Not in this scope any more.
    pub(crate) left: Vec<String>,
    /// The number of the full listing.
    pub(crate) generation: i64,
    /// Where it goes on.
    pub(crate) place: Place<'p>,
}

/// Where something goes on after a page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'p> {
    /// The listing of a whole drive; without a token it has come to its end.
    Drive { drive_id: &'p str, next: Option<&'p str> },
    /// The listing of a folder, likewise.
    Folder { file_id: &'p str, next: Option<&'p str> },
    /// The changes feed of a drive.
    Changes { drive_id: &'p str, next: &'p str },
    /// Nothing was a page.
    Nowhere,
}

impl Catalogue {
    /// Stores a page, and where to go on after it.
    pub(crate) async fn record_drive_page(
        &self,
        scope: &DriveScope,
        page: &DrivePage<'_>,
    ) -> Result<(), CatalogueError> {
        self.timed("record_drive_page", Box::pin(self.store_drive_page(scope, page))).await
    }

    async fn store_drive_page(
        &self,
        scope: &DriveScope,
        page: &DrivePage<'_>,
    ) -> Result<(), CatalogueError> {
        let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
        move_on(&mut transaction, scope, page).await?;
        store(&mut transaction, scope, page).await?;
        if let Place::Changes { drive_id, .. } = page.place {
            super::gone::remove(&mut transaction, scope, drive_id, &page.gone).await?;
        }
        super::gone::leave(&mut transaction, scope, &page.left).await?;
        transaction.commit().await.map_err(CatalogueError::Commit)
    }
}

/// A write comes first: SQLite can wait for its write lock only at the beginning.
async fn move_on(
    transaction: &mut Transaction<'static, Any>,
    scope: &DriveScope,
    page: &DrivePage<'_>,
) -> Result<(), CatalogueError> {
    let (sql, table, id, next) = match page.place {
        Place::Drive { drive_id, next } => (
            "UPDATE drive_cursors SET page_token = $4, \
             listing = CASE WHEN $5 = 1 THEN 1 ELSE 0 END \
             WHERE user_id = $1 AND scope = $2 AND drive_id = $3",
            "drive_cursors",
            drive_id,
            next,
        ),
        Place::Folder { file_id, next } => (
            "UPDATE drive_items SET page_token = $4, \
             listed = CASE WHEN $5 = 1 THEN listed ELSE $6 END \
             WHERE user_id = $1 AND scope = $2 AND file_id = $3 AND kind = 'folder'",
            ITEMS,
            file_id,
            next,
        ),
        Place::Changes { drive_id, next } => (
            "UPDATE drive_cursors SET change_token = $4 \
             WHERE user_id = $1 AND scope = $2 AND drive_id = $3",
            "drive_cursors",
            drive_id,
            Some(next),
        ),
        Place::Nowhere => return Ok(()),
    };
    let mut query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder).bind(id).bind(next);
    if !matches!(page.place, Place::Changes { .. }) {
        query = query.bind(i32::from(next.is_some()));
    }
    if matches!(page.place, Place::Folder { .. }) {
        query = query.bind(page.generation);
    }
    query.execute(&mut **transaction).await.map_err(written(table))?;
    Ok(())
}

/// Inserts or updates items. One that has changed may belong to another Takeout file now.
async fn store(
    transaction: &mut Transaction<'static, Any>,
    scope: &DriveScope,
    page: &DrivePage<'_>,
) -> Result<(), CatalogueError> {
    const CONFLICT: &str = " ON CONFLICT (user_id, scope, item_id) DO UPDATE SET \
        kind = excluded.kind, file_id = excluded.file_id, drive_id = excluded.drive_id, \
        parent_id = excluded.parent_id, depth = excluded.depth, name = excluded.name, \
        facts = excluded.facts, base_rev = excluded.base_rev, \
        source_rev = CASE WHEN drive_items.base_rev = excluded.base_rev \
        THEN drive_items.source_rev ELSE excluded.base_rev END, \
        paired = CASE WHEN (drive_items.kind, drive_items.parent_id, drive_items.base_rev) = \
        (excluded.kind, excluded.parent_id, excluded.base_rev) THEN drive_items.paired ELSE 0 END, \
        generation = excluded.generation, \
        listed = CASE WHEN excluded.listed > drive_items.listed THEN excluded.listed \
        ELSE drive_items.listed END";
    // Drive may list a file twice when it is moved meanwhile: the last word counts.
    let items: BTreeMap<&str, &DriveItem> =
        page.items.iter().map(|item| (item.item_id.as_str(), item)).collect();
    let items: Vec<&DriveItem> = items.into_values().collect();
    for chunk in items.chunks(ROWS) {
        let values = batch::rows(chunk.len(), 4, 11, "$1, $2, $3, 0, NULL, ", "");
        let sql = format!(
            "INSERT INTO drive_items (user_id, scope, generation, paired, page_token, item_id, kind, file_id, \
             drive_id, parent_id, depth, name, facts, base_rev, source_rev, listed) VALUES {values}{CONFLICT}"
        );
        let mut query = batch::query(sql, chunk.len() == ROWS);
        query = query.bind(scope.user_id).bind(&scope.folder).bind(page.generation);
        for item in chunk {
            query = query
                .bind(&item.item_id)
                .bind(item.kind.as_str())
                .bind(&item.file_id)
                .bind(&item.drive_id)
                .bind(&item.parent_id)
                .bind(item.depth)
                .bind(capped(&item.name, NAME))
                .bind(&item.facts)
                .bind(&item.base_rev)
                .bind(&item.base_rev)
                .bind(if item.listed { page.generation } else { 0 });
        }
        query.execute(&mut **transaction).await.map_err(written(ITEMS))?;
    }
    Ok(())
}
