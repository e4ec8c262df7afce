//! `celebrate-milestones`

use std::time::Duration;

use chrono::{DateTime, Months, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::facts::Facts;
use super::later;
use super::milestones::{ANNIVERSARIES, Celebration, RIPE, celebrate};
use super::send_email::SendEmail;
use super::template::{List, Template};
use crate::context::{FollowUp, JobContext};
use crate::effects::catalogue::{MailKey, catalogue_error};
use crate::job::{Job, JobError, Timeout};
use crate::schema::describe;

/// Milestones that a digest names; a library of ten thousand concerts has hundreds.
const NAMED: usize = 12;
/// Users that are looked for at once.
const USERS: u32 = 500;

/// Finds out what a user has to celebrate, and has one mail at most sent about it; without a user, looks for
/// everybody who was at a show on this day, years ago.
///
/// Effects: what was celebrated is kept; a job `send-email`, or for everybody, one of this kind each; a job of
/// this kind for when links that are too young will count.
/// Safe to repeat because: marks only rise, and are written together with the mail that tells of them.
/// Gives up when: never: what the catalogue does not answer is asked again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "userId": 7 }]))]
pub struct CelebrateMilestones {
    #[serde(default)]
    user_id: Option<i64>,
}

/// What there was to celebrate.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Celebrated {
    /// Steps that were reached.
    milestones: usize,
    /// The mail that tells of them, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<String>,
    /// Users that were handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<usize>,
}

/// After links of a user have changed. `confirmed`: their owner has said so, so that they count at once.
pub(crate) async fn look_for_milestones(
    cx: &JobContext,
    user_id: i64,
    confirmed: bool,
) -> Result<(), JobError> {
    let effects = cx.effects();
    if effects.mail.office().is_none() {
        return Ok(());
    }
    let now = effects.clock.now_ms();
    let (id, delay) = if confirmed {
        (format!("celebrate:{user_id}:{now}"), None)
    } else {
        // One look a day: those links that are still too young then are looked at by another one.
        (format!("celebrate:{user_id}:{}-links", today(now, Tz::UTC)), Some(RIPE))
    };
    cx.enqueue(job(user_id, id, delay)).await
}

fn job(user_id: i64, id: String, delay: Option<Duration>) -> FollowUp {
    FollowUp {
        queue: CelebrateMilestones::QUEUE.to_owned(),
        kind: CelebrateMilestones::KIND.to_owned(),
        payload: json!({ "userId": user_id }),
        id,
        delay,
    }
}

fn today(now_ms: i64, zone: Tz) -> NaiveDate {
    DateTime::from_timestamp_millis(now_ms).unwrap_or_default().with_timezone(&zone).date_naive()
}

/// The user's day on which a mail would be sent: at night, that of the morning.
fn read_on(cx: &JobContext, now_ms: i64, zone: Tz) -> NaiveDate {
    let quiet = cx.effects().mail.office().map(|office| office.settings.quiet);
    let asleep = quiet.and_then(|quiet| later::asleep(now_ms, zone, quiet)).unwrap_or_default();
    today(now_ms.saturating_add(i64::try_from(asleep.as_millis()).unwrap_or(0)), zone)
}

impl Job for CelebrateMilestones {
    const KIND: &'static str = "celebrate-milestones";
    const QUEUE: &'static str = "notifications";
    const ATTEMPTS: u32 = 8;
    const TIMEOUT: Timeout = Timeout::Silence(Duration::from_mins(2));
    type Output = Celebrated;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<Celebrated, JobError> {
        if cx.effects().mail.office().is_none() {
            return Ok(Celebrated::default());
        }
        match self.user_id {
            Some(user_id) => of_user(&cx, user_id).await,
            None => of_everybody(&cx).await,
        }
    }
}

async fn of_user(cx: &JobContext, user_id: i64) -> Result<Celebrated, JobError> {
    let effects = cx.effects();
    let catalogue = &effects.catalogue;
    // Of an attempt that was cut off after it had noted them.
    let open = [Template::Milestone, Template::MilestoneDigest].map(Template::name);
    let open = catalogue.mails_to_ask_for(user_id, open).await.map_err(catalogue_error)?;
    for (template, value) in &open {
        if let Some(template) = Template::named(template) {
            cx.enqueue(SendEmail::follow_up(user_id, template, value)).await?;
        }
    }
    let recipient = catalogue.mail_recipient(user_id).await.map_err(catalogue_error)?;
    let zone = recipient.as_ref().and_then(|each| each.tz.as_deref()?.parse().ok());
    let now = effects.clock.now_ms();
    let today = read_on(cx, now, zone.unwrap_or(Tz::UTC));
    let nights = catalogue.nights_of(user_id).await.map_err(catalogue_error)?;
    let marks = catalogue.milestone_marks(user_id).await.map_err(catalogue_error)?;
    let found = celebrate(&nights, &marks, now, today);
    if let Some(at) = found.look_again_at {
        let delay = Duration::from_millis(u64::try_from(at - now).unwrap_or(0));
        cx.enqueue(job(user_id, format!("celebrate:{user_id}:{at}"), Some(delay))).await?;
    }
    if found.milestones.is_empty() {
        return Ok(Celebrated::default());
    }
    let wanted = catalogue.mail_wanted(user_id, List::Milestones.name()).await;
    let wanted = wanted.map_err(catalogue_error)? == Some(true) && recipient.is_some();
    let (template, value, facts) = mail(&found, now);
    let key = MailKey { user_id, template: template.name(), value };
    // What nobody wants to hear of is not made up for when they do.
    let told = wanted.then(|| (&key, facts.written()));
    let told = told.as_ref().map(|(key, facts)| (*key, facts.as_str()));
    let noted = catalogue.celebrate(user_id, &found.marks(), told, now).await;
    if !noted.map_err(catalogue_error)? {
        return Ok(Celebrated::default());
    }
    if wanted {
        cx.enqueue(SendEmail::follow_up(user_id, template, &key.value)).await?;
    }
    let milestones = found.milestones.len();
    Ok(Celebrated { milestones, mail: wanted.then_some(key.value), users: None })
}

/// The mail that tells of it.
fn mail(found: &Celebration, now_ms: i64) -> (Template, String, Facts) {
    let named = found.milestones.len().min(NAMED);
    let milestones = found.milestones[..named].to_vec();
    let more = found.milestones.len() - named;
    let facts = Facts { milestones, more, ..Facts::default() };
    match found.milestones.first().filter(|_| !found.digest) {
        Some(only) => (Template::Milestone, only.value(), facts),
        None => (Template::MilestoneDigest, now_ms.to_string(), facts),
    }
}

async fn of_everybody(cx: &JobContext) -> Result<Celebrated, JobError> {
    let effects = cx.effects();
    let today = today(effects.clock.now_ms(), Tz::UTC);
    let (mut users, mut last) = (0, i64::MIN);
    // Where the day has begun already, and where it has not.
    for day in [today, today + TimeDelta::days(1), today - TimeDelta::days(1)] {
        loop {
            cx.safe_point()?;
            let past = ANNIVERSARIES
                .map(|years| day - Months::new(12 * u32::try_from(years).unwrap_or(0)));
            let found = effects.catalogue.users_with_nights_on(&past, last, USERS).await;
            let found = found.map_err(catalogue_error)?;
            let Some(end) = found.last() else { break };
            last = *end;
            for user_id in &found {
                cx.enqueue(job(*user_id, format!("celebrate:{user_id}:{today}"), None)).await?;
            }
            users += found.len();
        }
        last = i64::MIN;
    }
    Ok(Celebrated { users: Some(users), ..Celebrated::default() })
}
