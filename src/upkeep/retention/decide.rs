//! What may go, and how far back. Pure.

use roadie_jobs::effects::catalogue::DeadReason;

use crate::config::Limit;
use crate::queue::finished::Memory;

/// Jobs that ended until then (Unix ms) are too old; none: no job is.
pub(super) fn too_old(limit: Limit, now: i64) -> Option<i64> {
    let age = i64::try_from(limit.age?.as_millis()).unwrap_or(i64::MAX);
    Some(now.saturating_sub(age))
}

/// How many of the oldest jobs are over a limit, of `all`, of which `old` are too old.
pub(super) fn due(limit: Limit, all: u64, old: u64) -> u64 {
    let too_many = limit.count.map_or(0, |count| all.saturating_sub(count));
    let too_old = if limit.age.is_some() { old } else { 0 };
    too_many.max(too_old)
}

/// Bytes over a budget.
pub(super) fn excess(bytes: u64, budget: Option<u64>) -> u64 {
    budget.map_or(0, |budget| bytes.saturating_sub(budget))
}

/// Bytes to free in a Redis that is nearly full: down to 10 points below `percent`, so that it is
/// not nearly full again at once. 0: it is not, or its limit is unknown.
pub(super) fn relief(memory: Memory, percent: u64) -> u64 {
    const POINTS: u64 = 10;
    let part = |percent: u64| u128::from(memory.limit) * u128::from(percent) / 100;
    let used = u128::from(memory.used);
    if percent == 0 || memory.limit == 0 || used < part(percent) {
        return 0;
    }
    let free = used - part(percent.saturating_sub(POINTS)).min(used);
    u64::try_from(free).unwrap_or(u64::MAX)
}

/// Up to when (Unix ms) everything must go for so many bytes, of slices (until when, bytes): the
/// oldest first. None: nothing needs to go, or nothing is left.
pub(super) fn cutoff(slices: &[(i64, u64)], wanted: u64) -> Option<i64> {
    if wanted == 0 {
        return None;
    }
    let mut slices = slices.to_vec();
    slices.sort_unstable();
    let mut sum = 0_u64;
    let enough = slices.iter().find(|(_, bytes)| {
        sum = sum.saturating_add(*bytes);
        sum >= wanted
    });
    enough.or(slices.last()).map(|(at, _)| *at)
}

/// Why a job died that somebody else's worker has failed, from what that worker left.
pub(super) fn cause(reason: &str, attempts_made: u32, attempts: u32) -> DeadReason {
    // BullMQ's words for a job that took its workers down.
    if reason.starts_with("job stalled more than allowable limit") {
        DeadReason::CrashLoop
    } else if attempts_made >= attempts.max(1) {
        DeadReason::Exhausted
    } else {
        DeadReason::Discarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_stricter_limit_counts() {
        let limit = |count, age: Option<u64>| Limit { count, age: age.map(Duration::from_millis) };
        for (limit, all, old, expected) in [
            (limit(None, None), 9, 9, 0),
            (limit(Some(5), None), 9, 9, 4),
            (limit(Some(5), None), 4, 0, 0),
            (limit(None, Some(1)), 9, 3, 3),
            (limit(Some(5), Some(1)), 9, 3, 4),
            (limit(Some(5), Some(1)), 9, 7, 7),
            (limit(Some(0), None), 9, 0, 9),
        ] {
            assert_eq!(due(limit, all, old), expected, "{limit:?} {all} {old}");
        }
        assert_eq!(too_old(limit(None, Some(300)), 1000), Some(700));
        assert_eq!(too_old(limit(Some(1), None), 1000), None);
    }

    #[test]
    fn a_nearly_full_redis_gets_air() {
        let memory = |used, limit| Memory { used, limit };
        for (memory, percent, expected) in [
            (memory(79, 100), 80, 0),
            (memory(80, 100), 80, 10),
            (memory(100, 100), 80, 30),
            (memory(120, 100), 80, 50),
            (memory(100, 100), 0, 0),
            (memory(100, 0), 80, 0),
            (memory(100, 100), 5, 100),
        ] {
            assert_eq!(relief(memory, percent), expected, "{memory:?} {percent}");
        }
        assert_eq!(excess(9, Some(7)), 2);
        assert_eq!(excess(6, Some(7)), 0);
        assert_eq!(excess(9, None), 0);
    }

    #[test]
    fn the_oldest_go_first() {
        let slices = [(30, 10), (10, 10), (20, 10)];
        for (wanted, expected) in
            [(0, None), (1, Some(10)), (10, Some(10)), (11, Some(20)), (99, Some(30))]
        {
            assert_eq!(cutoff(&slices, wanted), expected, "{wanted}");
        }
        assert_eq!(cutoff(&[], 1), None);
    }

    #[test]
    fn others_leave_enough_to_tell_the_cause() {
        let stalled = "job stalled more than allowable limit";
        for (reason, made, attempts, expected) in [
            (stalled, 0, 3, DeadReason::CrashLoop),
            ("no", 3, 3, DeadReason::Exhausted),
            ("no", 1, 0, DeadReason::Exhausted),
            ("no", 1, 3, DeadReason::Discarded),
        ] {
            assert_eq!(cause(reason, made, attempts), expected, "{reason} {made} {attempts}");
        }
    }
}
