//! Photo sessions: what one camera took at one place in one go.
//!
//! Photos without a position belong to the session that their time falls into, and are trusted less.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::globe::{metres, middle};
use super::instant::Moment;
use super::shot::Shot;
use crate::pixels::Place;

/// After so long without a photo, a new session begins.
pub(crate) const PAUSE: TimeDelta = TimeDelta::minutes(150);
/// So far from the others, a photo was taken somewhere else.
const ELSEWHERE: f64 = 450.0;
/// How much farther for photos whose position is uncertain, at most.
const GIVES_WAY: f64 = 300.0;
/// A photo without a position was where the camera was so long before or after.
const NEARBY: TimeDelta = TimeDelta::minutes(45);
/// No position is trusted to be more exact, in metres.
const EXACT: f64 = 30.0;

/// How it is known that a photo was taken where its session was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Placed {
    /// It has a position.
    Own,
    /// The same camera was there shortly before or after.
    SameCamera,
    /// Its owner was there with another camera, or the camera was on its way.
    Perhaps,
    /// Nothing says where it was.
    Nowhere,
}

/// Where a session was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Centre {
    pub(crate) place: Place,
    /// How far off it may be, in metres, as the cameras say.
    pub(crate) uncertainty: f64,
}

/// What belongs together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    /// Which photos, in the order of their time, and how each is known to have been there.
    pub(crate) members: Vec<(usize, Placed)>,
    pub(crate) centre: Option<Centre>,
}

/// A photo with a time beyond doubt and a position.
struct Located {
    at: DateTime<Utc>,
    shot: usize,
    session: usize,
}

/// Groups one owner's photos. Each one whose time is known at all is in exactly one session.
pub(crate) fn sessions(shots: &[Shot], moments: &[Option<Moment>]) -> Vec<Session> {
    let mut cameras: BTreeMap<Option<&str>, Vec<(DateTime<Utc>, usize)>> = BTreeMap::new();
    let mut without = Vec::new();
    let mut undated: BTreeMap<(Option<&str>, NaiveDate), Vec<usize>> = BTreeMap::new();
    for (index, (shot, moment)) in shots.iter().zip(moments).enumerate() {
        let Some(moment) = moment else { continue };
        let camera = shot.camera.as_deref();
        match (moment.sure(), shot.place) {
            (Some(at), Some(_)) => cameras.entry(camera).or_default().push((at, index)),
            (Some(at), None) => without.push((at, index)),
            (None, _) => {
                let day = moment.concert_days().into_iter().next();
                undated.entry((camera, day.unwrap_or_default())).or_default().push(index);
            }
        }
    }
    let mut sessions = Vec::new();
    let mut located: BTreeMap<Option<&str>, Vec<Located>> = BTreeMap::new();
    for (camera, mut taken) in cameras {
        taken.sort_unstable();
        let list = located.entry(camera).or_default();
        for together in split(shots, &taken) {
            list.extend(together.iter().map(|(at, shot)| Located {
                at: *at,
                shot: *shot,
                session: sessions.len(),
            }));
            let members = together.iter().map(|(_, shot)| (*shot, Placed::Own)).collect();
            sessions.push(Session { members, centre: None });
        }
    }
    let mut everywhere: Vec<&Located> = located.values().flatten().collect();
    everywhere.sort_unstable_by_key(|located| (located.at, located.shot));
    without.sort_unstable();
    let mut nowhere: BTreeMap<Option<&str>, Vec<(DateTime<Utc>, usize)>> = BTreeMap::new();
    for (at, index) in without {
        let camera = shots[index].camera.as_deref();
        let own: Vec<&Located> =
            camera.and_then(|_| located.get(&camera)).into_iter().flatten().collect();
        let found = joined(at, &own)
            .or_else(|| joined(at, &everywhere).map(|(session, _)| (session, Placed::Perhaps)));
        match found {
            Some((session, placed)) => sessions[session].members.push((index, placed)),
            None => nowhere.entry(camera).or_default().push((at, index)),
        }
    }
    for taken in nowhere.values() {
        for together in taken.chunk_by(|(before, _), (after, _)| *after - *before <= PAUSE) {
            let members = together.iter().map(|(_, shot)| (*shot, Placed::Nowhere)).collect();
            sessions.push(Session { members, centre: None });
        }
    }
    for together in undated.into_values() {
        let members = together.into_iter().map(|shot| (shot, Placed::Nowhere)).collect();
        sessions.push(Session { members, centre: None });
    }
    for session in &mut sessions {
        session.centre = centre(shots, &session.members);
        session
            .members
            .sort_by_key(|(shot, _)| (moments[*shot].as_ref().and_then(|moment| moment.at), *shot));
    }
    sessions
}

