//! A scan hands sessions to matching, and sees what came of it.

use std::time::Duration;

use serde_json::json;

use super::detect_venue::DetectVenue;
use super::match_concert::{self, Reason};
use super::sessions::regroup;
use crate::context::{FollowUp, JobContext};
use crate::effects::catalogue::{MatchTally, catalogue_error};
use crate::job::{Job as _, JobError};

/// A scan waits for matching no longer; what is left goes on without it.
const PATIENCE: Duration = Duration::from_mins(15);
/// How often it looks.
const LOOKS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];

/// Brings the sessions of a user up to date, and hands those to matching that are new or other than
/// before, or that an older algorithm has matched. `now_ms` names the asking: sessions that are asked
/// for under the same one have the same jobs. `heard` is called now and then.
pub(crate) async fn ask(
    cx: &JobContext,
    user_id: i64,
    now_ms: i64,
    mut heard: impl FnMut(usize, usize),
) -> Result<(), JobError> {
    let catalogue = &cx.effects().catalogue;
    regroup(catalogue, user_id, now_ms).await.map_err(catalogue_error)?;
    let sessions = catalogue.ask_to_match(user_id, now_ms).await.map_err(catalogue_error)?;
    for (number, (session, placed)) in sessions.iter().enumerate() {
        let job = if *placed {
            FollowUp {
                queue: DetectVenue::QUEUE.to_owned(),
                kind: DetectVenue::KIND.to_owned(),
                payload: json!({ "userId": user_id, "sessionId": session }),
                id: format!("venue:{session}:{now_ms}"),
                delay: None,
            }
        } else {
            let id = format!("match:{session}:{now_ms}");
            match_concert::job(user_id, session, Reason::Scan, id, None)
        };
        cx.safe_point()?;
        cx.enqueue(job).await?;
        heard(number + 1, sessions.len());
    }
    Ok(())
}

/// Whether a scan waits on, that has waited for so long.
pub(crate) fn goes_on(tally: &MatchTally, waited: Duration) -> bool {
    tally.open > 0 && waited < PATIENCE
}

/// Until it looks again: the longer it has waited, the less often.
pub(crate) fn pause(waited: Duration) -> Duration {
    (waited / 10).clamp(LOOKS[0], LOOKS[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_waits_for_what_is_matched_soon_and_not_for_ever() {
        let tally = |open| MatchTally { asked: 9, open, later: 2, ..MatchTally::default() };
        assert!(goes_on(&tally(1), Duration::from_mins(14)));
        assert!(!goes_on(&tally(0), Duration::ZERO));
        assert!(!goes_on(&tally(1), PATIENCE));
        assert_eq!(pause(Duration::ZERO), Duration::from_millis(500));
        assert_eq!(pause(Duration::from_secs(30)), Duration::from_secs(3));
        assert_eq!(pause(PATIENCE), Duration::from_secs(10));
    }
}
