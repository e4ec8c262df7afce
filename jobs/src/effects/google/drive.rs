//! What is asked of Drive for one user.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::accounts::{Access, Accounts, GoogleSettings, encoded};
use super::files::{
    Changes, DriveFile, DrivePage, FIELDS, FilePage, SharedDrive, StartToken, Thumbnail,
};
use super::refusal::DriveError;
use crate::effects::catalogue::Catalogue;
use crate::effects::web::{Fetch, Reply};
use crate::effects::{Clock, TokenKeys};
use crate::job::JobError;

/// Files, or changes, of a page: Drive gives no more.
const PAGE: &str = "1000";
/// Until somebody has configured it.
const OFF: Duration = Duration::from_hours(1);

/// Google Drive, if it is configured. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct GoogleDrive(Option<Arc<Accounts>>);

impl GoogleDrive {
    /// Asks through `fetch`.
    pub fn new(
        settings: GoogleSettings,
        catalogue: Catalogue,
        keys: TokenKeys,
        fetch: Arc<dyn Fetch>,
        clock: Clock,
    ) -> Self {
        let keys = Arc::new(keys);
        Self(Some(Arc::new(Accounts { catalogue, keys, fetch, settings, clock })))
    }

    pub(super) fn accounts(&self) -> Option<&Accounts> {
        self.0.as_deref()
    }

    /// One user's.
    ///
    /// # Errors
    /// Drive is not configured.
    pub fn of(&self, user_id: i64) -> Result<Drive, JobError> {
        let accounts = self.0.clone().ok_or_else(|| {
            let told = anyhow!("Google Drive is not configured (google.client_id, tokens.keys)");
            JobError::postpone(OFF, told)
        })?;
        Ok(Drive { accounts, user_id, access: Arc::default() })
    }
}

/// What is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corpus<'a> {
    /// What is the user's own, or was shared with them.
    User,
    /// A shared drive.
    Drive(&'a str),
}

/// One user's Google Drive. Clones share the access token.
#[derive(Clone)]
pub struct Drive {
    pub(super) accounts: Arc<Accounts>,
    pub(super) user_id: i64,
    pub(super) access: Arc<Mutex<Option<Arc<Access>>>>,
}

impl std::fmt::Debug for Drive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drive").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// Path and parameters, and which bytes are wanted.
pub(super) struct Question {
    pub(super) url: String,
    pub(super) range: Option<Range<u64>>,
    /// Whether it goes on from a page token, which may be refused.
    pub(super) paged: bool,
}

impl Drive {
    /// A page of the files that fit `q` (Drive's query language).
    ///
    /// # Errors
    /// [`DriveError`]; [`DriveError::PageToken`]: begin anew.
    pub async fn files(
        &self,
        q: &str,
        corpus: Corpus<'_>,
        page_token: Option<&str>,
    ) -> Result<FilePage, DriveError> {
        let fields = format!("nextPageToken,incompleteSearch,files({FIELDS})");
        let mut parameters = vec![
            ("q", q),
            ("pageSize", PAGE),
            ("fields", &fields),
            ("spaces", "drive"),
            ("supportsAllDrives", "true"),
            ("includeItemsFromAllDrives", "true"),
        ];
        match corpus {
            Corpus::User => parameters.push(("corpora", "user")),
            Corpus::Drive(id) => parameters.extend([("corpora", "drive"), ("driveId", id)]),
        }
        self.page("/files", parameters, page_token).await
    }

    /// What has changed in the user's own drive, or in a shared one.
    ///
    /// # Errors
    /// [`DriveError`]; [`DriveError::PageToken`]: what has changed since is not known.
    pub async fn changes(
        &self,
        drive: Option<&str>,
        page_token: &str,
    ) -> Result<Changes, DriveError> {
        let fields = format!(
            "nextPageToken,newStartPageToken,changes(changeType,fileId,removed,file({FIELDS}))"
        );
        let mut parameters = vec![
            ("pageSize", PAGE),
            ("fields", fields.as_str()),
            ("spaces", "drive"),
            ("includeRemoved", "true"),
            ("supportsAllDrives", "true"),
            ("includeItemsFromAllDrives", "true"),
        ];
        parameters.extend(drive.map(|id| ("driveId", id)));
        self.page("/changes", parameters, Some(page_token)).await
    }

