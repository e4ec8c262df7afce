//! Which folders and shortcuts are still to be looked at.

use std::collections::HashSet;

use super::{DriveItem, DriveScope, ITEMS};
use crate::effects::catalogue::batch::{self, KEYS};
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};

/// A folder that is to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenFolder {
    pub(crate) file_id: String,
    pub(crate) drive_id: String,
    pub(crate) depth: i64,
    /// Where its listing goes on.
    pub(crate) page_token: Option<String>,
}

/// A shortcut of which nobody knows where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenShortcut {
    pub(crate) item_id: String,
    /// What it leads to.
    pub(crate) file_id: String,
    pub(crate) parent_id: String,
    pub(crate) depth: i64,
}

impl Catalogue {
    /// Folders that a full listing has seen, but not what is in them; the uppermost first.
    pub(crate) async fn open_folders(
        &self,
        scope: &DriveScope,
        generation: i64,
        limit: u32,
    ) -> Result<Vec<OpenFolder>, CatalogueError> {
        let sql = "SELECT file_id, MIN(drive_id) AS drive_id, MIN(depth) AS depth, \
                   MAX(page_token) AS page_token FROM drive_items \
                   WHERE user_id = $1 AND scope = $2 AND kind = 'folder' AND generation = $3 \
                   GROUP BY file_id HAVING MAX(listed) < $3 ORDER BY MIN(depth), file_id LIMIT $4";
        self.timed("open_folders", async {
            let query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder);
            let query = query.bind(generation).bind(i64::from(limit));
            let rows = query.fetch_all(&self.primary).await.map_err(unread(ITEMS))?;
            let folder = |row| {
                let row = TableRow { table: ITEMS, row };
                Ok(OpenFolder {
                    file_id: row.get("file_id")?,
                    drive_id: row.get("drive_id")?,
                    depth: row.get("depth")?,
                    page_token: row.get("page_token")?,
                })
            };
            rows.iter().map(folder).collect()
        })
        .await
    }

    /// Shortcuts that lead out of what was listed. Those that lead to an item of the scope are told apart
    /// first: nothing has to be asked about them.
    pub(crate) async fn open_shortcuts(
        &self,
        scope: &DriveScope,
        limit: u32,
    ) -> Result<Vec<OpenShortcut>, CatalogueError> {
        let known = "UPDATE drive_items SET kind = 'alias' \
                     WHERE user_id = $1 AND scope = $2 AND kind = 'shortcut' AND EXISTS \
                     (SELECT 1 FROM drive_items o WHERE o.user_id = $1 AND o.scope = $2 \
                     AND o.item_id = drive_items.file_id)";
        let open = "SELECT item_id, file_id, parent_id, depth FROM drive_items \
                    WHERE user_id = $1 AND scope = $2 AND kind = 'shortcut' ORDER BY item_id LIMIT $3";
        self.timed("open_shortcuts", async {
            let query = sqlx::query(known).bind(scope.user_id).bind(&scope.folder);
            query.execute(&self.primary).await.map_err(written(ITEMS))?;
            let query = sqlx::query(open).bind(scope.user_id).bind(&scope.folder);
            let rows = query.bind(i64::from(limit)).fetch_all(&self.primary).await;
            let shortcut = |row| {
                let row = TableRow { table: ITEMS, row };
                Ok(OpenShortcut {
                    item_id: row.get("item_id")?,
                    file_id: row.get("file_id")?,
                    parent_id: row.get("parent_id")?,
                    depth: row.get("depth")?,
                })
            };
            rows.map_err(unread(ITEMS))?.iter().map(shortcut).collect()
        })
        .await
    }

    /// Those of these folders whose contents belong to the scope.
    pub(crate) async fn folders_among(
        &self,
        scope: &DriveScope,
        ids: &[&str],
    ) -> Result<HashSet<String>, CatalogueError> {
        self.timed("folders_among", async {
            let mut known = HashSet::new();
            for chunk in ids.chunks(KEYS) {
                let sql = format!(
                    "SELECT DISTINCT file_id FROM drive_items WHERE user_id = $1 AND scope = $2 \
                     AND kind = 'folder' AND file_id IN ({})",
                    batch::list(3, chunk.len())
                );
                let mut query = batch::query(sql, chunk.len() == KEYS);
                query = query.bind(scope.user_id).bind(&scope.folder);
                for id in chunk {
                    query = query.bind((*id).to_owned());
                }
                for row in &query.fetch_all(&self.primary).await.map_err(unread(ITEMS))? {
                    known.insert(TableRow { table: ITEMS, row }.get("file_id")?);
                }
            }
            Ok(known)
        })
        .await
    }

    /// Photos that shortcuts lead to, of which these files are: their shortcuts' ids.
    pub(crate) async fn shortcuts_to(
        &self,
        scope: &DriveScope,
        files: &[&str],
    ) -> Result<Vec<(String, String)>, CatalogueError> {
        self.timed("shortcuts_to", async {
            let mut found = Vec::new();
            for chunk in files.chunks(KEYS) {
                let sql = format!(
                    "SELECT item_id, file_id FROM drive_items WHERE user_id = $1 AND scope = $2 \
                     AND kind = 'photo' AND item_id <> file_id AND file_id IN ({})",
                    batch::list(3, chunk.len())
                );
                let mut query = batch::query(sql, chunk.len() == KEYS);
                query = query.bind(scope.user_id).bind(&scope.folder);
                for file in chunk {
                    query = query.bind((*file).to_owned());
                }
                for row in &query.fetch_all(&self.primary).await.map_err(unread(ITEMS))? {
                    let row = TableRow { table: ITEMS, row };
                    found.push((row.get("item_id")?, row.get("file_id")?));
                }
            }
            Ok(found)
        })
        .await
    }

    /// Keeps what a shortcut leads to; none: to nothing that is a photo or a folder.
    pub(crate) async fn resolve_shortcut(
        &self,
        scope: &DriveScope,
        item_id: &str,
        target: Option<&DriveItem>,
    ) -> Result<(), CatalogueError> {
        let keep = "UPDATE drive_items SET kind = $4, name = $5, facts = $6, base_rev = $7, \
                    source_rev = $7, paired = 0 WHERE user_id = $1 AND scope = $2 AND item_id = $3";
        let drop = "DELETE FROM drive_items WHERE user_id = $1 AND scope = $2 AND item_id = $3";
        self.timed("resolve_shortcut", async {
            let sql = if target.is_some() { keep } else { drop };
            let mut query = sqlx::query(sql).bind(scope.user_id).bind(&scope.folder).bind(item_id);
            if let Some(target) = target {
                query = query.bind(target.kind.as_str()).bind(&target.name);
                query = query.bind(&target.facts).bind(&target.base_rev);
            }
            query.execute(&self.primary).await.map_err(written(ITEMS))?;
            Ok(())
        })
        .await
    }
}
