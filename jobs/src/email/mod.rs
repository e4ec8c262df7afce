//! Mail to users: which, to whom, when, and never twice.
//!
//! - `template`: what mails there are, and which list each is of; `facts`: what each tells;
//! - `ask`: other jobs ask for a mail here;
//! - `send_email`: the kind that sends one; `sending`: how; `standing`: what becomes of one that was begun before;
//!   `later`: when it is tried again; `fate`: what becomes of it when it was not taken;
//! - `told`: from ids to names; `words`: dates and numbers in the languages that there are; `page`: subject,
//!   text and HTML;
//! - `celebrate_milestones`: the kind that finds out what there is to celebrate; `milestones`: how.

mod celebrate_milestones;
mod facts;
mod fate;
mod later;
mod milestones;
mod page;
mod send_email;
mod sending;
mod standing;
mod template;
#[cfg(test)]
mod tests;
mod told;
mod words;
mod writing;

pub use celebrate_milestones::CelebrateMilestones;
pub(crate) use celebrate_milestones::look_for_milestones;
pub(crate) use facts::Facts;
pub(crate) use fate::Alert;

pub use send_email::SendEmail;
pub use template::{List, Template};

use crate::context::JobContext;
use crate::effects::catalogue::{MailKey, NewMail, catalogue_error};
use crate::job::JobError;

/// Asks for a mail: writes it into the ledger with what it tells, and adds the job that sends it. Asked
/// again, it is the same one. Where no mail is configured, or nobody has subscribed to it, nothing happens.
pub(crate) async fn ask(
    cx: &JobContext,
    user_id: i64,
    template: Template,
    value: &str,
    facts: &Facts,
) -> Result<(), JobError> {
    let effects = cx.effects();
    if effects.mail.office().is_none() {
        return Ok(());
    }
    let list = template.list();
    if !list.unasked() {
        let wanted = effects.catalogue.mail_wanted(user_id, list.name()).await;
        if wanted.map_err(catalogue_error)? != Some(true) {
            return Ok(());
        }
    }
    let key = MailKey { user_id, template: template.name(), value: value.to_owned() };
    let mail = NewMail { key: &key, facts: Some(&facts.written()) };
    let reserved = effects.catalogue.reserve_mail(mail, effects.clock.now_ms()).await;
    // Of a user who has gone, nobody is told.
    match reserved.map_err(catalogue_error)? {
        Some(_) => cx.enqueue(SendEmail::follow_up(user_id, template, value)).await,
        None => Ok(()),
    }
}
