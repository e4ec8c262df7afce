//! Which files were dealt with, in which revision.

use std::collections::HashMap;

use sqlx::{Any, Transaction};

use super::batch::{self, KEYS, ROWS};
use super::page::{Page, Scan};
use super::row::TableRow;
use super::scanned::Provider;
use super::text::{self, LABEL, capped};
use super::{Catalogue, CatalogueError};
use crate::pixels::FINGERPRINT_VERSION;

const TABLE: &str = "processed_files";

impl Catalogue {
    /// The revisions of those of these files that were dealt with, so that unchanged ones can be
    /// skipped. Files that could not be read then are left out, and so are photos without a
    /// fingerprint of today's version where one is wanted.
    ///
    /// # Errors
    /// [`CatalogueError::Read`].
    pub async fn known_revisions(
        &self,
        user_id: i64,
        provider: Provider,
        file_ids: &[String],
        fingerprint: bool,
    ) -> Result<HashMap<String, String>, CatalogueError> {
        self.timed("known_revisions", async {
            let mut known = HashMap::with_capacity(file_ids.len());
            for chunk in file_ids.chunks(KEYS) {
                let mut ids: HashMap<_, _> = chunk.iter().map(|id| (text::key(id), id)).collect();
                for (key, revision) in self.revisions(user_id, provider, &ids, fingerprint).await? {
                    // PostgreSQL and SQLite both answer each key once.
                    if let Some(id) = ids.remove(&key) {
                        known.insert(id.clone(), revision);
                    }
                }
            }
            Ok(known)
        })
        .await
    }

    async fn revisions(
        &self,
        user_id: i64,
        provider: Provider,
        ids: &HashMap<String, &String>,
        fingerprint: bool,
    ) -> Result<Vec<(String, String)>, CatalogueError> {
        let keys = batch::list(3, ids.len());
        let fingerprinted = format!(
            " AND (EXISTS (SELECT 1 FROM photo_fingerprints p WHERE p.user_id = f.user_id \
             AND p.provider = f.provider AND p.file_id = f.file_id \
             AND p.source_rev = f.source_rev AND p.version = {FINGERPRINT_VERSION}) \
             OR EXISTS (SELECT 1 FROM photo_outcomes o WHERE o.user_id = f.user_id \
             AND o.provider = f.provider AND o.file_id = f.file_id AND o.status = 'refused'))"
        );
        let fingerprinted = if fingerprint { fingerprinted.as_str() } else { "" };
        let sql = format!(
            "SELECT file_id, source_rev FROM processed_files f \
             WHERE user_id = $1 AND provider = $2 AND file_id IN ({keys}) AND NOT EXISTS \
             (SELECT 1 FROM photo_outcomes o WHERE o.user_id = f.user_id \
             AND o.provider = f.provider AND o.file_id = f.file_id AND o.status = 'failed')\
             {fingerprinted}"
        );
        let mut query = batch::query(sql, ids.len() == KEYS);
        query = query.bind(user_id).bind(provider.as_str());
        for key in ids.keys() {
            query = query.bind(key.as_str());
        }
        // From the primary: a lagging replica would have files read again.
        let rows = query.fetch_all(&self.primary).await;
        let rows = rows.map_err(|source| CatalogueError::Read { table: TABLE, source })?;
        let row = |row| {
            let row = TableRow { table: TABLE, row };
            Ok((row.get("file_id")?, row.get("source_rev")?))
        };
        rows.iter().map(row).collect()
    }
}

/// Notes which revisions of a page's files were dealt with.
pub(super) async fn store(
    transaction: &mut Transaction<'static, Any>,
    scan: Scan<'_>,
    files: &Page<'_>,
) -> Result<(), CatalogueError> {
    let files: Vec<_> = files.iter().collect();
    for chunk in files.chunks(ROWS) {
        let values = batch::rows(chunk.len(), 4, 2, "$1, $2, ", ", $3");
        let sql = format!(
            "INSERT INTO processed_files (user_id, provider, file_id, source_rev, processed_at) \
             VALUES {values} ON CONFLICT (user_id, provider, file_id) DO UPDATE SET \
             source_rev = excluded.source_rev, processed_at = excluded.processed_at \
             WHERE processed_files.source_rev <> excluded.source_rev"
        );
        let mut query = batch::query(sql, chunk.len() == ROWS);
        query = query.bind(scan.user_id).bind(scan.provider.as_str()).bind(scan.now_ms);
        for (key, file) in chunk {
            query = query.bind(key.as_str()).bind(capped(&file.source_rev, LABEL));
        }
        query
            .execute(&mut **transaction)
            .await
            .map_err(|source| CatalogueError::Write { table: TABLE, source })?;
    }
    Ok(())
}
