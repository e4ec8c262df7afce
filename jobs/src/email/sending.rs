//! One attempt to send a mail, step by step: whom to, whether they want it, what it says, and what a server makes
//! of it. Each outcome is in the ledger before the job ends.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use chrono::DateTime;
use chrono_tz::Tz;

use super::fate::{Alert, Fate, alert, fate};
use super::later;
use super::send_email::MailOutcome;
use super::template::Template;
use crate::context::JobContext;
use crate::effects::catalogue::{LedgerMail, MailKey, MailState, NotSent, catalogue_error};
use crate::effects::mail::{Office, Undelivered};
use crate::job::JobError;
use crate::metric;

/// A server that is left alone may be asked again when an operator has mended something: nobody tells those who
/// wait.
const MENDED: Duration = Duration::from_mins(5);
const NO_ADDRESS: &str = "no address";
const NOT_WANTED: &str = "not wanted";
const UNDONE: &str = "its concert is not among the user's any more";
const QUIET: &str = "it is night where its recipient is";

/// One attempt to send a mail of which it is sure that it was not sent.
pub(super) struct Sending<'a> {
    pub(super) cx: &'a JobContext,
    pub(super) office: Arc<Office>,
    pub(super) key: MailKey,
    pub(super) template: Template,
    /// How often a server was asked before.
    pub(super) attempts: i32,
}

