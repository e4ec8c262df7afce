//! What a configured schedule needs, from what the book says of it. Pure.

use bullmq::job_scheduler::next_cron_millis;

use crate::queue::book::{Entry, Plan, Present, Timing};

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Leave,
    /// Its entry; it does not fire any more.
    Entry,
    /// Its entry and its next firing: when (Unix ms), and which one that is.
    Fire(u64, u64),
}

/// A schedule that is as configured is left alone, so that a restart neither skips nor repeats a firing.
/// One that has changed keeps the firing that is due already.
///
/// # Errors
///
/// A pattern or a zone that nobody can read; such a configuration was refused before.
pub(super) fn decide(plan: &Plan, seen: Option<&Entry>, now: u64) -> Result<Step, bullmq::Error> {
    let Some(seen) = seen else {
        return Ok(fire(plan, None, first(plan, now)?, 1));
    };
    let same = seen.fields == plan.fields();
    let next = match (same, seen.firing) {
        (true, Present::Delayed | Present::Due) => return Ok(Step::Leave),
        // It was lost before its time.
        (true, Present::Gone) if seen.due_ms > now => (Some(seen.due_ms), seen.count),
        // Nobody has planned the next one: what should have is gone, or the schedule is at its end.
        (_, Present::Due | Present::Ended | Present::Gone) => {
            (after(plan, seen.due_ms, now)?, seen.count + 1)
        }
        (false, Present::Delayed) if same_times(plan, seen) || seen.due_ms <= now => {
            (Some(seen.due_ms), seen.count)
        }
        (false, Present::Delayed) => (sooner(plan, seen, now)?, seen.count),
    };
    Ok(fire(plan, Some(same), next.0, next.1))
}

/// The firing after one that somebody else has taken meanwhile.
pub(super) fn later(plan: &Plan, taken: u64, count: u64) -> Result<Step, bullmq::Error> {
    Ok(fire(plan, Some(false), after(plan, taken, taken)?, count))
}

fn fire(plan: &Plan, same: Option<bool>, due: Option<u64>, count: u64) -> Step {
    let over = plan.limit.is_some_and(|limit| count > limit);
    match due.filter(|due| !over && plan.end.is_none_or(|end| *due <= end)) {
        Some(due) => Step::Fire(due, count),
        None if same == Some(false) => Step::Entry,
        None => Step::Leave,
    }
}

fn same_times(plan: &Plan, seen: &Entry) -> bool {
    let fields = plan.fields();
    ["pattern", "tz", "every", "startDate"]
        .iter()
        .all(|name| fields.get(*name) == seen.fields.get(*name))
}

/// The first firing of all: as BullMQ has it, an interval begins with one.
fn first(plan: &Plan, now: u64) -> Result<Option<u64>, bullmq::Error> {
    match &plan.timing {
        Timing::Cron(pattern, tz) => next_cron_millis(pattern, now, tz.as_deref(), plan.start),
        Timing::Every(every) => Ok(Some(match plan.start {
            Some(start) if start > now => start,
            Some(start) => slot(start, *every, now),
            None => now,
        })),
    }
}

/// The first firing after now and after another one, in the rhythm of that one.
fn after(plan: &Plan, other: u64, now: u64) -> Result<Option<u64>, bullmq::Error> {
    match &plan.timing {
        Timing::Cron(pattern, tz) => {
            next_cron_millis(pattern, now.max(other), tz.as_deref(), plan.start)
        }
        Timing::Every(every) => {
            let rhythm = plan.start.filter(|start| *start > other).unwrap_or(other);
            Ok(Some(if rhythm > other.max(now) { rhythm } else { slot(rhythm, *every, now) }))
        }
    }
}

/// The firing of a schedule whose times have changed: an interval that became longer does not put off
/// what was planned, one that became shorter begins now.
fn sooner(plan: &Plan, seen: &Entry, now: u64) -> Result<Option<u64>, bullmq::Error> {
    match &plan.timing {
        Timing::Cron(..) => first(plan, now),
        Timing::Every(every) => Ok(Some(match plan.start {
            Some(_) => return first(plan, now),
            None => seen.due_ms.min(now + every),
        })),
    }
}