    /// Where the changes feed of the user's own drive, or of a shared one, stands now.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn start_token(&self, drive: Option<&str>) -> Result<String, DriveError> {
        let mut parameters = vec![("fields", "startPageToken"), ("supportsAllDrives", "true")];
        parameters.extend(drive.map(|id| ("driveId", id)));
        let token: StartToken = self.page("/changes/startPageToken", parameters, None).await?;
        Ok(token.start_page_token)
    }

    /// The shared drives that the user is a member of.
    ///
    /// # Errors
    /// [`DriveError`].
    pub async fn shared_drives(&self) -> Result<Vec<SharedDrive>, DriveError> {
        let mut drives = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let parameters = vec![("pageSize", "100"), ("fields", "nextPageToken,drives(id)")];
            let page: DrivePage = self.page("/drives", parameters, next.as_deref()).await?;
            drives.extend(page.drives);
            match page.next_page_token {
                Some(token) => next = Some(token),
                None => return Ok(drives),
            }
        }
    }

    /// What one file is.
    ///
    /// # Errors
    /// [`DriveError`]; [`DriveError::Withheld`]: the user may not see it, or it is not there.
    pub async fn file(&self, id: &str) -> Result<DriveFile, DriveError> {
        let parameters = vec![("fields", FIELDS), ("supportsAllDrives", "true")];
        self.page(&format!("/files/{}", encoded(id)), parameters, None).await
    }

    /// Some bytes of a file: as many as there are of those that are wanted.
    ///
    /// # Errors
    /// [`DriveError`]; [`DriveError::Withheld`]: they are not handed out.
    pub async fn bytes(&self, id: &str, range: Range<u64>) -> Result<Vec<u8>, DriveError> {
        let drive = &self.accounts.settings.drive;
        let url = format!("{drive}/files/{}?alt=media&supportsAllDrives=true", encoded(id));
        let wanted = range.clone();
        let question = Question { url, range: Some(range), paged: false };
        let read = move |reply: &Reply| {
            let length = usize::try_from(wanted.end - wanted.start).ok();
            // Whoever does not know ranges sends everything.
            let skip = if reply.status == 206 { 0 } else { usize::try_from(wanted.start).ok()? };
            let bytes = reply.body.iter().skip(skip).take(length?).copied();
            Some(bytes.collect())
        };
        self.ask(&question, read).await
    }

    /// A small copy of a picture, upright, with about so many pixels along its longer side; none: Drive has
    /// none.
    ///
    /// # Errors
    /// [`DriveError`]; [`DriveError::Withheld`]: it is not handed out.
    pub async fn thumbnail(&self, id: &str, side: u32) -> Result<Option<Vec<u8>>, DriveError> {
        let parameters = vec![("fields", "thumbnailLink"), ("supportsAllDrives", "true")];
        let path = format!("/files/{}", encoded(id));
        let Thumbnail { thumbnail_link } = self.page(&path, parameters, None).await?;
        let known =
            thumbnail_link.filter(|link| link.starts_with(&self.accounts.settings.thumbnails));
        let Some(link) = known else { return Ok(None) };
        let question = Question { url: sized(&link, side), range: None, paged: false };
        self.ask(&question, |reply| Some(reply.body.clone())).await.map(Some)
    }

    async fn page<T: DeserializeOwned + Send>(
        &self,
        path: &str,
        parameters: Vec<(&str, &str)>,
        page_token: Option<&str>,
    ) -> Result<T, DriveError> {
        let mut url = format!("{}{path}", self.accounts.settings.drive);
        let token = page_token.map(|token| ("pageToken", token));
        for (at, (name, value)) in parameters.into_iter().chain(token).enumerate() {
            let sign = if at == 0 { '?' } else { '&' };
            // Writing to a String cannot fail.
            let _ = write!(url, "{sign}{name}={}", encoded(value));
        }
        let question = Question { url, range: None, paged: page_token.is_some() };
        self.ask(&question, |reply| serde_json::from_slice(&reply.body).ok()).await
    }
}

/// Links end in the size: `…=s220`.
fn sized(link: &str, side: u32) -> String {
    match link.rsplit_once("=s") {
        Some((rest, told)) if told.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("{rest}=s{side}")
        }
        _ => link.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_are_asked_for_by_size() {
        for (link, asked) in [
            (
                "https://lh3.googleusercontent.com/a=b=s220",
                "https://lh3.googleusercontent.com/a=b=s512",
            ),
            ("https://lh3.googleusercontent.com/a", "https://lh3.googleusercontent.com/a"),
            (
                "https://lh3.googleusercontent.com/a=s220-c",
                "https://lh3.googleusercontent.com/a=s220-c",
            ),
        ] {
            assert_eq!(sized(link, 512), asked);
        }
    }
}
