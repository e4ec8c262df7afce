//! Whether somebody waits for what a job does.

tokio::task_local! {
    static SOMEBODY_WAITS: bool;
}

/// Priorities of jobs that somebody waits for: those before `normal`, which is 10. A job without one is first
/// in its queue as well, but it has none because nobody thought of it, as with all that scans add.
const URGENT: std::ops::Range<u64> = 1..10;

/// Runs a job whose producer asked for this priority (0: none).
pub(crate) async fn of_priority<T>(priority: u64, job: impl Future<Output = T>) -> T {
    SOMEBODY_WAITS.scope(URGENT.contains(&priority), job).await
}

/// Whether somebody waits for the job that this is a part of.
pub(crate) fn somebody_waits() -> bool {
    SOMEBODY_WAITS.try_with(|waits| *waits).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn somebody_waits_for_what_is_before_normal() {
        assert!(!somebody_waits());
        for (priority, waits) in [(0, false), (1, true), (9, true), (10, false), (100, false)] {
            let found = of_priority(priority, async { somebody_waits() }).await;
            assert_eq!(found, waits, "{priority}");
        }
    }
}
