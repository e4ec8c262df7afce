//! `scan-s3`

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::listing::Source;
use super::scan::{Order, Scan};
use super::scan_result::ScanResult;
use crate::context::JobContext;
use crate::job::{Job, JobError, Timeout};
use crate::schema::describe;

/// Reads the photos below a prefix of a bucket into the catalogue. Only heads are fetched, unless what the
/// photos look like is wanted as well.
///
/// Effects: rows of photos, fingerprints, processed files and photo outcomes; progress under
/// `scan:progress:{userId}`; a job `dedup-photos` where fingerprints are wanted; where shows
/// are asked for, photo sessions, and jobs `detect-venue` and `match-concert` for those that changed.
/// Safe to repeat because: rows are upserts on (user, provider, bucket and key), and unchanged objects
/// are skipped.
/// Gives up when: the bucket is not there, access is denied or the store refuses for good, or another
/// scan of the user is running.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "userId": 7, "bucket": "photos", "prefix": "users/7/" }]))]
pub(crate) struct ScanS3 {
    user_id: i64,
    bucket: String,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    batch_size: Option<usize>,
    /// Whether duplicates are looked for afterwards; each object is then read as a whole, once.
    #[serde(default)]
    fingerprint: bool,
}

impl Job for ScanS3 {
    const KIND: &'static str = "scan-s3";
    const QUEUE: &'static str = "photo-processing";
    const TIMEOUT: Timeout = Timeout::Silence(Duration::from_mins(5));
    type Output = ScanResult;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<ScanResult, JobError> {
        let source = Source::Bucket { bucket: self.bucket, prefix: self.prefix };
        let order = Order { batch: self.batch_size, fingerprint: self.fingerprint };
        Scan::new(&cx, self.user_id, source, order).run().await
    }
}