/// The first moment after now in steps of `every` from another one, and at least one step.
fn slot(from: u64, every: u64, now: u64) -> u64 {
    let steps = now.saturating_sub(from) / every + 1;
    from + steps * every
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOUR: u64 = 3_600_000;
    /// 2026-03-28 12:00 UTC, the day before clocks go forward in Berlin.
    const NOON: u64 = 1_774_699_200_000;

    fn cron(pattern: &str, tz: &str) -> Plan {
        Plan {
            id: "roadie.x".to_owned(),
            queue: "q".to_owned(),
            kind: "k".to_owned(),
            payload: json!({}),
            timing: Timing::Cron(pattern.to_owned(), Some(tz.to_owned())),
            limit: None,
            start: None,
            end: None,
            priority: None,
            attempts: None,
        }
    }

    fn every(ms: u64) -> Plan {
        Plan { timing: Timing::Every(ms), ..cron("", "") }
    }

    fn seen(plan: &Plan, due_ms: u64, count: u64, firing: Present) -> Entry {
        Entry { fields: plan.fields(), due_ms, count, firing, added_ms: None, started_ms: None }
    }

    #[test]
    fn a_new_schedule_begins() {
        let limited = |start, end| Plan { start, end, ..every(HOUR) };
        for (plan, expected) in [
            (cron("0 13 * * *", "UTC"), Step::Fire(NOON + HOUR, 1)),
            // 13:00 in Berlin is 12:00 UTC: now, so that the next one is tomorrow, when it is 11:00 UTC.
            (cron("0 13 * * *", "Europe/Berlin"), Step::Fire(NOON + 23 * HOUR, 1)),
            (every(HOUR), Step::Fire(NOON, 1)),
            (limited(Some(NOON + 5), None), Step::Fire(NOON + 5, 1)),
            (limited(Some(NOON - 5), None), Step::Fire(NOON - 5 + HOUR, 1)),
            (limited(None, Some(NOON - 1)), Step::Leave),
            (Plan { end: Some(NOON + HOUR - 1), ..cron("0 13 * * *", "UTC") }, Step::Leave),
        ] {
            assert_eq!(decide(&plan, None, NOON).unwrap(), expected, "{plan:?}");
        }
    }

    #[test]
    fn what_is_as_configured_is_left_alone_unless_its_chain_is_broken() {
        let plan = every(HOUR);
        for (due, firing, expected) in [
            (NOON + 7, Present::Delayed, Step::Leave),
            // Downtime: it fires once when somebody works again, by itself.
            (NOON - 50 * HOUR, Present::Delayed, Step::Leave),
            (NOON - 7, Present::Due, Step::Leave),
            (NOON - 7, Present::Ended, Step::Fire(NOON - 7 + HOUR, 5)),
            (NOON - 7 - HOUR, Present::Gone, Step::Fire(NOON - 7 + HOUR, 5)),
            (NOON + 7, Present::Gone, Step::Fire(NOON + 7, 4)),
        ] {
            let seen = seen(&plan, due, 4, firing);
            assert_eq!(decide(&plan, Some(&seen), NOON).unwrap(), expected, "{seen:?}");
        }
        // At its end it is not broken.
        let limited = Plan { limit: Some(4), ..plan };
        let last = seen(&limited, NOON - 7, 4, Present::Ended);
        assert_eq!(decide(&limited, Some(&last), NOON).unwrap(), Step::Leave);
        let past = Plan { limit: None, end: Some(NOON), ..limited };
        let last = seen(&past, NOON - 7, 4, Present::Ended);
        assert_eq!(decide(&past, Some(&last), NOON).unwrap(), Step::Leave);
    }

    #[test]
    fn a_change_neither_skips_nor_repeats_a_firing() {
        let old = every(HOUR);
        let payload = Plan { payload: json!({"new": true}), ..old.clone() };
        let quicker = every(HOUR / 4);
        let slower = every(HOUR * 4);
        let daily = cron("0 13 * * *", "UTC");
        let soon = NOON + HOUR / 2;
        for (plan, due, firing, expected) in [
            (&payload, soon, Present::Delayed, Step::Fire(soon, 4)),
            (&payload, NOON - 9, Present::Delayed, Step::Fire(NOON - 9, 4)),
            // The firing that is under way is the old one's; the next one is the new one's.
            (&payload, NOON - 9, Present::Due, Step::Fire(NOON - 9 + HOUR, 5)),
            (&quicker, soon, Present::Delayed, Step::Fire(NOON + HOUR / 4, 4)),
            (&slower, soon, Present::Delayed, Step::Fire(soon, 4)),
            (&slower, NOON - 9, Present::Delayed, Step::Fire(NOON - 9, 4)),
            (&daily, soon, Present::Delayed, Step::Fire(NOON + HOUR, 4)),
            (&daily, NOON - 9, Present::Due, Step::Fire(NOON + HOUR, 5)),
        ] {
            let seen = seen(&old, due, 4, firing);
            assert_eq!(decide(plan, Some(&seen), NOON).unwrap(), expected, "{plan:?} {seen:?}");
        }
        // A higher limit lets it go on; one that is reached by now ends it.
        let more = Plan { limit: Some(9), ..old.clone() };
        let ended = seen(&Plan { limit: Some(4), ..old.clone() }, NOON - 9, 4, Present::Ended);
        assert_eq!(decide(&more, Some(&ended), NOON).unwrap(), Step::Fire(NOON - 9 + HOUR, 5));
        let fewer = Plan { limit: Some(2), ..old.clone() };
        let runs = seen(&old, NOON - 9, 4, Present::Due);
        assert_eq!(decide(&fewer, Some(&runs), NOON).unwrap(), Step::Entry);
    }

    #[test]
    fn a_taken_firing_makes_way_for_the_one_after_it() {
        let plan = every(HOUR);
        assert_eq!(later(&plan, NOON, 1).unwrap(), Step::Fire(NOON + HOUR, 1));
        let plan = cron("0 13 * * *", "UTC");
        assert_eq!(later(&plan, NOON + HOUR, 3).unwrap(), Step::Fire(NOON + 25 * HOUR, 3));
    }

    #[test]
    fn what_the_clocks_skip_is_made_up_for_once() {
        // At 2:30 on 29 March 2026 it is never: clocks go from 2:00 to 3:00.
        let plan = cron("30 2 * * *", "Europe/Berlin");
        let Step::Fire(due, _) = decide(&plan, None, NOON).unwrap() else { panic!("never fires") };
        let day = 24 * HOUR;
        assert!(due > NOON && due < NOON + 2 * day, "{due}");
        let then = later(&plan, due, 2).unwrap();
        assert!(matches!(then, Step::Fire(next, 2) if next > due && next <= due + day), "{then:?}");
    }
}
