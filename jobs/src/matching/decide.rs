//! Links, reviews, or nothing.
//!
//! A wrong link is worse than none: what is linked automatically fits well, fits nothing else nearly as
//! well, and was taken at a place and on a date that are beyond doubt. What is left goes to its
//! owner, the likeliest first, if it looks like a concert at all.

use serde::Serialize;

use super::globe::metres;
use super::instant::Moment;
use super::owner::Owner;
use super::score::{Basis, Fit};
use super::session::Placed;
use super::show::EventNight;
use crate::pixels::Place;

/// From this score on a link is made.
const AUTO: f64 = 0.8;
/// So much less does the next one fit.
const MARGIN: f64 = 0.15;
/// From this score on a session is shown to its owner.
pub(crate) const REVIEW: f64 = 0.5;
/// A venue is so near to the centre of its city (95 of 100), in metres.
pub(crate) const CITY: f64 = 15_000.0;
/// No venue is further away from it.
pub(crate) const REGION: f64 = 30_000.0;
/// Of fewer photos in a city with shows nobody is asked whether they are of one.
const ENOUGH_TO_ASK: usize = 4;
/// So many metres nearer outweigh a whole score.
const METRES_PER_SCORE: f64 = 2_000.0;
/// How many candidates are kept.
const KEPT: usize = 5;
/// What only the city speaks for scores less than this.
const CITY_ONLY: f64 = 0.45;
/// How fast the likelihood falls with the distance from a city's centre, in metres.
const CITY_FALL: f64 = 6_000.0;

/// What becomes of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Decision {
    /// It is linked.
    Auto,
    /// Its owner is asked.
    Review,
    /// Nothing.
    None,
}

impl Decision {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Review => "review",
            Self::None => "none",
        }
    }
}

/// Why it is not linked, or that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// It is linked.
    Fits,
    /// Two venues fit nearly as well.
    TwoVenues,
    /// It fits, but not well enough.
    Weak,
    /// The venue's coordinates are known and elsewhere, only its name is here.
    NameElsewhere,
    /// Another concert venue is clearly nearer, only that no show is known there.
    NearerVenue,
    /// Several places around have the venue's name.
    Namesakes,
    /// The venue's city is too far away for a name alone.
    CityTooFar,
    /// Only the city and the evening fit.
    CityOnly,
    /// It is not known where the photo was taken.
    PlaceUnknown,
    /// It is not known on which day it was taken.
    DateInDoubt,
    /// There was no show, or none that fits.
    NoShow,
    /// Its owner says so of other photos of that evening.
    OwnerSaid,
    /// Its owner says otherwise of other photos of that evening.
    OwnerDisagrees,
}

impl Reason {
    pub(crate) const fn decision(self) -> Decision {
        match self {
            Self::Fits | Self::OwnerSaid => Decision::Auto,
            Self::NoShow => Decision::None,
            _ => Decision::Review,
        }
    }
}

/// A night that photos may be of.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) night: EventNight,
    pub(crate) fit: Fit,
}

/// What photos of one night at one place are of.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) reason: Reason,
    /// The likeliest first, five at most.
    pub(crate) candidates: Vec<Candidate>,
    /// How much better the first fits than the second.
    pub(crate) margin: f64,
}

/// What photos are of that were taken around `here`: in the evening or not, and how many.
pub(crate) fn decide(
    mut candidates: Vec<Candidate>,
    here: Place,
    evening: bool,
    photos: usize,
    owner: &Owner,
) -> Verdict {
    let asked = evening && photos >= ENOUGH_TO_ASK;
    for candidate in &mut candidates {
        let from_centre = candidate.night.city_centre().map(|centre| metres(here, centre));
        if candidate.fit.score < REVIEW && !candidate.fit.elsewhere && asked {
            let likely = from_centre.filter(|metres| *metres <= CITY);
            candidate.fit.score = candidate
                .fit
                .score
                .max(likely.map_or(0.0, |metres| by_city(&candidate.night, metres, owner)));
        }
    }
    sort(&mut candidates);
    let score = |at: usize| candidates.get(at).map_or(0.0, |candidate| candidate.fit.score);
    let second = candidates.iter().skip(1).map(|candidate| candidate.fit.score).fold(0.0, f64::max);
    let margin = score(0) - second;
    let reason = candidates.first().map_or(Reason::NoShow, |first| why(first, margin, here, asked));
    candidates.truncate(KEPT);
    Verdict { reason, candidates, margin }
}

