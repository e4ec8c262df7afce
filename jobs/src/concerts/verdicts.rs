//! From what was matched to what is stored. Pure.

use std::collections::{BTreeSet, HashMap};

use crate::effects::catalogue::{EveningMatch, FileKey, Member};
use crate::matching::{CandidateEvidence, Decision, Matched, Poi, Reason, Session, Verdict};

/// What a user has said of photos: the night of each, or that it is of no show.
pub(crate) type Said = HashMap<FileKey, Option<String>>;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Shows are written down later, and what was played later still: from one look to the next, so that
/// they are after 1, 7 and 30 days.
const RECHECKS: [i64; 3] = [DAY_MS, 6 * DAY_MS, 23 * DAY_MS];

/// What is to be stored of one evening. What its owner has said of some of the photos is what the
/// others are of: they agree, or they are asked.
pub(crate) fn evening(
    matched: Matched,
    session: &Session,
    members: &[Member],
    said: &Said,
) -> EveningMatch {
    let Matched { days, verdict, members: photos, .. } = matched;
    let photos: Vec<(usize, _)> = photos.into_iter().map(|at| session.members[at]).collect();
    let words: BTreeSet<&Option<String>> =
        photos.iter().filter_map(|(shot, _)| said.get(&members[*shot].key)).collect();
    let words: Vec<_> = words.into_iter().collect();
    let (reason, night) = match words.as_slice() {
        [] => (verdict.reason, None),
        [Some(night)] => (Reason::OwnerSaid, Some(night.clone())),
        _ if verdict.reason.decision() == Decision::Auto => (Reason::OwnerDisagrees, None),
        _ => (verdict.reason, None),
    };
    let of_photo = |shot: usize, placed| match reason {
        Reason::OwnerSaid | Reason::OwnerDisagrees => reason,
        _ => verdict.of_photo(&members[shot].moment, placed),
    };
    let days: Vec<String> = days.iter().map(ToString::to_string).collect();
    EveningMatch {
        evening: days.join("/"),
        reason,
        margin: verdict.margin,
        told: told(&verdict),
        said: night,
        photos: photos
            .iter()
            .map(|(shot, placed)| (members[*shot].key.clone(), of_photo(*shot, *placed)))
            .collect(),
        candidates: verdict.candidates,
    }
}

/// The candidates for people, without coordinates.
fn told(verdict: &Verdict) -> String {
    let candidates: Vec<_> = verdict.candidates.iter().map(CandidateEvidence::new).collect();
    // Numbers and text always have a JSON form.
    serde_json::to_string(&candidates).unwrap_or_else(|_| "[]".to_owned())
}

/// Whether an evening is to be looked at again: at a venue without a show that is known, or at one of
/// which nobody has written down what was played. `pois`: the places around, if they are known.
pub(super) fn open(matched: &Matched, placed: bool, pois: Option<&[Poi]>) -> bool {
    match matched.verdict.reason {
        Reason::NoShow => {
            let venues = pois.is_none_or(|pois| pois.iter().any(Poi::is_venue));
            placed && matched.evening && venues
        }
        Reason::Fits => {
            matched.verdict.candidates.first().is_some_and(|first| first.night.without_songs())
        }
        _ => false,
    }
}

/// When a session that is open is looked at again, after so many times, in Unix milliseconds.
pub(super) fn next_recheck(rechecks: i32, now_ms: i64) -> Option<i64> {
    let pause = RECHECKS.get(usize::try_from(rechecks).ok()?)?;
    Some(now_ms + pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_after_1_7_and_30_days() {
        let mut at = 0;
        let days = (0..).map_while(|rechecks| {
            at = next_recheck(rechecks, at)?;
            Some(at / DAY_MS)
        });
        assert_eq!(days.collect::<Vec<_>>(), [1, 7, 30]);
    }
}
