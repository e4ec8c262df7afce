//! What is known of a photos' owner: where they were, which concerts they confirmed, what they call
//! venues.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::globe::metres;
use super::instant::Moment;
use super::names::Name;
use super::shot::Shot;
use crate::pixels::Place;

/// So long before and after, people are around where they were.
const MEMORY: TimeDelta = TimeDelta::days(60);
/// So far apart, places are two.
const APART: f64 = 10_000.0;
/// At so many places somebody may have been.
const PLACES: usize = 3;
/// After so many days it is less likely by e.
const FADES: f64 = 20.0;
/// And with each so many metres that a city is away.
const FALL: f64 = 10_000.0;

/// One owner of photos.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owner {
    /// Where they were when, by time.
    pub(crate) path: Vec<(DateTime<Utc>, Place)>,
    /// How many of their concerts were at a venue, by its id.
    pub(crate) visits: HashMap<String, usize>,
    /// Further names of venues, by id: their own, and those before it was renamed.
    pub(crate) aliases: HashMap<String, Vec<Name>>,
}

/// Where somebody may have been, and how long before or after they surely were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Whereabouts {
    pub(crate) place: Place,
    pub(crate) apart: TimeDelta,
}

impl Whereabouts {
    /// How likely it is that they were in the city with this centre, 0 to 1.
    pub(crate) fn likely(&self, centre: Place) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "days")]
        let days = self.apart.num_minutes() as f64 / 1440.0;
        (-days / FADES).exp() * (-metres(self.place, centre) / FALL).exp()
    }
}

impl Owner {
    /// The path of an owner, from photos with a position.
    pub(crate) fn path(shots: &[Shot], moments: &[Option<Moment>]) -> Vec<(DateTime<Utc>, Place)> {
        let located = shots.iter().zip(moments);
        let mut path: Vec<_> = located
            .filter_map(|(shot, moment)| Some((moment.as_ref()?.sure()?, shot.place?)))
            .collect();
        path.sort_by_key(|(at, _)| *at);
        path
    }

    pub(crate) fn visits(&self, venue: &str) -> usize {
        self.visits.get(venue).copied().unwrap_or(0)
    }

    pub(crate) fn aliases(&self, venue: &str) -> &[Name] {
        self.aliases.get(venue).map_or(&[], Vec::as_slice)
    }

    /// Where they may have been then, the likeliest first: three places that are apart, at most.
    pub(crate) fn whereabouts(&self, at: DateTime<Utc>) -> Vec<Whereabouts> {
        let mut after = self.path.partition_point(|(other, _)| *other < at);
        let mut before = after;
        let mut found: Vec<Whereabouts> = Vec::new();
        loop {
            let earlier = before.checked_sub(1).map(|index| (at - self.path[index].0, index));
            let later = self.path.get(after).map(|(other, _)| (*other - at, after));
            let Some((apart, index)) = earlier.into_iter().chain(later).min() else { break };
            if apart > MEMORY || found.len() == PLACES {
                break;
            }
            let place = self.path[index].1;
            if found.iter().all(|known| metres(known.place, place) > APART) {
                found.push(Whereabouts { place, apart });
            }
            if index < before { before -= 1 } else { after += 1 }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn people_are_around_where_they_were() {
        let home = Place { lat: 52.5, lon: 13.4 };
        let near_home = Place { lat: 52.52, lon: 13.4 };
        let away = Place { lat: 48.1, lon: 11.6 };
        let owner = Owner {
            path: vec![
                (at("2019-01-01T12:00:00Z"), away),
                (at("2019-06-10T12:00:00Z"), home),
                (at("2019-06-13T12:00:00Z"), near_home),
                (at("2019-06-16T12:00:00Z"), away),
            ],
            ..Owner::default()
        };
        let found = owner.whereabouts(at("2019-06-14T20:00:00Z"));
        let places: Vec<_> = found.iter().map(|found| found.place).collect();
        assert_eq!(places, [near_home, away]);
        // A city nearby is likelier than one that is far, and a recent place than one of long ago.
        assert!(found[0].likely(home) > found[0].likely(away));
        let long_ago = Whereabouts { apart: TimeDelta::days(50), ..found[0] };
        assert!(found[0].likely(home) > long_ago.likely(home));
        assert!(owner.whereabouts(at("2022-06-14T20:00:00Z")).is_empty());
    }
}
