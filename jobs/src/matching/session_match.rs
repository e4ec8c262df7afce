//! One session, matched: look-ups, scores, verdicts.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use super::decide::{Candidate, REGION, Verdict, decide, decide_without_place};
use super::instant::Moment;
use super::lookups::Lookups;
use super::owner::Owner;
use super::score::{REACH, fit, is_evening, middle_time};
use super::session::{Centre, Session};
use super::show::{EventNight, event_nights};
use crate::job::JobError;

/// In the evening; for photos of which only the day is known.
const EVENING: NaiveTime = NaiveTime::from_hms_opt(21, 0, 0).expect("a time");

/// Which photos of a session are of what.
#[derive(Clone, Debug)]
pub(crate) struct Matched {
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
        let verdict = match session.centre {
            Some(centre) => {
                let time = middle_time(times).unwrap_or(EVENING);
                at_place(&days, &centre, time, session.members.len(), owner, lookups).await?
            }
            None => without_place(&days, of().next(), owner, lookups).await?,
        };
        matched.push(Matched { members, verdict });
    }
    Ok(matched)
}

/// The likeliest day with a show decides.
async fn at_place(
    days: &[NaiveDate],
    centre: &Centre,
    time: NaiveTime,
    photos: usize,
    owner: &Owner,
    lookups: &dyn Lookups,
) -> Result<Verdict, JobError> {
    let mut candidates = Vec::new();
    for day in days {
        let nights = event_nights(lookups.shows(*day, centre.place, REGION).await?);
        if nights.is_empty() {
            continue;
        }
        let pois = lookups.pois(centre.place, REACH + centre.uncertainty).await?;
        for night in nights {
            let known = lookups.places_of(&night.venue).await?;
            let fit = fit(&night, centre, time, &pois, &known, owner.aliases(&night.venue.id));
            candidates.push(Candidate { night, fit });
        }
        break;
    }
    let festival = candidates.iter().any(|candidate| candidate.night.festival());
    Ok(decide(candidates, centre.place, is_evening(time, festival), photos, owner))
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
