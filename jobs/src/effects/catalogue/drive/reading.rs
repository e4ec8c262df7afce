//! The photos that are to be read, page by page.

use super::{DriveScope, ITEMS};
use crate::effects::catalogue::error::unread;
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};
use crate::pixels::FINGERPRINT_VERSION;

/// A photo as listings have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedPhoto {
    pub(crate) file_id: String,
    pub(crate) name: String,
    /// JSON, as the listing wrote it.
    pub(crate) facts: String,
    pub(crate) source_rev: String,
    /// Its Takeout file, and what the listing wrote of that.
    pub(crate) sidecar: Option<(String, String)>,
}

/// Each file once: as itself, or as the first of the shortcuts that lead to it.
const ONCE: &str = "i.kind = 'photo' AND NOT EXISTS (SELECT 1 FROM drive_items o \
    WHERE o.user_id = i.user_id AND o.scope = i.scope AND o.kind = 'photo' \
    AND o.file_id = i.file_id AND i.item_id <> i.file_id \
    AND (o.item_id = o.file_id OR o.item_id < i.item_id))";

/// What was not dealt with as it is now, or could not be read.
const PENDING: &str = "NOT EXISTS (SELECT 1 FROM processed_files f WHERE f.user_id = i.user_id \
    AND f.provider = 'drive' AND f.file_id = i.file_id AND f.source_rev = i.source_rev) \
    OR EXISTS (SELECT 1 FROM photo_outcomes p WHERE p.user_id = i.user_id \
    AND p.provider = 'drive' AND p.file_id = i.file_id AND p.status = 'failed')";

/// Which photos of a scope are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Only those that have changed since they were dealt with.
    pub(crate) changed: bool,
    /// Those without a fingerprint of today's version, too.
    pub(crate) unfingerprinted: bool,
}

impl Due {
    fn condition(self) -> String {
        if !self.changed {
            return String::new();
        }
        let bare = format!(
            " OR NOT EXISTS (SELECT 1 FROM photo_fingerprints p WHERE p.user_id = i.user_id \
             AND p.provider = 'drive' AND p.file_id = i.file_id AND p.source_rev = i.source_rev \
             AND p.version = {FINGERPRINT_VERSION}) AND NOT EXISTS (SELECT 1 FROM photo_outcomes p \
             WHERE p.user_id = i.user_id AND p.provider = 'drive' AND p.file_id = i.file_id \
             AND p.status = 'refused')"
        );
        let bare = if self.unfingerprinted { bare.as_str() } else { "" };
        format!(" AND ({PENDING}{bare})")
    }
}

impl Catalogue {
    /// How many photos of a scope are to be read, on `after` another.
    pub(crate) async fn count_listed(
        &self,
        scope: &DriveScope,
        due: Due,
        after: &str,
    ) -> Result<u64, CatalogueError> {
        let pending = due.condition();
        let sql = format!(
            "SELECT COUNT(*) FROM drive_items i \
             WHERE i.user_id = $1 AND i.scope = $2 AND i.file_id > $3 AND {ONCE}{pending}"
        );
        self.timed("count_listed", async {
            let query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql));
            let query = query.bind(scope.user_id).bind(&scope.folder).bind(after.to_owned());
            let count = query.fetch_one(&self.primary).await.map_err(unread(ITEMS))?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
        .await
    }

    /// The photos of a scope that are to be read, in the order of their files' ids, on `after` another.
    pub(crate) async fn listed_photos(
        &self,
        scope: &DriveScope,
        due: Due,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ListedPhoto>, CatalogueError> {
        let pending = due.condition();
        let sql = format!(
            "SELECT i.file_id, i.name, i.facts, i.source_rev, s.file_id AS sidecar, \
             s.facts AS sidecar_facts FROM drive_items i LEFT JOIN drive_items s \
             ON s.user_id = i.user_id AND s.scope = i.scope AND s.item_id = i.sidecar_id \
             WHERE i.user_id = $1 AND i.scope = $2 AND i.file_id > $3 AND {ONCE}{pending} \
             ORDER BY i.file_id LIMIT $4"
        );
        self.timed("listed_photos", async {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql));
            let query = query.bind(scope.user_id).bind(&scope.folder).bind(after.to_owned());
            let query = query.bind(i64::try_from(limit).unwrap_or(i64::MAX));
            let rows = query.fetch_all(&self.primary).await.map_err(unread(ITEMS))?;
            let photo = |row| {
                let row = TableRow { table: ITEMS, row };
                let sidecar: Option<String> = row.get("sidecar")?;
                let facts: Option<String> = row.get("sidecar_facts")?;
                Ok(ListedPhoto {
                    file_id: row.get("file_id")?,
                    name: row.get("name")?,
                    facts: row.get("facts")?,
                    source_rev: row.get("source_rev")?,
                    sidecar: sidecar.zip(facts),
                })
            };
            rows.iter().map(photo).collect()
        })
        .await
    }
}
