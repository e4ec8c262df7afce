//! What job a task becomes.

use std::collections::HashMap;
use std::fmt::Write as _;

use bullmq::types::RemoveOnFinish;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::queue::apalis::{Task, TaskJob};

/// What apalis-redis writes for producers that did not say how many attempts they want.
const ATTEMPTS_UNSAID: u32 = 25;
/// BullMQ's highest number.
const MAX_PRIORITY: u32 = 2_097_151;
/// The end of the year 9999; what is due later was never meant to be.
const LATEST_MS: u64 = 253_402_300_799_000;
/// A job's id holds no colon, which parts the keys of Redis.
const NOT_IN_ID: &AsciiSet = &CONTROLS.add(b':').add(b'%').add(b' ');
/// Longer ids would not fit into an index of the catalogue.
const MAX_ID: usize = 200;

/// BullMQ's options, as far as tasks have them.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Options<'a> {
    job_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff: Option<Backoff>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remove_on_complete: Option<RemoveOnFinish>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remove_on_fail: Option<RemoveOnFinish>,
    /// The producer's trace: an OpenTelemetry carrier, as JSON.
    #[serde(rename = "tm", skip_serializing_if = "Option::is_none")]
    telemetry: Option<String>,
}

/// BullMQ's number.
#[derive(Debug, Deserialize)]
#[serde(try_from = "u32")]
struct Priority(u32);

impl TryFrom<u32> for Priority {
    type Error = &'static str;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        if number <= MAX_PRIORITY { Ok(Self(number)) } else { Err("past BullMQ's highest number") }
    }
}

/// As BullMQ's producers write it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Backoff {
    Pause(u64),
    Strategy {
        #[serde(rename = "type")]
        strategy: Strategy,
        delay: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jitter: Option<f64>,
    },
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    Fixed,
    Exponential,
}

/// The job, and the metadata that was meant for it but cannot be understood. `pause`: the first one
/// between attempts, in ms, where the producer asks for attempts and says nothing of pauses; BullMQ's
/// own workers would make none.
pub(super) fn job_of(
    intake: &str,
    pause: u64,
    task: Task,
    now_ms: u64,
) -> (TaskJob, Vec<&'static str>) {
    let mut ignored = Vec::new();
    let meta = Meta(&task.meta);
    let id = job_id(intake, &task.id);
    let due_ms = task.due.map_or(now_ms, millis);
    let added_ms = due_ms.min(now_ms);
    let priority = meta.option("priority", &mut ignored).map(|Priority(number)| number);
    let attempts = meta.number("max_attempts").filter(|n| !matches!(*n, 0 | ATTEMPTS_UNSAID));
    let usual = attempts.map(|_| Backoff::Strategy {
        strategy: Strategy::Exponential,
        delay: pause,
        jitter: Some(1.0),
    });
    let options = Options {
        job_id: &id,
        attempts,
        delay: (due_ms > now_ms).then(|| due_ms - now_ms),
        priority,
        backoff: meta.option("backoff", &mut ignored).or(usual),
        remove_on_complete: meta.option("removeOnComplete", &mut ignored),
        remove_on_fail: meta.option("removeOnFail", &mut ignored),
        telemetry: meta.traceparent().map(|parent| json!({ "traceparent": parent }).to_string()),
    };
    let completed_when_gone =
        removes(options.remove_on_complete.as_ref()) && !removes(options.remove_on_fail.as_ref());
    let job = TaskJob {
        options: serde_json::to_string(&options).unwrap_or_else(|_| "{}".to_owned()),
        payload: task.args.map(payload),
        priority: priority.unwrap_or(0),
        added_ms,
        due_ms,
        attempts_made: meta.number("attempts").unwrap_or(0),
        completed_when_gone,
        task: task.id,
        id,
    };
    (job, ignored)
}

/// `<intake>.<task id>`: two intakes never make the same id, and a number never becomes one of
/// BullMQ's own.
fn job_id(intake: &str, task: &[u8]) -> String {
    let id = format!("{intake}.{}", percent_encode(task, NOT_IN_ID));
    if id.len() <= MAX_ID {
        return id;
    }
    Sha256::digest(task).iter().fold(format!("{intake}.sha256-"), |mut id, byte| {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// Seconds as apalis keeps them; any number may be there.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float ends at the limits of the integer"
)]
fn millis(seconds: f64) -> u64 {
    ((seconds * 1000.0) as u64).min(LATEST_MS)
}

/// JSON stays as it is. What another codec wrote becomes a JSON string that no kind takes for its payload,
/// so that it ends as a dead letter and not as a loss.
fn payload(args: Vec<u8>) -> String {
    if serde_json::from_slice::<Value>(&args).is_ok()
        && let Ok(json) = String::from_utf8(args.clone())
    {
        return json;
    }
    let text = match String::from_utf8(args) {
        Ok(text) => text,
        Err(binary) => {
            let encoded = percent_encode(binary.as_bytes(), NON_ALPHANUMERIC);
            format!("data:application/octet-stream,{encoded}")
        }
    };
    Value::String(text).to_string()
}

fn removes(policy: Option<&RemoveOnFinish>) -> bool {
    policy.is_some_and(|policy| !matches!(policy, RemoveOnFinish::Bool(false)))
}

/// apalis' fields of a task, and those that its producer added.
struct Meta<'a>(&'a HashMap<String, String>);

impl Meta<'_> {
    /// One of apalis' own.
    fn number(&self, field: &str) -> Option<u32> {
        self.0.get(field)?.parse().ok()
    }

    /// The producer's span: as OpenTelemetry's propagators name it, or as apalis keeps it (trace; span;
    /// flags as a decimal number; state).
    fn traceparent(&self) -> Option<String> {
        if let Some(parent) = self.0.get("traceparent") {
            return Some(parent.clone());
        }
        let mut parts = self.0.get("apalis_core.tracing.context")?.split(';');
        let (trace, span) = (parts.next()?, parts.next()?);
        let flags: u8 = parts.next()?.parse().unwrap_or(0);
        Some(format!("00-{trace}-{span}-{flags:02x}"))
    }

    /// One that the producer put there, named as BullMQ names the option.
    fn option<T: for<'de> Deserialize<'de>>(
        &self,
        field: &'static str,
        ignored: &mut Vec<&'static str>,
    ) -> Option<T> {
        let option = serde_json::from_str(self.0.get(field)?).ok();
        if option.is_none() {
            ignored.push(field);
        }
        option
    }
}

#[cfg(test)]
mod tests;
