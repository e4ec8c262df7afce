//! What a producer may ask for, as doors to the queue take it: BullMQ's job options.
//!
//! The types refuse what BullMQ refuses and say so in words; as JSON schemas they say the same, so
//! that the description of a door cannot differ from the door.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// BullMQ's highest number, the least urgent one.
pub const MAX_PRIORITY: u64 = 2_097_151;
/// Ten years in ms; BullMQ's own arithmetic ends soon after.
pub const MAX_DELAY: u64 = 315_576_000_000;
/// More attempts, jobs to keep or seconds than this are mistakes.
pub const MAX_COUNT: u64 = u32::MAX as u64;
/// Characters of an id: it is a part of keys, and stands in every event of its job.
const MAX_ID: usize = 255;

/// Names that BullMQ's and our own keys of a queue have, where a job's key would have its id, and two
/// that no path of a URL can hold.
const RESERVED: [&str; 19] = [
    ".",
    "..",
    "active",
    "completed",
    "delayed",
    "events",
    "failed",
    "id",
    "limiter",
    "marker",
    "meta",
    "paused",
    "pc",
    "prioritized",
    "repeat",
    "stalled",
    "stalled-check",
    "wait",
    "waiting-children",
];

/// A whole number within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Whole<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number, if it is within the bounds.
    pub fn new(number: u64) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers<const MIN: u64, const MAX: u64>;

        impl<const MIN: u64, const MAX: u64> Visitor<'_> for Numbers<MIN, MAX> {
            type Value = Whole<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                let wrong = || E::invalid_value(Unexpected::Unsigned(number), &self);
                Whole::new(number).ok_or_else(wrong)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Err(E::invalid_value(Unexpected::Signed(number), &self))
            }
        }

        deserializer.deserialize_any(Numbers)
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// Which job is first: 1 before 2 and so on; 0, as none, before all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority(u32);

const PRIORITIES: [(&str, u32); 3] = [("high", 1), ("normal", 10), ("low", 100)];

impl Priority {
    /// BullMQ's number.
    pub fn get(self) -> u32 {
        self.0
    }

    fn named(name: &str) -> Option<Self> {
        PRIORITIES.iter().find(|(known, _)| *known == name).map(|(_, number)| Self(*number))
    }

    fn numbered(number: u64) -> Option<Self> {
        u32::try_from(number).ok().filter(|_| number <= MAX_PRIORITY).map(Self)
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::named(text)
            .or_else(|| text.parse().ok().and_then(Self::numbered))
            .ok_or_else(|| format!("`{text}` is not high, normal, low or 0 to {MAX_PRIORITY}"))
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Sent {
            Name(String),
            Number(Whole<0, MAX_PRIORITY>),
        }
        let priority = match Sent::deserialize(deserializer) {
            Ok(Sent::Name(name)) => Self::named(&name),
            Ok(Sent::Number(number)) => Self::numbered(number.get()),
            Err(_) => None,
        };
        let expected =
            || format!("expected high, normal, low or a number from 0 to {MAX_PRIORITY}");
        priority.ok_or_else(|| D::Error::custom(expected()))
    }
}

impl JsonSchema for Priority {
    fn schema_name() -> Cow<'static, str> {
        "Priority".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which job is first: 1 before 2 and so on; 0, as none, before all of them. \
                            `high` is 1, `normal` 10, `low` 100.",
            "anyOf": [
                { "type": "string", "enum": PRIORITIES.map(|(name, _)| name) },
                { "type": "integer", "minimum": 0, "maximum": MAX_PRIORITY },
            ],
        })
    }
}

/// An id that a producer chose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct JobId(String);

impl JobId {
    /// The text.
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl TryFrom<String> for JobId {
    type Error = String;

    /// Refuses what BullMQ refuses, and what could not be looked up afterwards.
    fn try_from(id: String) -> Result<Self, String> {
        let digits = id.strip_prefix('-').unwrap_or(&id);
        if id.contains(':') {
            return Err(format!("BullMQ allows no `:` in a job's id: `{id}`"));
        }
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(
                "BullMQ numbers jobs itself, so `{id}` cannot be an id of one's own"
            ));
        }
        if RESERVED.contains(&id.as_str()) {
            return Err(format!("`{id}` is reserved, and cannot be a job's id"));
        }
        printable(id).map(Self)
    }
}

impl FromStr for JobId {
    type Err = String;

    fn from_str(id: &str) -> Result<Self, String> {
        Self::try_from(id.to_owned())
    }
}

impl JsonSchema for JobId {
    fn schema_name() -> Cow<'static, str> {
        "JobId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An id of one's own: adding it twice adds it once. Not a number, and without `:`.",
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_ID,
            "pattern": r"^[^:\u0000-\u001f\u007f-\u009f]+$",
            "not": { "anyOf": [{ "pattern": "^-?[0-9]+$" }, { "enum": RESERVED }] },
        })
    }
}

/// What jobs are known as duplicates by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct DeduplicationId(String);

impl TryFrom<String> for DeduplicationId {
    type Error = String;

    fn try_from(id: String) -> Result<Self, String> {
        printable(id).map(Self)
    }
}

impl JsonSchema for DeduplicationId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DeduplicationId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_ID,
            "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
        })
    }
}

fn printable(id: String) -> Result<String, String> {
    let length = id.chars().count();
    if !(1..=MAX_ID).contains(&length) {
        return Err(format!("an id has 1 to {MAX_ID} characters, not {length}"));
    }
    if id.chars().any(char::is_control) {
        return Err(format!("an id holds no control characters: {id:?}"));
    }
    Ok(id)
}

