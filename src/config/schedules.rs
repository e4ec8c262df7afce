//! What is to be done again and again.

use std::time::Duration;

use bullmq::job_scheduler::next_cron_millis;
use roadie_jobs::email::CelebrateMilestones;
use roadie_jobs::{Job as _, Registry};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::{Config, load};

/// BullMQ's highest number.
const MAX_PRIORITY: u32 = 2_097_151;
/// More often would not be a schedule but a loop.
const LEAST: Duration = Duration::from_millis(100);

/// `[schedules.<name>]`
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// What kind of job it adds.
    pub kind: String,
    /// Where; none: the kind's own queue.
    pub queue: Option<String>,
    /// The job's payload.
    #[serde(default = "no_payload", deserialize_with = "payload")]
    pub payload: Value,
    /// When, as a cron pattern.
    pub cron: Option<String>,
    /// The time zone of the pattern; none: UTC.
    pub tz: Option<String>,
    /// How often.
    #[serde(default, with = "load::optional_duration")]
    pub every: Option<Duration>,
    /// So many times; none: for ever.
    pub limit: Option<u64>,
    /// Not before, in Unix milliseconds.
    #[serde(default, deserialize_with = "moment")]
    pub start: Option<u64>,
    /// Not after, in Unix milliseconds.
    #[serde(default, deserialize_with = "moment")]
    pub end: Option<u64>,
    /// BullMQ's priority.
    pub priority: Option<u32>,
    /// Attempts of a job; none: the kind's.
    pub attempts: Option<u32>,
}

impl Schedule {
    /// Where its jobs go.
    pub fn queue<'a>(&'a self, registry: &'a Registry) -> Option<&'a str> {
        self.queue.as_deref().or_else(|| registry.get(&self.kind).map(|entry| entry.queue))
    }
}

fn no_payload() -> Value {
    Value::Object(serde_json::Map::new())
}

/// A table, or JSON as text, as variables and flags have it.
fn payload<'de, D: Deserializer<'de>>(d: D) -> Result<Value, D::Error> {
    match Value::deserialize(d)? {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|error| D::Error::custom(format!("`{text}` is not JSON: {error}"))),
        value => Ok(value),
    }
}

/// RFC 3339, with or without quotes.
fn moment<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let text = match toml::Value::deserialize(d)? {
        toml::Value::String(text) if text.is_empty() => return Ok(None),
        toml::Value::String(text) => text,
        value => value.to_string(),
    };
    let time = chrono::DateTime::parse_from_rfc3339(&text).ok();
    let ms = time.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    ms.map(Some).ok_or_else(|| {
        D::Error::custom(format!("`{text}` is not a time such as 2027-01-31T09:00:00+01:00"))
    })
}

/// What looks for anniversaries of concerts; a schedule of that name takes its place.
const ANNIVERSARIES: &str = "anniversaries";
/// When it is the same day from the Azores to Fiji, and elsewhere night, in which nobody is congratulated.
const EARLY: &str = "0 6 * * *";

impl Config {
    /// Where mail is sent, anniversaries are looked for once a day, for all users at once.
    pub(super) fn schedule_anniversaries(&mut self) {
        let queue = CelebrateMilestones::QUEUE;
        if !self.mail.is_on() || !self.queues.contains_key(queue) {
            return;
        }
        self.schedules.entry(ANNIVERSARIES.to_owned()).or_insert_with(|| Schedule {
            kind: CelebrateMilestones::KIND.to_owned(),
            queue: Some(queue.to_owned()),
            payload: no_payload(),
            cron: Some(EARLY.to_owned()),
            tz: None,
            every: None,
            limit: None,
            start: None,
            end: None,
            priority: None,
            attempts: None,
        });
    }

    /// Schedules that cannot be meant, whoever runs their kinds, in words.
    pub(super) fn schedule_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, schedule) in &self.schedules {
            let mut fault = |words: String| faults.push(format!("schedules.{name}{words}"));
            if name.is_empty() || name.contains(':') {
                fault(": BullMQ allows no `:` in a schedule's name".to_owned());
            }
            match (&schedule.cron, schedule.every) {
                (Some(pattern), None) => {
                    if let Err(error) = next_cron_millis(pattern, 0, schedule.tz.as_deref(), None) {
                        fault(format!(": {error}"));
                    }
                }
                (None, Some(every)) => {
                    if every < LEAST {
                        fault(format!(".every is {every:?}; the least is {LEAST:?}"));
                    }
                    if schedule.tz.is_some() {
                        fault(".tz belongs to cron; `every` knows no time zone".to_owned());
                    }
                }
                _ => fault(": it needs either `cron` or `every`".to_owned()),
            }
            if schedule.limit == Some(0) {
                fault(".limit must be at least 1; without it there is none".to_owned());
            }
            if schedule.start.zip(schedule.end).is_some_and(|(start, end)| end <= start) {
                fault(".end is not after .start".to_owned());
            }
            if schedule.priority.is_some_and(|priority| priority > MAX_PRIORITY) {
                fault(format!(".priority is more than {MAX_PRIORITY}"));
            }
            if schedule.attempts == Some(0) {
                fault(".attempts must be at least 1".to_owned());
            }
        }
        faults
    }

    /// Schedules whose jobs nobody could run, in words.
    pub(super) fn unrunnable_schedules(&self, registry: &Registry) -> Vec<String> {
        let known: Vec<&str> = registry.entries().map(|entry| entry.kind).collect();
        let mut faults = Vec::new();
        for (name, schedule) in &self.schedules {
            let Some(entry) = registry.get(&schedule.kind) else {
                // Of a queue that others serve, they know the kinds.
                if schedule.queue.as_ref().is_none_or(|queue| self.queues.contains_key(queue)) {
                    let (kind, known) = (&schedule.kind, known.join(", "));
                    faults.push(format!(
                        "schedules.{name}.kind is `{kind}`, but there is no such kind; there are: {known}"
                    ));
                }
                continue;
            };
            if let Err(error) = entry.check(&schedule.payload) {
                faults.push(format!("schedules.{name}: {error}"));
            }
            if schedule.kind == "rehearse" && !self.worker.rehearsals {
                faults.push(format!("schedules.{name}: kind rehearse needs worker.rehearsals"));
            }
        }
        faults
    }
}