/// What stands in the way of a link, if anything does.
fn why(first: &Candidate, margin: f64, here: Place, asked: bool) -> Reason {
    let fit = &first.fit;
    let far = || first.night.city_centre().is_none_or(|centre| metres(here, centre) > CITY);
    if fit.score < REVIEW {
        if asked && fit.score > 0.0 { Reason::CityOnly } else { Reason::NoShow }
    } else if fit.elsewhere {
        Reason::NameElsewhere
    } else if fit.namesakes {
        Reason::Namesakes
    } else if fit.nearer {
        Reason::NearerVenue
    } else if fit.score < AUTO {
        Reason::Weak
    } else if margin < MARGIN {
        Reason::TwoVenues
    } else if fit.basis != Basis::Coordinates && far() {
        Reason::CityTooFar
    } else {
        Reason::Fits
    }
}

/// What photos are of that nobody knows the place of: `nights` with how likely it is, 0 to 1, that their
/// owner was in that city then.
pub(crate) fn decide_without_place(nights: Vec<(EventNight, f64)>, owner: &Owner) -> Verdict {
    let mut candidates: Vec<Candidate> = nights
        .into_iter()
        .filter(|(_, likely)| *likely > 0.0)
        .map(|(night, likely)| {
            let score = likely * by_city(&night, 0.0, owner);
            Candidate { night, fit: Fit { score, ..Fit::NOTHING } }
        })
        .collect();
    sort(&mut candidates);
    let margin = candidates.first().map_or(0.0, |first| first.fit.score)
        - candidates.get(1).map_or(0.0, |second| second.fit.score);
    candidates.truncate(KEPT);
    let reason = if candidates.is_empty() { Reason::NoShow } else { Reason::PlaceUnknown };
    Verdict { reason, candidates, margin }
}

impl Verdict {
    /// What it means for one photo.
    pub(crate) fn of_photo(&self, moment: &Moment, placed: Placed) -> Reason {
        match self.reason {
            Reason::Fits if moment.sure().is_none() => Reason::DateInDoubt,
            Reason::Fits if !matches!(placed, Placed::Own | Placed::SameCamera) => {
                Reason::PlaceUnknown
            }
            reason => reason,
        }
    }
}

/// How likely a night is of which only the city is known, below [`CITY_ONLY`]: where its owner goes,
/// and where many play.
fn by_city(night: &EventNight, metres: f64, owner: &Owner) -> f64 {
    let acts = night.acts().min(10);
    let visits = owner.visits(&night.venue.id).min(4);
    let weight = 0.5
        + 0.02 * f64::from(u32::try_from(acts).unwrap_or(0))
        + 0.07 * f64::from(u32::try_from(visits).unwrap_or(0));
    CITY_ONLY * weight * (-metres / CITY_FALL).exp()
}

/// The likeliest first. Of those that fit about as well, the nearer one is likelier; among equals it is
/// always the same.
fn sort(candidates: &mut [Candidate]) {
    let rank = |candidate: &Candidate| {
        candidate.fit.score - candidate.fit.metres.unwrap_or(0.0) / METRES_PER_SCORE
    };
    candidates.sort_by(|a, b| {
        rank(b).total_cmp(&rank(a)).then_with(|| a.night.venue.id.cmp(&b.night.venue.id))
    });
}
