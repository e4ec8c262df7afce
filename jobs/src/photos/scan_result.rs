//! What a scan returns.

use serde::{Deserialize, Serialize};

use crate::effects::catalogue::{ScannedFile, Verdict};

/// What a scan returns: the web application's `LastScanResult`, and what it found file by file.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScanResult {
    /// `folder`, `s3` or `drive`.
    pub scan_type: &'static str,
    /// Unix milliseconds.
    pub completed_at: i64,
    /// Files dealt with.
    pub total_photos: u64,
    /// Counts.
    #[serde(flatten)]
    pub counts: Counts,
    /// Photos linked to a show.
    pub linked: u64,
    /// Shows that are new to the user.
    pub new_concerts: u64,
    /// Photos without a show.
    pub unmatched: u64,
    /// Whether photos are matched to shows: `off` where no service is configured for it, `done`, or
    /// `goes on` when some sessions will be matched later.
    pub matching: &'static str,
    /// How many.
    pub matched_later: u64,
    /// Milliseconds, attempts that were interrupted included.
    pub duration: i64,
}

/// What came out so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Files that were read.
    pub(super) processed: u64,
    /// Files that had not changed since an earlier scan.
    pub(super) skipped: u64,
    /// Photos in the catalogue, flawed ones included.
    catalogued: u64,
    /// Catalogued with a note.
    flawed: u64,
    /// Not catalogued.
    refused: u64,
    /// Could not be read this time.
    failed: u64,
}

impl Counts {
    pub(super) fn add(&mut self, file: &ScannedFile) -> &'static str {
        self.processed += 1;
        match file.verdict {
            Verdict::Clean(_) => {
                self.catalogued += 1;
                "clean"
            }
            Verdict::Flawed(..) => {
                self.catalogued += 1;
                self.flawed += 1;
                "flawed"
            }
            Verdict::Refused(_) => {
                self.refused += 1;
                "refused"
            }
            Verdict::Failed(_) => {
                self.failed += 1;
                "failed"
            }
        }
    }
}