/// Cuts a camera's photos, sorted by time, where it paused or went elsewhere.
fn split<'a>(
    shots: &[Shot],
    taken: &'a [(DateTime<Utc>, usize)],
) -> Vec<&'a [(DateTime<Utc>, usize)]> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut here: Option<(Place, f64)> = None;
    for (position, (at, index)) in taken.iter().enumerate() {
        let shot = &shots[*index];
        let Some(place) = shot.place else { continue };
        let reach = ELSEWHERE + shot.accuracy.unwrap_or(0.0).min(GIVES_WAY);
        let goes_on = here.is_some_and(|(middle, _)| {
            *at - taken[position - 1].0 <= PAUSE && metres(middle, place) <= reach
        });
        let weight = weight(shot);
        here = if let Some((so_far, total)) = here.filter(|_| goes_on) {
            middle([(so_far, total), (place, weight)]).map(|place| (place, total + weight))
        } else {
            parts.push(&taken[start..position]);
            start = position;
            Some((place, weight))
        };
    }
    parts.push(&taken[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// Which session a photo without a position belongs to, among those of these photos, sorted by time.
fn joined(at: DateTime<Utc>, located: &[&Located]) -> Option<(usize, Placed)> {
    let after = located.partition_point(|other| other.at < at);
    let before = located[..after].last().map(|other| (at - other.at, other.session));
    let after = located.get(after).map(|other| (other.at - at, other.session));
    if let (Some((_, before)), Some((_, after))) = (before, after)
        && before == after
    {
        return Some((before, Placed::SameCamera));
    }
    let near = |side: Option<(TimeDelta, usize)>| side.filter(|(apart, _)| *apart <= NEARBY);
    match (near(before), near(after)) {
        (Some(before), Some(after)) => {
            let (nearest, other) =
                if before.0 <= after.0 { (before, after) } else { (after, before) };
            let clearly = nearest.0 * 2 <= other.0;
            Some((nearest.1, if clearly { Placed::SameCamera } else { Placed::Perhaps }))
        }
        (Some((_, session)), None) | (None, Some((_, session))) => {
            Some((session, Placed::SameCamera))
        }
        (None, None) => None,
    }
}

fn weight(shot: &Shot) -> f64 {
    shot.accuracy.unwrap_or(EXACT).max(EXACT).powi(-2)
}

/// The middle of the positions, the exact ones counted more; `None` if they do not belong together.
fn centre(shots: &[Shot], members: &[(usize, Placed)]) -> Option<Centre> {
    let located =
        || members.iter().filter_map(|(shot, _)| Some((&shots[*shot], shots[*shot].place?)));
    let place = middle(located().map(|(shot, place)| (place, weight(shot))))?;
    let reach = ELSEWHERE + GIVES_WAY;
    if located().any(|(_, other)| metres(place, other) > reach) {
        return None;
    }
    let mut off: Vec<f64> = located().map(|(shot, _)| shot.accuracy.unwrap_or(0.0)).collect();
    off.sort_unstable_by(f64::total_cmp);
    let photos = u32::try_from(off.len()).map_or(f64::MAX, f64::from);
    Some(Centre { place, uncertainty: off[off.len() / 2] / photos.sqrt() })
}

#[cfg(test)]
mod tests {
    use super::super::instant::moments;
    use super::*;

    const CLUB: Place = Place { lat: 38.9179, lon: -77.0237 };

    /// A photo `minutes` after eight in the evening, so many metres north of the club.
    fn shot(minutes: i64, metres_north: Option<f64>) -> Shot {
        let evening: chrono::NaiveDateTime = "2019-06-14T20:00:00".parse().unwrap();
        Shot {
            key: format!("{minutes}"),
            camera: Some("phone".to_owned()),
            local: Some(evening + TimeDelta::minutes(minutes)),
            offset_minutes: Some(-240),
            place: metres_north.map(|metres| Place { lat: CLUB.lat + metres / 111_195.0, ..CLUB }),
            ..Shot::default()
        }
    }

    fn grouped(shots: &[Shot]) -> Vec<Vec<(usize, Placed)>> {
        let moments = moments(shots, "2026-01-01T00:00:00Z".parse().unwrap());
        sessions(shots, &moments).into_iter().map(|session| session.members).collect()
    }

    #[test]
    fn pauses_and_ways_end_a_session() {
        let shots = [
            shot(0, Some(0.0)),
            shot(20, Some(100.0)),
            shot(40, Some(1_000.0)),
            shot(41, Some(1_020.0)),
            shot(41 + 151, Some(1_000.0)),
        ];
        let own = |shot| (shot, Placed::Own);
        assert_eq!(grouped(&shots), [vec![own(0), own(1)], vec![own(2), own(3)], vec![own(4)]]);
    }

    #[test]
    fn uncertain_positions_may_be_further_away() {
        let weak = |minutes, north| Shot { accuracy: Some(250.0), ..shot(minutes, Some(north)) };
        assert_eq!(grouped(&[shot(0, Some(0.0)), weak(10, 600.0), weak(20, -600.0)]).len(), 1);
        assert_eq!(grouped(&[shot(0, Some(0.0)), shot(10, Some(600.0))]).len(), 2);
    }

    #[test]
    fn photos_without_a_position_join() {
        let other = |minutes| Shot { camera: Some("camera".to_owned()), ..shot(minutes, None) };
        let shots = [
            shot(0, Some(5_000.0)),
            shot(100, Some(0.0)),
            shot(200, Some(0.0)),
            shot(10, None),
            shot(50, None),
            shot(75, None),
            shot(150, None),
            shot(246, None),
            other(150),
            other(300),
        ];
        let groups = grouped(&shots);
        assert_eq!(groups[0], [(0, Placed::Own), (3, Placed::SameCamera)]);
        // In the middle of a session, and shortly before it.
        let club = [
            (5, Placed::SameCamera),
            (1, Placed::Own),
            (6, Placed::SameCamera),
            (8, Placed::Perhaps),
            (2, Placed::Own),
        ];
        assert_eq!(groups[1], club);
        // Too long before, too long after, and somebody's other camera.
        assert_eq!(
            groups[2..],
            [vec![(9, Placed::Nowhere)], vec![(4, Placed::Nowhere)], vec![(7, Placed::Nowhere)]]
        );
    }

    #[test]
    fn on_the_way_between_two_places_is_neither() {
        let shots = [shot(0, Some(5_000.0)), shot(60, Some(0.0)), shot(32, None), shot(50, None)];
        let groups = grouped(&shots);
        assert_eq!(groups[1], [(2, Placed::Perhaps), (3, Placed::SameCamera), (1, Placed::Own)]);
    }

    #[test]
    fn the_middle_follows_exact_positions() {
        let weak = Shot { accuracy: Some(300.0), ..shot(1, Some(300.0)) };
        let shots = [shot(0, Some(0.0)), weak];
        let moments = moments(&shots, "2026-01-01T00:00:00Z".parse().unwrap());
        let centre = sessions(&shots, &moments)[0].centre.unwrap();
        assert!(metres(centre.place, CLUB) < 5.0, "{centre:?}");
    }
}