impl Sending<'_> {
    pub(super) fn now(&self) -> i64 {
        self.cx.effects().clock.now_ms()
    }

    pub(super) async fn run(&self, mail: &LedgerMail) -> Result<MailOutcome, JobError> {
        let effects = self.cx.effects();
        let recipient = effects.catalogue.mail_recipient(self.key.user_id).await;
        let Some(recipient) = recipient.map_err(catalogue_error)? else {
            return self.ended(MailState::Unwanted, NO_ADDRESS, None).await;
        };
        let list = self.template.list();
        let wanted = effects.catalogue.mail_wanted(self.key.user_id, list.name()).await;
        if !wanted.map_err(catalogue_error)?.unwrap_or(list.unasked()) {
            return self.ended(MailState::Unwanted, NOT_WANTED, None).await;
        }
        let hashes = self.office.settings.keys.address_hashes(&recipient.address);
        let suppressed = effects.catalogue.mail_suppression(&hashes).await;
        if let Some(reason) = suppressed.map_err(catalogue_error)? {
            let reason = format!("the address gets no mail: {reason}");
            return self.ended(MailState::Suppressed, &reason, None).await;
        }
        let zone = recipient.tz.as_deref().and_then(|tz| tz.parse().ok()).unwrap_or(Tz::UTC);
        if !list.unasked()
            && let Some(asleep) = later::asleep(self.now(), zone, self.office.settings.quiet)
        {
            self.waits(QUIET, None, false, false).await?;
            return Err(JobError::postpone(asleep, anyhow!(QUIET)));
        }
        let Some(facts) = self.facts(mail).await? else {
            return self.ended(MailState::Unwanted, UNDONE, None).await;
        };
        let letter = match self.letter(facts, &recipient, zone).await? {
            Ok(letter) => letter,
            Err(error) => return self.ended(MailState::Failed, &error.to_string(), None).await,
        };
        self.cx.safe_point()?;
        let offered = self.office.transport.offer(&letter).await;
        let offer = match offered {
            Ok(offer) => offer,
            Err(undelivered) => return self.not_taken(mail, undelivered, false, &hashes).await,
        };
        // That one would be cut off while it is answered; this one is surely not sent.
        self.cx.safe_point()?;
        let begun = effects.catalogue.begin_sending(
            &self.key,
            self.attempts,
            &letter.message_id,
            self.now(),
        );
        if !begun.await.map_err(catalogue_error)? {
            drop(offer);
            let told = anyhow!("another job is sending this mail");
            return Err(JobError::postpone(self.office.settings.first_pause, told));
        }
        let status = match offer.hand_over().await {
            Ok(status) => status,
            Err(undelivered) => return self.not_taken(mail, undelivered, true, &hashes).await,
        };
        let sent = effects.catalogue.mail_sent(&self.key, self.attempts + 1, &status, self.now());
        // The server has it: what goes wrong from here on must not send it again.
        sent.await.map_err(catalogue_error)?;
        self.count("sent");
        Ok(MailOutcome {
            outcome: MailState::Sent.as_str(),
            reason: None,
            status: Some(status),
            message_id: Some(letter.message_id),
        })
    }

    /// A server has not taken the mail, or nobody knows. `handed_over`: it was waiting for the content.
    async fn not_taken(
        &self,
        mail: &LedgerMail,
        undelivered: Undelivered,
        handed_over: bool,
        hashes: &[String],
    ) -> Result<MailOutcome, JobError> {
        if let Some(alert) = alert(&undelivered) {
            self.alert(alert, &undelivered.to_string());
        }
        let reason = undelivered.to_string();
        let status = match &undelivered {
            Undelivered::Refused(refusal) => Some(refusal.to_string()),
            _ => None,
        };
        let settings = &self.office.settings;
        match fate(&undelivered) {
            Fate::Later { deferred } => {
                let since = mail.deferred_at.unwrap_or_else(|| self.now());
                let waited = DateTime::from_timestamp_millis(self.now())
                    .zip(DateTime::from_timestamp_millis(since))
                    .and_then(|(now, since)| (now - since).to_std().ok());
                if deferred && waited.unwrap_or_default() >= settings.give_up {
                    let reason = format!("put off for too long; last, {reason}");
                    self.settle(MailState::Failed, &reason, status, handed_over, false).await?;
                    self.count("failed");
                    return Err(JobError::discard(anyhow!(reason)));
                }
                let asked = !matches!(undelivered, Undelivered::Resting { .. });
                if handed_over {
                    self.settle(MailState::Reserved, &reason, status, true, deferred).await?;
                } else {
                    self.waits(&reason, status, asked, deferred).await?;
                }
                if asked {
                    self.count("deferred");
                }
                let pause = match undelivered {
                    Undelivered::Resting { after, .. } => {
                        after.min(settings.longest_pause).min(MENDED)
                    }
                    _ if deferred => later::pause(settings, self.attempts + 1, fastrand::f64()),
                    _ => later::pause(settings, 1, fastrand::f64()),
                };
                Err(JobError::postpone(pause, undelivered))
            }
            Fate::Ended(MailState::Unknown) => {
                self.unknown(self.attempts + 1, &reason, mail.message_id.clone()).await
            }
            Fate::Ended(state) => {
                if let (MailState::Suppressed, Some(hash)) = (state, hashes.first()) {
                    let catalogue = &self.cx.effects().catalogue;
                    let said = status.as_deref();
                    let suppressed = catalogue.suppress_mail(hash, "bad-address", said, self.now());
                    suppressed.await.map_err(catalogue_error)?;
                }
                self.settle(state, &reason, status.clone(), handed_over, false).await?;
                self.count(state.as_str());
                let (outcome, reason) = (state.as_str(), Some(reason));
                Ok(MailOutcome { outcome, reason, status, message_id: None })
            }
            Fate::Refused => {
                self.settle(MailState::Failed, &reason, status, handed_over, false).await?;
                self.count("failed");
                Err(JobError::discard(undelivered))
            }
        }
    }

    /// Nobody knows whether it was sent, so it is not sent again.
    pub(super) async fn unknown(
        &self,
        attempt: i32,
        reason: &str,
        message_id: Option<String>,
    ) -> Result<MailOutcome, JobError> {
        let became = NotSent {
            state: MailState::Unknown,
            reason,
            status: None,
            asked: true,
            deferred: false,
        };
        let catalogue = &self.cx.effects().catalogue;
        let noted = catalogue.mail_not_taken(&self.key, attempt, &became, self.now()).await;
        noted.map_err(catalogue_error)?;
        self.count("unknown");
        self.alert(Alert::Unknown, reason);
        let (outcome, reason) = (MailState::Unknown.as_str(), Some(reason.to_owned()));
        Ok(MailOutcome { outcome, reason, status: None, message_id })
    }

    /// Never sent, and no server was asked.
    async fn ended(
        &self,
        state: MailState,
        reason: &str,
        status: Option<String>,
    ) -> Result<MailOutcome, JobError> {
        let became =
            NotSent { state, reason, status: status.clone(), asked: false, deferred: false };
        self.note(&became).await?;
        self.count(state.as_str());
        let (outcome, reason) = (state.as_str(), Some(reason.to_owned()));
        Ok(MailOutcome { outcome, reason, status, message_id: None })
    }

    /// Not sent yet.
    async fn waits(
        &self,
        reason: &str,
        status: Option<String>,
        asked: bool,
        deferred: bool,
    ) -> Result<(), JobError> {
        self.note(&NotSent { state: MailState::Reserved, reason, status, asked, deferred }).await
    }

    /// What became of a mail that a server was asked to take.
    async fn settle(
        &self,
        state: MailState,
        reason: &str,
        status: Option<String>,
        handed_over: bool,
        deferred: bool,
    ) -> Result<(), JobError> {
        let became = NotSent { state, reason, status, asked: true, deferred };
        if !handed_over {
            return self.note(&became).await;
        }
        let catalogue = &self.cx.effects().catalogue;
        let noted =
            catalogue.mail_not_taken(&self.key, self.attempts + 1, &became, self.now()).await;
        noted.map_err(catalogue_error)
    }

    async fn note(&self, became: &NotSent<'_>) -> Result<(), JobError> {
        let catalogue = &self.cx.effects().catalogue;
        let noted = catalogue.mail_not_sent(&self.key, self.attempts, became, self.now()).await;
        noted.map_err(catalogue_error)
    }

    fn count(&self, outcome: &'static str) {
        let template = self.template.name();
        metrics::counter!(metric::MAILS, "template" => template, "outcome" => outcome).increment(1);
    }

    fn alert(&self, alert: Alert, error: &str) {
        let (reason, template) = (alert.name(), self.template.name());
        metrics::counter!(metric::MAIL_ALERTS, "reason" => reason).increment(1);
        tracing::error!(reason, template, error, "{}", alert.told());
    }
}
