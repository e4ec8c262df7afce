//! What a mail says, and the message that says it.

use chrono_tz::Tz;

use super::facts::Facts;
use super::page::{self, Filling};
use super::sending::Sending;
use super::told;
use super::words::Language;
use crate::effects::catalogue::{LedgerMail, Recipient, catalogue_error};
use crate::effects::mail::{Draft, Letter, LetterError, OneClick};
use crate::job::JobError;

impl Sending<'_> {
    /// What there is to tell; none: all of it was of nights that their owner has taken back since.
    pub(super) async fn facts(&self, mail: &LedgerMail) -> Result<Option<Facts>, JobError> {
        let mut facts = Facts::read(mail.facts.as_deref());
        if facts.milestones.is_empty() {
            return Ok(Some(facts));
        }
        let nights = self.cx.effects().catalogue.nights_of(self.key.user_id).await;
        let nights = nights.map_err(catalogue_error)?;
        let there = |id: &String| nights.iter().any(|night| night.night_id == *id);
        facts.milestones.retain(|milestone| milestone.night.as_ref().is_none_or(there));
        Ok(Some(facts).filter(|facts| !facts.milestones.is_empty()))
    }

    /// The message; or why it can never be one.
    pub(super) async fn letter(
        &self,
        facts: Facts,
        recipient: &Recipient,
        zone: Tz,
    ) -> Result<Result<Letter, LetterError>, JobError> {
        let settings = &self.office.settings;
        let language = Language::of(recipient.locale.as_deref());
        let list = self.template.list();
        let token = settings.keys.token(self.key.user_id, list.name()).filter(|_| !list.unasked());
        let one_click =
            token.filter(|_| !settings.unsubscribe_url.is_empty()).map(|token| OneClick {
                url: format!("{}{token}", settings.unsubscribe_url),
                mailto: Some(&settings.unsubscribe_mailto)
                    .filter(|address| !address.is_empty())
                    .map(|address| format!("mailto:{address}?subject={token}")),
            });
        let told = told::filling(&self.cx.effects().catalogue, language, &self.key, facts, zone);
        let filling = Filling {
            app_name: told::clean(&settings.app_name),
            app_url: settings.app_url.clone(),
            name: recipient.name.as_deref().map(told::clean).unwrap_or_default(),
            unsubscribe_url: one_click.as_ref().map(|each| each.url.clone()).unwrap_or_default(),
            ..told.await?
        };
        let page = page::page(self.template, language, filling).map_err(JobError::discard)?;
        let draft = Draft {
            key: &self.key,
            from: &settings.from,
            address: &recipient.address,
            name: recipient.name.as_deref(),
            subject: &page.subject,
            text: page.text,
            html: page.html,
            one_click,
            now_ms: self.now(),
        };
        Ok(draft.letter())
    }
}
