//! What is asked of Drive for one user.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::accounts::{Access, Accounts, GoogleSettings, encoded};
use super::files::{Changes, DriveFile, DrivePage, FIELDS, FilePage, SharedDrive, StartToken};
use super::refusal::{DriveError, Word, word};
use crate::effects::catalogue::Catalogue;
use crate::effects::web::{Answer, Ask, Fetch, Reply, Unanswered};
use crate::effects::{Clock, Target, TokenKeys};
use crate::job::JobError;

/// Files, or changes, of a page: Drive gives no more.
const PAGE: &str = "1000";
/// How often a question that failed is asked again.
const AGAIN: u32 = 5;
/// Upper bound of the pause before it is, which doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
/// What Google asks for, or its budget, is waited for here; longer waits are for jobs that are postponed.
const SHORT: Duration = Duration::from_secs(3);
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
    accounts: Arc<Accounts>,
    user_id: i64,
    access: Arc<Mutex<Option<Arc<Access>>>>,
}

impl std::fmt::Debug for Drive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drive").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// Path and parameters, and which bytes are wanted.
struct Question {
    url: String,
    range: Option<Range<u64>>,
    /// Whether it goes on from a page token, which may be refused.
    paged: bool,
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

    /// Asks until there is an answer, as long as that may help and takes no more than seconds.
    async fn ask<T: Send>(
        &self,
        question: &Question,
        read: impl Fn(&Reply) -> Option<T> + Sync + Send,
    ) -> Result<T, DriveError> {
        let (mut failures, mut doubted, mut refused) = (0, false, None);
        let mut waited = Duration::ZERO;
        loop {
            let error = match self.attempt(question, &read, &mut refused).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = match &error {
                DriveError::Unanswered(
                    Unanswered::Resting { after, .. }
                    | Unanswered::Limited { after: Some(after), .. },
                ) if waited + *after <= SHORT => *after,
                DriveError::UserLimit { after: Some(after), .. } if waited + *after > SHORT => {
                    return Err(error);
                }
                error if error.passes() && failures < AGAIN => {
                    failures += 1;
                    let most = PAUSE * 2_u32.pow(failures - 1);
                    most.mul_f64(0.5 + fastrand::f64() / 2.0)
                }
                error if error.is_final() && !doubted => {
                    doubted = true;
                    Duration::ZERO
                }
                _ => return Err(error),
            };
            waited += pause;
            sleep(pause).await;
        }
    }

    /// Asks once, and once more with another token if Google turns the first one away.
    async fn attempt<T: Send>(
        &self,
        question: &Question,
        read: &(impl Fn(&Reply) -> Option<T> + Sync),
        refused: &mut Option<Arc<Access>>,
    ) -> Result<T, DriveError> {
        loop {
            let access = self.access(refused.as_deref()).await?;
            match self.once(question, &access, read).await? {
                Some(answer) => return Ok(answer),
                None if refused.is_none() => *refused = Some(access),
                None => return Err(DriveError::Unauthorized { user_id: self.user_id }),
            }
        }
    }

    async fn access(&self, refused: Option<&Access>) -> Result<Arc<Access>, DriveError> {
        let mut held = self.access.lock().await;
        let now = self.accounts.clock.now_ms();
        if let Some(access) = held.as_ref()
            && access.is_good(now)
            && refused.is_none_or(|refused| refused.token != access.token)
        {
            return Ok(Arc::clone(access));
        }
        let refused = refused.map(|access| access.token.as_str());
        let access = Arc::new(self.accounts.access(self.user_id, refused).await?);
        *held = Some(Arc::clone(&access));
        Ok(access)
    }

    /// None: the token was turned away.
    async fn once<T: Send>(
        &self,
        question: &Question,
        access: &Access,
        read: &(impl Fn(&Reply) -> Option<T> + Sync),
    ) -> Result<Option<T>, DriveError> {
        let service = Target::GoogleDrive;
        let mut headers = vec![("authorization", format!("Bearer {}", *access.token))];
        if let Some(range) = &question.range {
            headers.push(("range", format!("bytes={}-{}", range.start, range.end - 1)));
        }
        let ask = Ask { headers, ..Ask::get(service, question.url.clone()) };
        let mut found = None;
        let mut judge = |reply: &Reply| {
            let withheld = |reason| DriveError::Withheld { status: reply.status, reason };
            found = Some(match word(reply) {
                Word::Answer => {
                    let garbled = || Unanswered::Garbled {
                        service,
                        reason: "it has another shape".to_owned(),
                    };
                    Ok(Some(read(reply).ok_or_else(garbled)?))
                }
                Word::Token => Ok(None),
                Word::UserLimit(reason) => {
                    let (user_id, after) = (self.user_id, reply.retry_after);
                    Err(DriveError::UserLimit { user_id, reason, after })
                }
                Word::Withheld(reason) => Err(withheld(reason)),
                Word::PageToken => Err(DriveError::PageToken),
                Word::Nonsense(_) if question.paged && reply.status == 400 => {
                    Err(DriveError::PageToken)
                }
                Word::Nonsense(reason) => {
                    return Err(match reply.status {
                        403 => Unanswered::Refused { service, reason },
                        status => Unanswered::Rejected { service, status },
                    });
                }
                Word::Limit => {
                    let (status, after) = (reply.status, reply.retry_after);
                    return Err(Unanswered::Limited { service, status, after });
                }
                Word::Broken => {
                    let reason = format!("status {}", reply.status);
                    return Err(Unanswered::Failed { service, reason });
                }
            });
            Ok(Answer::Private)
        };
        self.accounts.fetch.fetch(&ask, &mut judge).await?;
        found.unwrap_or_else(|| {
            let reason = "no reply".to_owned();
            Err(Unanswered::Failed { service, reason }.into())
        })
    }
}
