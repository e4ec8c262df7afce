//! `send-email`

use std::time::Duration;

use anyhow::anyhow;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::json;

use super::sending::Sending;
use super::standing::{Next, next};
use super::template::Template;
use crate::context::{FollowUp, JobContext};
use crate::effects::catalogue::{LedgerMail, MailKey, NewMail, catalogue_error};
use crate::job::{Job, JobError, Timeout};
use crate::schema::describe;

/// Until somebody has configured it.
const OFF: Duration = Duration::from_hours(1);
/// Longer names are none: they become parts of job ids.
const LONGEST_VALUE: usize = 200;
const LOST: &str = "the worker, or its connection, was lost while it handed the mail over";

/// Sends one mail to a user, at most once.
///
/// Effects: a mail to the user's address; the ledger; an address that does not exist gets no more mails.
/// Safe to repeat because: the ledger has one row per user, template and value. Only one attempt can make it
/// `sending`, which is when a server waits for the content; whoever finds it so later gives up knowing.
/// Gives up when: a server refuses the mail, or has put it off for a day, or nobody knows whether it has it.
/// That it cannot be reached, or is wrongly configured, counts no attempt: the job is postponed. Nor does
/// greylisting: attempts are for what goes wrong here.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "userId": 7, "template": "milestone", "value": "nights-100" }]))]
pub struct SendEmail {
    user_id: i64,
    template: Template,
    /// What it is about: with user and template, which mail it is.
    #[serde(deserialize_with = "value")]
    #[schemars(schema_with = "value_schema")]
    value: String,
}

/// What [`value`] takes.
fn value_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [
        { "type": "string", "minLength": 1, "maxLength": LONGEST_VALUE,
          "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$" },
        { "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX },
    ] })
}

/// A web tier may have it as a number.
fn value<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a whole number")]
    enum Value {
        Text(String),
        Number(i64),
    }
    let value = match Value::deserialize(d)? {
        Value::Text(text) => text,
        Value::Number(number) => number.to_string(),
    };
    if value.is_empty() || value.chars().count() > LONGEST_VALUE || value.contains(char::is_control)
    {
        return Err(D::Error::custom(format!("expected 1 to {LONGEST_VALUE} letters")));
    }
    Ok(value)
}

/// What became of a mail.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailOutcome {
    /// `sent`, `failed`, `suppressed`, `unwanted`, `unknown`; `gone`: there is no such user.
    pub(super) outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// What the mail server said: `250 2.0.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_id: Option<String>,
}

impl MailOutcome {
    fn of(mail: LedgerMail) -> Self {
        Self {
            outcome: mail.state.as_str(),
            reason: mail.reason,
            status: mail.status,
            message_id: mail.message_id,
        }
    }
}

impl SendEmail {
    /// The job that sends a mail. Its id is the mail's name: however often it is asked for, it is one.
    pub(crate) fn follow_up(user_id: i64, template: Template, value: &str) -> FollowUp {
        FollowUp {
            queue: Self::QUEUE.to_owned(),
            kind: Self::KIND.to_owned(),
            payload: json!({ "userId": user_id, "template": template, "value": value }),
            id: format!("mail:{user_id}:{}:{value}", template.name()),
            delay: None,
        }
    }
}

impl Job for SendEmail {
    const KIND: &'static str = "send-email";
    const QUEUE: &'static str = "notifications";
    /// They are for what goes wrong here: a catalogue that restarts, mostly.
    const ATTEMPTS: u32 = 8;
    /// A server may take its time to say that it has a mail, and must not be cut off.
    const TIMEOUT: Timeout = Timeout::Total(Duration::from_mins(15));
    type Output = MailOutcome;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<MailOutcome, JobError> {
        let office = cx.effects().mail.office().cloned().ok_or_else(|| {
            let told = anyhow!("no mail is sent: neither mail.url nor mail.folder is configured");
            JobError::postpone(OFF, told)
        })?;
        let Self { user_id, template, value } = self;
        let key = MailKey { user_id, template: template.name(), value };
        let catalogue = &cx.effects().catalogue;
        let mail = NewMail { key: &key, facts: None };
        let mail = catalogue.reserve_mail(mail, cx.effects().clock.now_ms()).await;
        let Some(mail) = mail.map_err(catalogue_error)? else {
            let (outcome, reason) = ("gone", Some("there is no such user".to_owned()));
            return Ok(MailOutcome { outcome, reason, status: None, message_id: None });
        };
        let sending = Sending { cx: &cx, office, key, template, attempts: mail.attempts };
        match next(mail.state) {
            Next::Leave => Ok(MailOutcome::of(mail)),
            Next::GiveUpKnowing => sending.unknown(mail.attempts, LOST, mail.message_id).await,
            Next::Offer => sending.run(&mail).await,
        }
    }
}
