//! `scan-folder`

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::listing::Source;
use super::scan::{Order, Scan};
use super::scan_result::ScanResult;
use crate::context::JobContext;
use crate::job::{Job, JobError, Timeout};
use crate::schema::describe;

/// Reads the photos of a local folder, its sub-folders included, into the catalogue.
///
/// Effects: rows of photos, fingerprints, processed files and photo outcomes; progress under
/// `scan:progress:{userId}`; a job `dedup-photos` where fingerprints are wanted; where shows
/// are asked for, photo sessions, and jobs `detect-venue` and `match-concert` for those that changed.
/// Safe to repeat because: rows are upserts on (user, provider, path), and unchanged files are skipped.
/// Gives up when: the folder is outside the configured roots, is not there, or may not be opened, or
/// another scan of the user is running. A disk that does not answer is tried again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "userId": 7, "path": "/srv/photos/2019" }]))]
pub(crate) struct ScanFolder {
    user_id: i64,
    path: String,
    #[serde(default)]
    batch_size: Option<usize>,
    /// Whether duplicates are looked for afterwards.
    #[serde(default)]
    fingerprint: bool,
}

impl Job for ScanFolder {
    const KIND: &'static str = "scan-folder";
    const QUEUE: &'static str = "photo-processing";
    const TIMEOUT: Timeout = Timeout::Silence(Duration::from_mins(5));
    type Output = ScanResult;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<ScanResult, JobError> {
        let folder = cx.effects().folders.resolve(&self.path).map_err(|error| {
            if error.is_transient() { JobError::retry(error) } else { JobError::discard(error) }
        })?;
        let order = Order { batch: self.batch_size, fingerprint: self.fingerprint };
        Scan::new(&cx, self.user_id, Source::Folder(folder), order).run().await
    }
}
