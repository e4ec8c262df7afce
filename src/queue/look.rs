//! One job at one moment, with the place in the queue's events where that moment is.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use redis::Script;
use serde_json::Value;

use super::events::Happened;
use super::{QueueError, Queues};

static LOOK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/look.lua")));

/// What is read of a job, in the order in which [`Seen::of`] takes it.
const FIELDS: [&str; 13] = [
    "name",
    "data",
    "opts",
    "timestamp",
    "delay",
    "priority",
    "progress",
    "atm",
    "ats",
    "processedOn",
    "finishedOn",
    "returnvalue",
    "failedReason",
];

type Text = Option<String>;

/// The place of an event in a queue's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64, u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (ms, number) = text.split_once('-').ok_or(())?;
        Ok(Self(ms.parse().map_err(|_| ())?, number.parse().map_err(|_| ())?))
    }
}

/// A job at one moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its state, in BullMQ's words.
    pub state: String,
    /// When a delayed job is due, in ms since 1970.
    pub due: Option<u64>,
    /// Kind.
    pub kind: String,
    /// Payload; text if it is not JSON.
    pub payload: Value,
    /// The producer's options.
    pub options: Value,
    /// When it was added, in ms since 1970.
    pub added: Option<u64>,
    /// The latest delay, in ms.
    pub delay: u64,
    /// BullMQ's number.
    pub priority: u64,
    /// What the handler told last.
    pub progress: Option<Value>,
    /// Attempts that have ended.
    pub attempts_made: u64,
    /// Attempts that have begun.
    pub attempts_started: u64,
    /// When the latest attempt began, in ms since 1970.
    pub started: Option<u64>,
    /// When it ended for good, in ms since 1970.
    pub finished: Option<u64>,
    /// What a completed job returned.
    pub returned: Option<Value>,
    /// Why the latest attempt failed.
    pub failed_reason: Option<String>,
}

impl Queues {
    /// A job, or none, and the place of that moment in the queue's events.
    pub async fn look(
        &self,
        queue: &str,
        id: &str,
    ) -> Result<(Position, Option<Seen>), QueueError> {
        let base = self.base(queue);
        let mut call = LOOK.key(self.job_key(queue, id));
        for part in [
            "completed",
            "failed",
            "delayed",
            "prioritized",
            "waiting-children",
            "active",
            "events",
        ] {
            call.key(format!("{base}:{part}"));
        }
        call.arg(id);
        for field in FIELDS {
            call.arg(field);
        }
        let (position, state, due, fields): (String, Text, Option<f64>, Vec<Option<Vec<u8>>>) =
            call.invoke_async(&mut self.redis()).await.map_err(QueueError::of("look at a job"))?;
        let seen = state.map(|state| Seen::of(state, due, fields));
        Ok((position.parse().unwrap_or_default(), seen))
    }
}

impl Seen {
    /// Whether it has completed, or failed for good.
    pub fn has_ended(&self) -> bool {
        self.state == "completed" || self.state == "failed"
    }

    /// How it ended, if it has.
    pub fn end(&self) -> Option<Happened> {
        match self.state.as_str() {
            "completed" => Some(Happened::Completed(self.returned.clone().unwrap_or(Value::Null))),
            "failed" => Some(Happened::Failed(self.failed_reason.clone().unwrap_or_default())),
            _ => None,
        }
    }

    fn of(state: String, due: Option<f64>, fields: Vec<Option<Vec<u8>>>) -> Self {
        let mut fields = fields.into_iter();
        let mut text = || fields.next().flatten().map(|bytes| lossy(&bytes));
        let number = |text: Text| text.and_then(|text| text.parse().ok());
        Self {
            state,
            due: due.map(due_ms),
            kind: text().unwrap_or_default(),
            payload: text().map_or(Value::Null, json_or_text),
            options: text().map_or(Value::Null, json_or_text),
            added: number(text()),
            delay: number(text()).unwrap_or(0),
            priority: number(text()).unwrap_or(0),
            progress: text().map(json_or_text),
            attempts_made: number(text()).unwrap_or(0),
            attempts_started: number(text()).unwrap_or(0),
            started: number(text()),
            finished: number(text()),
            returned: text().map(json_or_text),
            failed_reason: text(),
        }
    }
}

/// Nobody keeps a producer from writing other bytes.
pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// BullMQ keeps JSON, but a hash can hold anything.
pub(super) fn json_or_text(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// BullMQ's score counts 1/4096 ms.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time since 1970, far below 2^53"
)]
fn due_ms(score: f64) -> u64 {
    (score / 4096.0).floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_as_numbers() {
        let position = |text: &str| text.parse::<Position>();
        assert!(position("9-2").unwrap() < position("10-0").unwrap());
        assert!(position("9-2").unwrap() < position("9-10").unwrap());
        assert_eq!(position("9-10").unwrap().to_string(), "9-10");
        for text in ["", "9", "a-1", "9-", "-1-1", "99999999999999999999-1"] {
            assert!(position(text).is_err(), "{text}");
        }
    }

    #[test]
    fn due_times_lose_their_place_within_the_millisecond() {
        assert_eq!(due_ms(1_763_636_043_123.0 * 4096.0 + 17.0), 1_763_636_043_123);
    }
}
