//! Storing one page of a scan, in one transaction.

mod fingerprints;
mod notes;
mod photos;

use std::collections::BTreeMap;

use super::scanned::{Provider, ScannedFile};
use super::{Catalogue, CatalogueError, processed, text, users};

/// How [`Catalogue::record_page`] changed the photos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageSummary {
    /// Photos that the catalogue did not have.
    pub inserted: u64,
    /// Photos of which something had changed.
    pub updated: u64,
    /// Photos that were there already, just so.
    pub unchanged: u64,
}

/// Files by the key under which they are stored. The order keeps two transactions that share
/// files from waiting for each other; a file that is listed twice is stored once, as seen last.
pub(super) type Page<'p> = BTreeMap<String, &'p ScannedFile>;

/// What all rows of a page share.
#[derive(Clone, Copy)]
pub(super) struct Scan<'s> {
    pub(super) user_id: i64,
    pub(super) provider: Provider,
    pub(super) job_id: &'s str,
    pub(super) now_ms: i64,
}

impl Catalogue {
    /// Stores all files of one page of a scan, in one transaction: photos, files dealt with, and
    /// what there is to say about them (or no longer). The user's row is made when missing.
    ///
    /// Repeating it changes nothing, times included. `job_id` is the scan's job; `now_ms` the
    /// present in Unix milliseconds.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Write` or `Commit`; nothing of the page is stored then, except
    /// that after a failed commit it may be.
    pub async fn record_page(
        &self,
        user_id: i64,
        provider: Provider,
        page: &[ScannedFile],
        job_id: &str,
        now_ms: i64,
    ) -> Result<PageSummary, CatalogueError> {
        let files: Page<'_> = page.iter().map(|file| (text::key(&file.file_id), file)).collect();
        if files.is_empty() {
            return Ok(PageSummary::default());
        }
        let scan = Scan { user_id, provider, job_id, now_ms };
        // Boxed: the statements' futures are large, and so would be every handler's.
        self.timed("record_page", Box::pin(self.store(scan, &files))).await
    }

    async fn store(&self, scan: Scan<'_>, files: &Page<'_>) -> Result<PageSummary, CatalogueError> {
        let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
        // A write comes first: SQLite can wait for its write lock only at the beginning.
        users::ensure(&mut transaction, scan.user_id, scan.now_ms).await?;
        let summary = photos::store(&mut transaction, scan, files).await?;
        fingerprints::store(&mut transaction, scan, files).await?;
        processed::store(&mut transaction, scan, files).await?;
        notes::store(&mut transaction, scan, files).await?;
        notes::clear(&mut transaction, scan, files).await?;
        transaction.commit().await.map_err(CatalogueError::Commit)?;
        Ok(summary)
    }
}
