//! A job's hash, as BullMQ's clients write it.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value as Reply};
use serde_json::Value;

use super::transition::{ProducerBackoff, RetryOptions};

/// Stack traces that a job keeps, if its producer did not say.
const TRACES_KEPT: u32 = 10;

/// How long ended jobs are kept; none: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// At most so many.
    pub count: Option<u64>,
    /// At most so long.
    pub age: Option<Duration>,
}

/// One job as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// A dozen: looking through them is quicker than hashing.
    fields: Vec<(String, String)>,
    options: Value,
}

impl FromRedisValue for Record {
    fn from_redis_value(reply: Reply) -> Result<Self, ParsingError> {
        let pairs = reply.into_map_iter().map_err(|_| "not a hash of a job")?;
        // One that is not UTF-8 must not keep the job from being dealt with.
        Ok(Self::new(pairs.map(|(name, value)| (text(name), text(value))).collect()))
    }
}

fn text(reply: Reply) -> String {
    match reply {
        Reply::BulkString(bytes) => String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        Reply::SimpleString(text) => text,
        Reply::Int(number) => number.to_string(),
        _ => String::new(),
    }
}

impl Record {
    fn new(fields: Vec<(String, String)>) -> Self {
        let mut record = Self { fields, options: Value::Null };
        record.options = serde_json::from_str(record.field("opts")).unwrap_or(Value::Null);
        record
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn field(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.field(name).parse().unwrap_or(0)
    }

    fn option_number(&self, name: &str) -> Option<u64> {
        number(self.options.get(name)?)
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        self.field("name")
    }

    /// The payload's text.
    pub fn payload(&self) -> &str {
        self.field("data")
    }

    /// When it was added, in ms since 1970.
    pub fn added_at(&self) -> u64 {
        self.number("timestamp")
    }

    /// Its last delay in ms.
    pub fn delay(&self) -> u64 {
        self.number("delay")
    }

    /// The priority that its producer asked for; 0: none.
    pub fn priority_asked(&self) -> u64 {
        self.option_number("priority").unwrap_or(0)
    }

    /// BullMQ's priority; 0: none.
    pub fn priority(&self) -> u64 {
        self.number("priority")
    }

    /// Attempts that failed.
    pub fn attempts_made(&self) -> u32 {
        u32::try_from(self.number("atm")).unwrap_or(u32::MAX)
    }

    /// How often it took its worker down, or lost its lease.
    pub fn crashes(&self) -> u32 {
        u32::try_from(self.number("stc")).unwrap_or(u32::MAX - 1)
    }

    /// Executions, counted as attempts or not.
    pub fn runs(&self) -> u32 {
        u32::try_from(self.number("ats")).unwrap_or(u32::MAX)
    }

    /// Why it must fail instead of being run: it crashed too often, or a child of it failed.
    pub fn deferred_failure(&self) -> Option<&str> {
        self.get("defa")
    }

    /// The schedule that it is a firing of.
    pub fn schedule(&self) -> Option<&str> {
        self.get("rjk").filter(|id| !id.is_empty())
    }

    /// What its producer wrote into `opts`.
    pub fn options(&self) -> &Value {
        &self.options
    }

    /// `attempts`, if given; producers that were not told write 0.
    pub fn attempts(&self) -> Option<u32> {
        let attempts = self.option_number("attempts").filter(|attempts| *attempts > 0)?;
        Some(u32::try_from(attempts).unwrap_or(u32::MAX))
    }

    /// What it asks for about retries.
    pub fn retry_options(&self) -> RetryOptions {
        RetryOptions { attempts: self.attempts(), backoff: self.backoff() }
    }

    fn backoff(&self) -> Option<ProducerBackoff> {
        let backoff = self.options.get("backoff")?;
        if let Some(delay) = number(backoff) {
            return Some(ProducerBackoff::Fixed(delay, 0.0));
        }
        let delay = backoff.get("delay").and_then(number).unwrap_or(0);
        let jitter = backoff.get("jitter").and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, 1.0);
        Some(match backoff.get("type")?.as_str()? {
            "fixed" => ProducerBackoff::Fixed(delay, jitter),
            "exponential" => ProducerBackoff::Exponential(delay, jitter),
            _ => ProducerBackoff::Custom,
        })
    }

