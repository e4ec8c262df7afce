//! One session, matched: look-ups, scores, verdicts.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::decide::{Candidate, REGION, REVIEW, Reason, Verdict, decide, decide_without_place};
use super::globe::metres;
use super::instant::Moment;
use super::lookups::Lookups;
use super::owner::Owner;
use super::score::{Fit, REACH, fit, is_evening, middle_time};
use super::session::{Centre, Session};
use super::show::{EventNight, event_nights};
use crate::job::JobError;
use crate::pixels::Place;

/// In the evening; for photos of which only the day is known.
const EVENING: NaiveTime = NaiveTime::from_hms_opt(21, 0, 0).expect("a time");

/// Of so many venues in a city it is asked where they are, the nearest city first.
const MOST_ASKED: usize = 20;

/// Which photos of a session are of what.
#[derive(Clone, Debug)]
pub(crate) struct Matched {
    /// The days whose evening it may have been, the likeliest first.
    pub(crate) days: Vec<NaiveDate>,
    /// Whether people are at concerts at that time of day.
    pub(crate) evening: bool,
    /// Positions in the session's members.
    pub(crate) members: Vec<usize>,
    pub(crate) verdict: Verdict,
}

/// Matches each evening of a session.
///
/// # Errors
/// A look-up failed. Nothing is decided then, neither that there was a show nor that there was none.
pub(crate) async fn match_session(
    session: &Session,
    moments: &[Option<Moment>],
    owner: &Owner,
    lookups: &dyn Lookups,
) -> Result<Vec<Matched>, JobError> {
    let mut evenings: BTreeMap<Vec<NaiveDate>, Vec<usize>> = BTreeMap::new();
    for (member, (shot, _)) in session.members.iter().enumerate() {
        if let Some(moment) = &moments[*shot] {
            evenings.entry(moment.concert_days()).or_default().push(member);
        }
    }
    let mut matched = Vec::with_capacity(evenings.len());
    for (days, members) in evenings {
        let of =
            || members.iter().filter_map(|member| moments[session.members[*member].0].as_ref());
        let times: Vec<NaiveDateTime> = of().filter_map(Moment::local).collect();
        let time = middle_time(times).unwrap_or(EVENING);
        let verdict = match session.centre {
            Some(centre) => {
                at_place(&days, &centre, time, session.members.len(), owner, lookups).await?
            }
            None => without_place(&days, of().next(), owner, lookups).await?,
        };
        matched.push(Matched { evening: is_evening(time, false), days, members, verdict });
    }
    Ok(matched)
}

/// How far from a session places are looked at, in metres.
pub(crate) fn reach(centre: &Centre) -> f64 {
    REACH + centre.uncertainty
}

/// The likeliest day with a show decides. Where venues are is asked for with care, for geocoders answer
/// slowly: first of those whose name is around, and only if that settles nothing, of others in the city.
async fn at_place(
    days: &[NaiveDate],
    centre: &Centre,
    time: NaiveTime,
    photos: usize,
    owner: &Owner,
    lookups: &dyn Lookups,
) -> Result<Verdict, JobError> {
    let mut nights = Vec::new();
    for day in days {
        nights = event_nights(lookups.shows(*day, centre.place, REGION).await?);
        if !nights.is_empty() {
            break;
        }
    }
    let evening = is_evening(time, nights.iter().any(EventNight::festival));
    let decided = |fits: &[Fit]| {
        let pairs = nights.iter().cloned().zip(fits.iter().cloned());
        let candidates = pairs.map(|(night, fit)| Candidate { night, fit }).collect();
        decide(candidates, centre.place, evening, photos, owner)
    };
    if nights.is_empty() {
        return Ok(decided(&[]));
    }
    let pois = lookups.pois(centre.place, reach(centre)).await?;
    let fit = |night: &EventNight, known: &[Place]| {
        fit(night, centre, time, &pois, known, owner.aliases(&night.venue.id))
    };
    let mut fits: Vec<Fit> = nights.iter().map(|night| fit(night, &[])).collect();
    let (named, others): (Vec<usize>, Vec<usize>) =
        (0..nights.len()).partition(|night| fits[*night].score >= REVIEW);
    for index in named {
        let known = lookups.places_of(&nights[index].venue).await?;
        fits[index] = fit(&nights[index], &known);
    }
    let verdict = decided(&fits);
    if verdict.reason == Reason::Fits {
        return Ok(verdict);
    }
    let from_centre = |night: &usize| {
        nights[*night].city_centre().map_or(f64::MAX, |city| metres(centre.place, city))
    };
    let mut near: Vec<(f64, usize)> =
        others.into_iter().map(|night| (from_centre(&night), night)).collect();
    near.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (_, index) in near.into_iter().take(MOST_ASKED) {
        let known = lookups.places_of(&nights[index].venue).await?;
        fits[index] = fit(&nights[index], &known);
    }
    Ok(decided(&fits))
}

/// Shows where the owner was around that time.
async fn without_place(
    days: &[NaiveDate],
    moment: Option<&Moment>,
    owner: &Owner,
    lookups: &dyn Lookups,
) -> Result<Verdict, JobError> {
    for day in days {
        let noon = day.and_hms_opt(12, 0, 0).map(|noon| noon.and_utc());
        let at = moment.and_then(Moment::sure).or(noon);
        let mut nights: Vec<(EventNight, f64)> = Vec::new();
        for whereabouts in at.map(|at| owner.whereabouts(at)).unwrap_or_default() {
            let shows = lookups.shows(*day, whereabouts.place, REGION).await?;
            for night in event_nights(shows) {
                let likely = night.city_centre().map_or(0.0, |centre| whereabouts.likely(centre));
                match nights.iter_mut().find(|(known, _)| known.venue.id == night.venue.id) {
                    Some((_, known)) => *known = known.max(likely),
                    None => nights.push((night, likely)),
                }
            }
        }
        if !nights.is_empty() {
            return Ok(decide_without_place(nights, owner));
        }
    }
    Ok(decide_without_place(Vec::new(), owner))
}
