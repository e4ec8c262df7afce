//! What becomes of a session whose job is not done now.

use std::time::Duration;

use crate::context::JobContext;
use crate::job::{Decision, JobError};

/// Whoever looks at a progress bar waits for no longer.
const SOON: Duration = Duration::from_mins(1);

/// Notes that a scan need not wait for a session: its job goes on much later, or never. Best effort: a
/// scan does not wait for ever anyway. Answers the error.
pub(super) async fn put_off(
    cx: &JobContext,
    user_id: i64,
    session_id: &str,
    error: JobError,
) -> JobError {
    let effects = cx.effects();
    let last = cx.info().attempt >= cx.info().max_attempts;
    if let Some(pause) = pause(error.decision(), last) {
        let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        let until = effects.clock.now_ms().saturating_add(pause);
        if let Err(error) = effects.catalogue.put_off(user_id, session_id, until).await {
            tracing::debug!(%error, "not noted that a session is matched later");
        }
    }
    error
}

/// How much later it goes on; none: soon. What never goes on by itself is handed over by the next scan,
/// whenever that is.
fn pause(decision: Decision, last: bool) -> Option<Duration> {
    match decision {
        Decision::Postpone { after } => Some(after).filter(|after| *after > SOON),
        Decision::Retry { .. } if last => Some(Duration::ZERO),
        Decision::Retry { after } => after.filter(|after| *after > SOON),
        Decision::Discard => Some(Duration::ZERO),
        Decision::AwaitChildren | Decision::Stopped | Decision::Erased => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_on_soon_is_waited_for() {
        let hour = Duration::from_hours(1);
        for (decision, last, expected) in [
            (Decision::Postpone { after: SOON }, true, None),
            (Decision::Postpone { after: hour }, false, Some(hour)),
            (Decision::Retry { after: None }, false, None),
            (Decision::Retry { after: Some(hour) }, false, Some(hour)),
            (Decision::Retry { after: None }, true, Some(Duration::ZERO)),
            (Decision::Discard, false, Some(Duration::ZERO)),
            (Decision::Stopped, true, None),
        ] {
            assert_eq!(pause(decision, last), expected, "{decision:?}");
        }
    }
}
