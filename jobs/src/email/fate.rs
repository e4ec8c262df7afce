//! What becomes of a mail that a server did not take. Pure.

use crate::effects::catalogue::MailState;
use crate::effects::mail::{Undelivered, Verdict, judge};

/// What becomes of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is offered again: the server puts off this mail, or all.
    Later {
        /// Whether it is this mail that it puts off: not for ever.
        deferred: bool,
    },
    /// Not taken, now or ever.
    Ended(MailState),
    /// The same, and somebody should look: a dead letter.
    Refused,
}

/// Why somebody should look; metrics have these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alert {
    /// Mails, or whoever sends them, are not wanted.
    Policy,
    /// Nothing goes out as it is configured.
    Configuration,
    /// Nobody knows whether a mail was sent.
    Unknown,
}

impl Alert {
    /// The label in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Configuration => "configuration",
            Self::Unknown => "unknown",
        }
    }

    /// What is told in the log, with the way out.
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Policy => {
                "a mail, or its sender, is not wanted: look at what is sent, SPF, DKIM and blocklists"
            }
            Self::Configuration => {
                "no mail goes out as it is configured: mend it (`roadie check`), then `roadie budget resume smtp`"
            }
            Self::Unknown => {
                "nobody knows whether a mail was sent: look for its Message-ID (`roadie mail list --state unknown \
                 --json`) in the server's log; `roadie mail resend` sends it again"
            }
        }
    }
}

/// What becomes of the mail.
pub(super) fn fate(undelivered: &Undelivered) -> Fate {
    match undelivered {
        Undelivered::Resting { .. }
        | Undelivered::Unreachable(_)
        | Undelivered::Misconfigured(_) => Fate::Later { deferred: false },
        Undelivered::BrokenOff(_) => Fate::Later { deferred: true },
        Undelivered::AddressNotTaken => Fate::Ended(MailState::Failed),
        Undelivered::Unanswered(_) => Fate::Ended(MailState::Unknown),
        Undelivered::Refused(refusal) => match judge(*refusal) {
            Verdict::Later => Fate::Later { deferred: true },
            Verdict::Busy | Verdict::Failing | Verdict::Misconfigured => {
                Fate::Later { deferred: false }
            }
            Verdict::BadAddress => Fate::Ended(MailState::Suppressed),
            Verdict::Mailbox => Fate::Ended(MailState::Failed),
            Verdict::Policy => Fate::Refused,
        },
    }
}

/// Whether somebody should look at what a server has said.
pub(super) fn alert(undelivered: &Undelivered) -> Option<Alert> {
    match undelivered {
        Undelivered::Misconfigured(_) => Some(Alert::Configuration),
        Undelivered::Refused(refusal) => match judge(*refusal) {
            Verdict::Misconfigured => Some(Alert::Configuration),
            Verdict::Policy => Some(Alert::Policy),
            _ => None,
        },
        _ => None,
    }
}
