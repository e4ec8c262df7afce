//! What is kept of a decision, so that people and later versions can tell why.

use chrono::NaiveDate;
use serde::Serialize;

use super::decide::{Candidate, Decision, Reason, Verdict};
use super::identity::Identity;
use super::instant::{Doubt, Moment, Source};
use super::score::Basis;
use super::session::Placed;
use super::show::Show;

/// Changes with every change that may decide otherwise; photos that were linked by an older one are
/// scored anew, those that their owner decided about never.
pub(crate) const ALGORITHM: u32 = 1;

/// Why one photo was decided about as it was. No coordinates: it may be shown and logged.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evidence {
    pub(crate) algorithm: u32,
    pub(crate) session: String,
    /// The same as long as the session's photos are.
    pub(crate) inputs: String,
    pub(crate) decision: Decision,
    pub(crate) reason: Reason,
    /// What told the time, in which zone.
    pub(crate) instant: Source,
    pub(crate) zone: Option<&'static str>,
    /// The camera's clock was wrong, and has been corrected.
    pub(crate) clock_corrected: bool,
    pub(crate) doubt: Option<Doubt>,
    pub(crate) placed: Placed,
    /// How much better the first candidate fits than any other.
    pub(crate) margin: f64,
    /// The likeliest first.
    pub(crate) candidates: Vec<CandidateEvidence>,
}

/// One night that a photo may be of.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CandidateEvidence {
    pub(crate) date: NaiveDate,
    pub(crate) venue_id: String,
    pub(crate) venue: String,
    pub(crate) artists: Vec<String>,
    pub(crate) setlists: Vec<String>,
    /// The records that say so, for their attribution.
    pub(crate) urls: Vec<String>,
    pub(crate) festival: bool,
    /// An early and a late show of one artist: the owner is asked which.
    pub(crate) two_shows: bool,
    pub(crate) score: f64,
    /// What says that the venue is where the photo was taken, how far away, and how alike its name is.
    pub(crate) basis: Basis,
    pub(crate) metres: Option<f64>,
    pub(crate) name: f64,
}

impl Evidence {
    pub(crate) fn new(
        verdict: &Verdict,
        identity: &Identity,
        moment: &Moment,
        placed: Placed,
    ) -> Self {
        let reason = verdict.of_photo(moment, placed);
        Self {
            algorithm: ALGORITHM,
            session: identity.id.clone(),
            inputs: identity.inputs.clone(),
            decision: reason.decision(),
            reason,
            instant: moment.source,
            zone: moment.zone.map(chrono_tz::Tz::name),
            clock_corrected: moment.corrected,
            doubt: moment.doubt,
            placed,
            margin: thousandths(verdict.margin),
            candidates: verdict.candidates.iter().map(CandidateEvidence::new).collect(),
        }
    }
}

impl CandidateEvidence {
    pub(crate) fn new(candidate: &Candidate) -> Self {
        let (night, fit) = (&candidate.night, &candidate.fit);
        let of = |field: fn(&Show) -> &String| night.shows.iter().map(field).cloned().collect();
        Self {
            date: night.date,
            venue_id: night.venue.id.clone(),
            venue: night.venue.name.clone(),
            artists: of(|show| &show.artist),
            setlists: of(|show| &show.setlist),
            urls: of(|show| &show.url),
            festival: night.festival(),
            two_shows: night.two_shows(),
            score: thousandths(fit.score),
            basis: fit.basis.clone(),
            metres: fit.metres.map(f64::round),
            name: thousandths(fit.name),
        }
    }
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