/// The pause before the next attempt: ms, or a strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected ms, or {type: fixed or exponential, delay: ms, jitter?: 0 to 1}"
)]
pub enum Backoff {
    /// The same pause each time, in ms.
    Fixed(Whole<0, MAX_DELAY>),
    /// A strategy.
    Strategy(BackoffStrategy),
}

/// How pauses between attempts grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackoffStrategy {
    /// The same each time, or twice as long each time.
    #[serde(rename = "type")]
    pub strategy: BackoffType,
    /// The first pause, in ms.
    pub delay: Whole<0, MAX_DELAY>,
    /// The part of each pause that is left to chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub jitter: Option<Jitter>,
}

/// BullMQ's own strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum BackoffType {
    /// The same pause each time.
    Fixed,
    /// Twice as long each time.
    Exponential,
}

/// A part of a whole: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
#[schemars(inline)]
pub struct Jitter(f64);

impl TryFrom<f64> for Jitter {
    type Error = String;

    fn try_from(part: f64) -> Result<Self, String> {
        let within = (0.0..=1.0).contains(&part);
        within.then_some(Self(part)).ok_or_else(|| format!("{part} is not a number from 0 to 1"))
    }
}

/// Which ended jobs are kept: none of them (`true`), all (`false`), so many, or by a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected true, false, a number of jobs, or {age?: s, count?, limit?}"
)]
pub enum Keep {
    /// Whether to remove the job.
    Remove(bool),
    /// So many jobs.
    Count(Whole<0, MAX_COUNT>),
    /// By a rule.
    Rule(KeepRule),
}

/// Which ended jobs are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepRule {
    /// For so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Whole<0, MAX_COUNT>>,
    /// So many jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<Whole<0, MAX_COUNT>>,
    /// So many are removed at once, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Whole<1, MAX_COUNT>>,
}

/// When a job is a duplicate of another one, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deduplication {
    /// Jobs with the same id are duplicates.
    pub id: DeduplicationId,
    /// For so many ms; without it, until the first of them has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Whole<1, MAX_DELAY>>,
    /// Every duplicate starts the time anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend: Option<bool>,
    /// The latest one is kept while the earlier one is delayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace: Option<bool>,
    /// The latest one runs after the one that is running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last_if_active: Option<bool>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn priorities_have_names_and_numbers() {
        for (text, number) in [
            ("high", Some(1)),
            ("normal", Some(10)),
            ("low", Some(100)),
            ("7", Some(7)),
            ("0", Some(0)),
            ("x", None),
            ("-1", None),
            ("2097152", None),
        ] {
            assert_eq!(text.parse().ok().map(Priority::get), number, "{text}");
        }
        for (sent, number) in [
            (json!("high"), Some(1)),
            (json!(7), Some(7)),
            (json!("7"), None),
            (json!(2_097_152), None),
            (json!(-1), None),
            (json!(0.5), None),
            (json!(null), None),
        ] {
            let taken: Option<Priority> = serde_json::from_value(sent.clone()).ok();
            assert_eq!(taken.map(Priority::get), number, "{sent}");
        }
    }

    #[test]
    fn ids_that_bullmq_refuses_are_refused() {
        for id in ["mail-7", "7a", "a.b/c d", "Zürich", "%2F", "-"] {
            assert!(id.parse::<JobId>().is_ok(), "{id}");
        }
        for id in ["", "7", "0", "-7", "007", "a:b", "a:b:c", "wait", "meta", "..", "a\0b", "a\nb"]
        {
            assert!(id.parse::<JobId>().is_err(), "{id:?}");
        }
        assert!("x".repeat(255).parse::<JobId>().is_ok());
        assert!("x".repeat(256).parse::<JobId>().is_err());
    }

    #[test]
    fn what_is_taken_is_what_bullmq_keeps() {
        fn taken<T: Serialize + for<'de> Deserialize<'de>>(sent: &Value) -> Result<Value, String> {
            let taken: T = serde_json::from_value(sent.clone()).map_err(|e| e.to_string())?;
            Ok(serde_json::to_value(taken).unwrap())
        }
        for sent in [json!(500), json!({ "type": "exponential", "delay": 500, "jitter": 0.5 })] {
            assert_eq!(taken::<Backoff>(&sent), Ok(sent));
        }
        for sent in [
            json!("500"),
            json!(-1),
            json!({ "type": "fixed" }),
            json!({ "type": "ours", "delay": 1 }),
            json!({ "type": "fixed", "delay": 1, "jitter": 1.5 }),
            json!({ "type": "fixed", "delay": 1, "extra": 1 }),
        ] {
            let error = taken::<Backoff>(&sent).unwrap_err();
            assert!(error.contains("fixed or exponential"), "{error}");
        }
        for sent in
            [json!(true), json!(100), json!({ "age": 60, "count": 5, "limit": 10 }), json!({})]
        {
            assert_eq!(taken::<Keep>(&sent), Ok(sent));
        }
        for sent in [json!("true"), json!(-1), json!({ "age": -1 }), json!({ "ages": 1 })] {
            assert!(taken::<Keep>(&sent).unwrap_err().contains("a number of jobs"));
        }
        let rule = json!({ "id": "a:b", "ttl": 5, "extend": true, "replace": false, "keepLastIfActive": true });
        assert_eq!(taken::<Deduplication>(&rule), Ok(rule));
        for sent in [json!({}), json!({ "id": "" }), json!({ "id": "a", "ttl": 0 }), json!("a")] {
            assert!(taken::<Deduplication>(&sent).is_err(), "{sent}");
        }
    }
}
