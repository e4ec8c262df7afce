//! An entry of the ledger.

use serde::{Deserialize, Serialize};

use crate::effects::catalogue::CatalogueError;
use crate::effects::catalogue::row::TableRow;

/// Which mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailKey {
    /// To whom.
    pub user_id: i64,
    /// Which of the templates.
    pub template: &'static str,
    /// What it is about.
    pub value: String,
}

/// Where a mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailState {
    /// To be sent.
    Reserved,
    /// Handed over, and not answered yet; or its worker has died.
    Sending,
    /// Taken by the mail server.
    Sent,
    /// Refused for good.
    Failed,
    /// Its address gets no mail any more.
    Suppressed,
    /// Nobody wants it, or there is nowhere to send it.
    Unwanted,
    /// Nobody knows whether it was sent.
    Unknown,
}

impl MailState {
    /// All states, for metrics and listings.
    pub const ALL: [Self; 7] = [
        Self::Reserved,
        Self::Sending,
        Self::Sent,
        Self::Failed,
        Self::Suppressed,
        Self::Unwanted,
        Self::Unknown,
    ];

    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
            Self::Unwanted => "unwanted",
            Self::Unknown => "unknown",
        }
    }
}

/// A mail of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerMail {
    /// To whom.
    pub user_id: i64,
    /// Which of the templates.
    pub template: String,
    /// What it is about.
    pub value: String,
    /// JSON: what it tells, beside what is looked up.
    #[serde(skip)]
    pub facts: Option<String>,
    /// Where it stands.
    pub state: MailState,
    /// Why it is not sent.
    pub reason: Option<String>,
    /// What the mail server said last.
    pub status: Option<String>,
    /// Times that a server was asked to take it.
    pub attempts: i32,
    /// Its Message-ID.
    pub message_id: Option<String>,
    /// Unix milliseconds.
    pub reserved_at: i64,
    /// Unix milliseconds; when a server first put it off.
    pub deferred_at: Option<i64>,
    /// Unix milliseconds; when a server last waited for its content.
    pub sending_at: Option<i64>,
    /// Unix milliseconds; since when it is as it is, for good.
    pub ended_at: Option<i64>,
}

/// A mail that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct NewMail<'a> {
    pub(crate) key: &'a MailKey,
    /// JSON; none: what is known already stays.
    pub(crate) facts: Option<&'a str>,
}

/// What became of a mail that was not sent.
#[derive(Clone, Debug)]
pub(crate) struct NotSent<'a> {
    pub(crate) state: MailState,
    pub(crate) reason: &'a str,
    pub(crate) status: Option<String>,
    /// Whether a server was asked to take it.
    pub(crate) asked: bool,
    /// Whether it was the server that put it off.
    pub(crate) deferred: bool,
}

/// How many mails are in a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LedgerCount {
    /// Which of the templates.
    pub template: String,
    /// Where they stand.
    pub state: MailState,
    /// How many.
    pub mails: i64,
}

/// An entry, as it is stored.
pub(super) fn mail(row: TableRow<'_>) -> Result<LedgerMail, CatalogueError> {
    Ok(LedgerMail {
        user_id: row.get("user_id")?,
        template: row.get("template")?,
        value: row.get("value")?,
        facts: row.get("facts")?,
        state: row.word("state")?,
        reason: row.get("reason")?,
        status: row.get("status")?,
        attempts: row.get("attempts")?,
        message_id: row.get("message_id")?,
        reserved_at: row.get("reserved_at")?,
        deferred_at: row.get("deferred_at")?,
        sending_at: row.get("sending_at")?,
        ended_at: row.get("ended_at")?,
    })
}
