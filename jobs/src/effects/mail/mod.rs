//! Mail on its way out.
//!
//! - `letter`: a message as it goes over the wire (RFC 5322, 2047, 8058);
//! - `smtp`: to a mail server, step by step; `reply`: what becomes of a mail, by the server's reply;
//! - `folder`: into files instead, for development;
//! - `keys`: links that end a subscription, and addresses as they are kept of whom nothing else is.
//!
//! An offer comes before the content: until a server waits for nothing but that, it is sure that the mail is
//! not sent. No address is in any error, log line or metric.

mod folder;
mod keys;
mod letter;
mod reply;
mod smtp;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use folder::{FolderError, MailFolder};
pub use keys::{BadToken, MailKeys};
pub(crate) use letter::{Draft, OneClick, one_line};
pub use letter::{Letter, LetterError, Mailbox, mailbox};
pub use reply::{Enhanced, Refusal, Stage, Verdict, judge};
pub use smtp::{Encryption, Smtp, SmtpSettings};

/// Why a mail is not, or perhaps not, with the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// Nobody was asked: the server is left alone for now.
    #[error("the mail server is not asked for now: {why}")]
    Resting {
        /// Why.
        why: String,
        /// When it may be this mail's turn.
        after: Duration,
    },
    /// The server has answered, and does not take it, or not now.
    #[error("the mail server says {0} {stage}", stage = .0.stage)]
    Refused(Refusal),
    /// It had taken the sender, and hung up, or did not answer in time, before it had the content.
    #[error("the mail server broke off before it had the mail: {0}")]
    BrokenOff(String),
    /// It could not be reached, or did not answer in time, before it was asked about a recipient.
    #[error("the mail server failed: {0}")]
    Unreachable(String),
    /// It cannot be talked to as it is configured.
    #[error("the mail server cannot be used as configured: {0}")]
    Misconfigured(String),
    /// It cannot send to an address with such letters.
    #[error("the mail server takes no addresses with letters beyond ASCII (SMTPUTF8)")]
    AddressNotTaken,
    /// It has the content and did not say that it takes it: nobody knows whether it has.
    #[error("the mail server had the mail and gave no answer: {0}")]
    Unanswered(String),
}

/// A server, or a folder, that takes mails.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync {
    /// Asks whether it takes the mail, up to where it waits for the content.
    ///
    /// # Errors
    /// It does not, or not now: the mail is not sent.
    async fn offer(&self, letter: &Letter) -> Result<Box<dyn Offer>, Undelivered>;

    /// How many mails it keeps of a user, instead of sending them.
    ///
    /// # Errors
    /// They cannot be counted.
    async fn kept(&self, _user_id: i64) -> Result<u64, FolderError> {
        Ok(0)
    }

    /// Removes what it keeps of a user.
    ///
    /// # Errors
    /// Some may still be there.
    async fn forget(&self, _user_id: i64) -> Result<(), FolderError> {
        Ok(())
    }
}

/// A server that waits for the content of a mail. Dropped, the mail is not sent.
#[async_trait]
pub trait Offer: Send {
    /// Hands the content over; answers what the server says, such as `250 2.0.0`.
    ///
    /// # Errors
    /// It does not take it, or nobody knows.
    async fn hand_over(self: Box<Self>) -> Result<String, Undelivered>;
}

/// How mails are made and when they are sent.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Whom they are from.
    pub from: Mailbox,
    /// Keys for links and addresses; the first one makes, all verify.
    pub keys: MailKeys,
    /// Where links that end a subscription lead: the token is put behind it.
    pub unsubscribe_url: String,
    /// An address that ends subscriptions as well; empty: none.
    pub unsubscribe_mailto: String,
    /// Where the application is; empty: mails have no link to it.
    pub app_url: String,
    /// What it is called.
    pub app_name: String,
    /// Hours of the user's day between which nobody is congratulated; the same: none.
    pub quiet: (u32, u32),
    /// Pause after a mail was put off for the first time; it doubles each time.
    pub first_pause: Duration,
    /// The longest such pause.
    pub longest_pause: Duration,
    /// How long a server may put a mail off.
    pub give_up: Duration,
}

/// Mail, if it is configured. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Mail(Option<Arc<Office>>);

/// How mails are made, and where they go.
#[derive(Debug)]
pub struct Office {
    /// How they are made.
    pub settings: MailSettings,
    /// Where they go.
    pub transport: Arc<dyn Transport>,
}

impl Mail {
    /// Sends through `transport`.
    pub fn new(settings: MailSettings, transport: Arc<dyn Transport>) -> Self {
        Self(Some(Arc::new(Office { settings, transport })))
    }

    /// None: no mail is sent.
    pub fn office(&self) -> Option<&Arc<Office>> {
        self.0.as_ref()
    }
}
