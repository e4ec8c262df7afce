//! When a schedule fires next. Pure.
//!
//! A firing adds the next one when it starts, as BullMQ's own workers do, so a schedule goes on as long
//! as somebody works.

use bullmq::job_scheduler::next_cron_millis;
use serde_json::{Value, json};

use super::record::{Record, number};

/// The firing after a given one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Firing {
    /// The given one, in ms since 1970: what the schedule's book must say for this one to be added.
    pub(super) after_ms: u64,
    /// When it is due, in ms since 1970.
    pub(super) due_ms: u64,
    /// Its job's options.
    pub(super) options: Value,
}

/// What comes after this job; none: it is no firing, or the schedule is at its end.
///
/// # Errors
///
/// A pattern or a time zone that nobody can read.
pub(super) fn next(
    id: &str,
    record: &Record,
    now_ms: u64,
) -> Result<Option<Firing>, bullmq::Error> {
    let (Some(schedule), Some(repeat)) = (record.schedule(), record.options().get("repeat")) else {
        return Ok(None);
    };
    // A firing's id is `repeat:<schedule>:<due>`.
    let Some(after_ms) = id.rsplit(':').next().and_then(|due| due.parse().ok()) else {
        return Ok(None);
    };
    let setting = |name: &str| repeat.get(name).and_then(number);
    let end_ms = setting("endDate").unwrap_or(u64::MAX);
    let fired = setting("count").unwrap_or(0).saturating_add(1);
    if setting("limit").is_some_and(|limit| fired > limit) {
        return Ok(None);
    }
    let due_ms = match (repeat.get("pattern").and_then(Value::as_str), setting("every")) {
        (Some(pattern), _) => {
            let zone = repeat.get("tz").and_then(Value::as_str);
            next_cron_millis(pattern, now_ms.max(after_ms), zone, setting("startDate"))?
        }
        (None, Some(every)) if every > 0 => {
            Some(next_slot(after_ms, every, setting("offset"), now_ms))
        }
        _ => None,
    };
    let Some(due_ms) = due_ms.filter(|due_ms| *due_ms <= end_ms) else { return Ok(None) };
    let mut options = record.options().clone();
    options["repeat"]["count"] = json!(fired);
    options["prevMillis"] = json!(due_ms);
    options["timestamp"] = json!(now_ms);
    options["delay"] = json!(due_ms.saturating_sub(now_ms));
    options["jobId"] = json!(format!("repeat:{schedule}:{due_ms}"));
    options["repeatJobKey"] = json!(schedule);
    Ok(Some(Firing { after_ms, due_ms, options }))
}

/// Firings that were missed are made up for by one, and the rhythm is kept.
fn next_slot(after_ms: u64, every: u64, offset: Option<u64>, now_ms: u64) -> u64 {
    let next = after_ms.saturating_add(every);
    if next >= now_ms {
        return next;
    }
    let offset = offset.unwrap_or(after_ms % every) % every;
    let slot = now_ms / every * every + offset;
    if slot <= now_ms { slot + every } else { slot }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rhythm_survives_missed_firings() {
        for (after, every, offset, now, expected) in [
            (10_000, 1_000, None, 10_200, 11_000),
            (10_250, 1_000, None, 15_400, 16_250),
            (10_250, 1_000, None, 15_100, 15_250),
            (10_000, 1_000, Some(300), 15_100, 15_300),
            (10_000, 1_000, None, 11_000, 11_000),
        ] {
            assert_eq!(next_slot(after, every, offset, now), expected, "{after} {every} {now}");
        }
    }
}
