//! `scan-drive`

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::drive::{DriveTree, Extent};
use super::listing::Source;
use super::scan::{Order, Scan};
use super::scan_result::ScanResult;
use crate::context::JobContext;
use crate::effects::catalogue::{AccountState, DriveScope, Provider, catalogue_error};
use crate::email::{self, Facts, Template};
use crate::job::{Decision, Job, JobError, Timeout};
use crate::schema::describe;

/// Reads the photos of a user's Google Drive into the catalogue: the whole of it with shared drives, or a
/// folder and all below. What Drive tells of a photo is taken from its listings; only what that lacks is
/// read from the head of the file, or from its Takeout file. Fingerprints are made of thumbnails.
///
/// Effects: rows of photos, processed files and photo outcomes, of what listings have seen, and of the
/// account's tokens; photos that are not there any more are removed; progress under
/// `scan:progress:{userId}`; jobs `optimize-photo` for starred photos, and `dedup-photos` where photos are
/// to be compared; a mail to whose account has to be connected again.
/// Safe to repeat because: rows are upserts on (user, provider, Drive's id); pages are stored together
/// with where to go on; photos that have not changed are skipped.
/// Gives up when: the account is not connected or has to be connected again, the folder is not there, or
/// another scan of the user is running. Limits of Google's are waited for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "userId": 7, "batchSize": 100, "timestamp": 1_763_636_043_000_i64 }]))]
pub(crate) struct ScanDrive {
    user_id: i64,
    #[serde(default)]
    batch_size: Option<usize>,
    /// Only this folder and all below.
    #[serde(default)]
    folder_id: Option<String>,
    /// Whether everything is listed anew, or only what has changed since the last scan of the same.
    #[serde(default)]
    mode: Option<Mode>,
    /// Whether photos are fingerprinted, from their thumbnails, and compared.
    #[serde(default)]
    fingerprint: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Mode {
    Full,
    /// The first scan is full all the same.
    Incremental,
}

impl Job for ScanDrive {
    const KIND: &'static str = "scan-drive";
    const QUEUE: &'static str = "photo-processing";
    const TIMEOUT: Timeout = Timeout::Silence(Duration::from_mins(5));
    type Output = ScanResult;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<ScanResult, JobError> {
        let user_id = self.user_id;
        let drive = cx.effects().drive.of(user_id)?;
        let folder = self.folder_id.unwrap_or_default();
        let extent = match self.mode {
            Some(Mode::Full) => Extent::Full,
            Some(Mode::Incremental) | None => Extent::Changes,
        };
        let tree = DriveTree {
            drive,
            catalogue: cx.effects().catalogue.clone(),
            scope: DriveScope { user_id, folder },
            extent,
            fingerprint: self.fingerprint,
        };
        let order = Order { batch: self.batch_size, fingerprint: self.fingerprint };
        let scanned = Scan::new(&cx, user_id, Source::Drive(tree), order).run().await;
        if let Err(Decision::Discard) = scanned.as_ref().map_err(JobError::decision) {
            tell_owner(&cx, user_id).await?;
        }
        scanned
    }
}

/// Whose account has to be connected again gets a mail, once each time.
async fn tell_owner(cx: &JobContext, user_id: i64) -> Result<(), JobError> {
    let account = cx.effects().catalogue.account(user_id, Provider::Drive).await;
    let account = account.map_err(catalogue_error)?;
    let Some(account) = account.filter(|each| each.state == AccountState::NeedsReconnect) else {
        return Ok(());
    };
    let provider = account.provider.as_str().to_owned();
    let value = format!("{provider}-{}", account.state_at);
    let facts = Facts { provider: Some(provider), ..Facts::default() };
    email::ask(cx, user_id, Template::ReconnectNeeded, &value, &facts).await
}