    /// Whether it goes in front of those that wait.
    pub fn lifo(&self) -> bool {
        self.options.get("lifo").and_then(Value::as_bool).unwrap_or(false)
    }

    /// Stack traces to keep.
    pub fn traces_kept(&self) -> u64 {
        self.option_number("stackTraceLimit").unwrap_or(u64::from(TRACES_KEPT))
    }

    /// Log lines to keep; 0: all.
    pub fn logs_kept(&self) -> u64 {
        self.option_number("kl").unwrap_or(0)
    }

    /// How long to keep it once it has completed; none: its producer did not say.
    pub fn keep_completed(&self) -> Option<Keep> {
        keep(self.options.get("removeOnComplete")?)
    }

    /// How long to keep it once it has failed; none: its producer did not say.
    pub fn keep_failed(&self) -> Option<Keep> {
        keep(self.options.get("removeOnFail")?)
    }

    /// Its producer's trace context, as its telemetry wrote it.
    pub fn telemetry(&self) -> Option<&str> {
        self.options.get("tm")?.as_str()
    }
}

/// JavaScript writes whole numbers as floats at times.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts of floats saturate, which is what is wanted"
)]
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|number| number as u64))
}

/// `true`: at once; `false`: never; a number: so many; else by count and age in seconds.
fn keep(option: &Value) -> Option<Keep> {
    match option {
        Value::Bool(true) => Some(Keep { count: Some(0), age: None }),
        Value::Bool(false) => Some(Keep::default()),
        // BullMQ's own word for "all".
        Value::Number(count) if count.as_f64().is_some_and(|count| count < 0.0) => {
            Some(Keep::default())
        }
        Value::Number(_) => Some(Keep { count: number(option), age: None }),
        Value::Object(limits) => Some(Keep {
            count: limits.get("count").and_then(number),
            age: limits.get("age").and_then(number).map(Duration::from_secs),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(options: &Value) -> Record {
        Record::new(vec![("opts".to_owned(), options.to_string())])
    }

    #[test]
    fn retention_is_read_in_all_its_spellings() {
        let seconds = Duration::from_secs;
        for (option, expected) in [
            (json!(true), Some(Keep { count: Some(0), age: None })),
            (json!(false), Some(Keep::default())),
            (json!(-1), Some(Keep::default())),
            (json!(7), Some(Keep { count: Some(7), age: None })),
            (json!({ "age": 60 }), Some(Keep { count: None, age: Some(seconds(60)) })),
            (
                json!({ "age": 60, "count": 5.0 }),
                Some(Keep { count: Some(5), age: Some(seconds(60)) }),
            ),
            (json!("odd"), None),
        ] {
            let record = with(&json!({ "removeOnComplete": option }));
            assert_eq!(record.keep_completed(), expected, "{option}");
            assert_eq!(record.keep_failed(), None);
        }
    }

    #[test]
    fn backoff_is_read_in_all_its_spellings() {
        for (option, expected) in [
            (json!(500), Some(ProducerBackoff::Fixed(500, 0.0))),
            (json!({ "type": "fixed", "delay": 5 }), Some(ProducerBackoff::Fixed(5, 0.0))),
            (
                json!({ "type": "exponential", "delay": 5, "jitter": 0.5 }),
                Some(ProducerBackoff::Exponential(5, 0.5)),
            ),
            (json!({ "type": "mine" }), Some(ProducerBackoff::Custom)),
            (json!({}), None),
        ] {
            let record = with(&json!({ "backoff": option, "attempts": 0 }));
            assert_eq!(record.retry_options().backoff, expected, "{option}");
            assert_eq!(record.attempts(), None);
        }
    }

    #[test]
    fn options_that_are_no_json_count_as_not_given() {
        let record = Record::new(vec![("opts".to_owned(), "{".to_owned())]);
        assert_eq!(record.retry_options(), RetryOptions::default());
    }
}
