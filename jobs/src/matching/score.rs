//! How well a session of photos fits a night, from 0 to 1.
//!
//! `(0.55 · distance + 0.45 · name) · (0.7 + 0.3 · fitness) · time of day`: weights as measured on the
//! benchmark of real shows. Coordinates of the venue stand for a name that is surely right.

use chrono::{NaiveDateTime, NaiveTime, Timelike as _};

use serde::Serialize;

use super::globe::metres;
use super::names::{Name, similarity};
use super::poi::Poi;
use super::session::Centre;
use super::show::EventNight;
use crate::pixels::Place;

/// Within so many metres a photo is at the venue, whose point on the map is its middle or its door.
const AT: f64 = 80.0;
/// Beyond that, what a distance counts falls by e with each so many metres.
const FALL: f64 = 160.0;
/// Places of OpenStreetMap further away are not looked at.
pub(crate) const REACH: f64 = 500.0;
/// A position that is off by so much counts half.
const UNCERTAIN: f64 = 300.0;
/// So far apart, two places of one name are two.
const NAMESAKES: f64 = 60.0;
/// A venue that is surely further away than this was somewhere else.
const ELSEWHERE: f64 = 1_000.0;
/// A concert venue that is nearer than another one by more than this is likelier where people are.
const NEARER: f64 = 40.0;
/// From this fitness on, a place is a concert venue before it is anything else.
pub(super) const VENUE: f64 = 0.9;
/// Names that are less alike say nothing.
const NAMESAKE: f64 = 0.5;
/// Names that are so alike are of one venue.
const SAME_NAME: f64 = 0.8;

const DISTANCE: f64 = 0.55;
const NAME: f64 = 0.45;

/// What says that a night was where the photos were taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Basis {
    /// The coordinates of the venue.
    Coordinates,
    /// A place of OpenStreetMap with the venue's name.
    Poi {
        /// Its type and number.
        osm: String,
        /// How it is called.
        name: String,
    },
    /// No more than the city.
    City,
}

/// How well photos fit a night, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fit {
    /// 0 to 1.
    pub(crate) score: f64,
    pub(crate) basis: Basis,
    /// Where that is: the venue, if this is its night.
    pub(crate) place: Option<Place>,
    /// From the photos to there.
    pub(crate) metres: Option<f64>,
    /// How alike the names are, 0 to 1.
    pub(crate) name: f64,
    /// The venue's coordinates are known and elsewhere.
    pub(crate) elsewhere: bool,
    /// More than one place around has the venue's name.
    pub(crate) namesakes: bool,
    /// Another concert venue is clearly nearer.
    pub(crate) nearer: bool,
}

impl Fit {
    /// Nothing speaks for it.
    pub(crate) const NOTHING: Self = Self {
        score: 0.0,
        basis: Basis::City,
        place: None,
        metres: None,
        name: 0.0,
        elsewhere: false,
        namesakes: false,
        nearer: false,
    };
}

/// How well photos taken around `centre` at this time of day fit the night.
///
/// `known` is where the night's venue is known to be, or to have been; `aliases` are further names of it.
pub(crate) fn fit(
    night: &EventNight,
    centre: &Centre,
    time: NaiveTime,
    pois: &[Poi],
    known: &[Place],
    aliases: &[Name],
) -> Fit {
    let reach = REACH + centre.uncertainty;
    let of_day = time_of_day(time, night.festival());
    let venue_names: Vec<&Name> = night.venue_names.iter().chain(aliases).collect();
    let mut best = Fit::NOTHING;
    let mut named: Vec<Place> = Vec::new();
    let mut nearest = f64::MAX;
    for poi in pois {
        let metres = metres(centre.place, poi.place);
        if metres > reach {
            continue;
        }
        let pairs =
            venue_names.iter().flat_map(|venue| poi.names.iter().map(move |name| (name, venue)));
        let name = pairs
            .map(|(name, venue)| similarity(name, venue, &night.city_name))
            .fold(0.0, f64::max);
        if poi.is_venue() {
            nearest = nearest.min(metres);
        }
        if name < NAMESAKE {
            continue;
        }
        if name >= SAME_NAME {
            named.push(poi.place);
        }
        let of_name = (name - NAMESAKE) / (1.0 - NAMESAKE);
        let fitness = 0.7 + 0.3 * poi.fitness;
        let score =
            (DISTANCE * near(metres, centre.uncertainty) + NAME * of_name) * fitness * of_day;
        if score > best.score {
            let basis = Basis::Poi { osm: poi.osm.clone(), name: poi.name.clone() };
            let place = Some(poi.place);
            best = Fit { score, basis, place, metres: Some(metres), name, ..Fit::NOTHING };
        }
    }
    let outdone = |metres: f64| metres > nearest + NEARER + 2.0 * centre.uncertainty;
    best.nearer = best.metres.is_some_and(outdone);
    best.namesakes = named.iter().any(|place| metres(*place, named[0]) > NAMESAKES);
    let known = known.iter().map(|known| (metres(centre.place, *known), *known));
    let Some((metres, place)) = known.min_by(|a, b| a.0.total_cmp(&b.0)) else {
        return best;
    };
    if metres > ELSEWHERE + centre.uncertainty {
        return Fit { elsewhere: true, ..best };
    }
    if metres > reach {
        return best;
    }
    // Between places of one name, coordinates decide; a single one may be drawn better than they are.
    let by_name = if best.namesakes { 0.0 } else { best.score };
    let score = ((DISTANCE * near(metres, centre.uncertainty) + NAME) * of_day).max(by_name);
    let nearer = outdone(best.metres.unwrap_or(metres).min(metres));
    Fit {
        score,
        basis: Basis::Coordinates,
        place: Some(place),
        metres: Some(metres),
        name: 1.0,
        nearer,
        ..Fit::NOTHING
    }
}

/// What a distance counts, 0 to 1, if the photos' position may be off by so much.
fn near(metres: f64, uncertainty: f64) -> f64 {
    let certain = 1.0 / (1.0 + (uncertainty / UNCERTAIN).powi(2));
    certain * (-(metres - AT).max(0.0) / (FALL + uncertainty)).exp()
}

/// What the time of day counts: concerts are in the evening, festivals from eleven on.
fn time_of_day(time: NaiveTime, festival: bool) -> f64 {
    match (festival, time.hour()) {
        (true, 11..=23 | 0..=2) | (false, 17..=23 | 0..=4) => 1.0,
        (false, 14..=16) => 0.85,
        _ => 0.55,
    }
}

/// Whether people are at concerts at this time.
pub(crate) fn is_evening(time: NaiveTime, festival: bool) -> bool {
    time_of_day(time, festival) >= 1.0
}

/// The time of day in the middle of these, where a day begins at six in the morning.
pub(crate) fn middle_time(mut times: Vec<NaiveDateTime>) -> Option<NaiveTime> {
    times.sort_unstable();
    times.get(times.len() / 2).map(NaiveDateTime::time)
}
