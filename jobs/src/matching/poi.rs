//! Places of OpenStreetMap where a concert could have been.

use std::collections::BTreeMap;

use crate::pixels::Place;

use super::globe::metres;
use super::names::Name;
use super::score::VENUE;

/// Tags that hold names. `old_name` and `alt_name` know what a venue was called when the photo was
/// taken.
const NAMES: [&str; 7] =
    ["name", "alt_name", "old_name", "official_name", "short_name", "loc_name", "name:en"];

/// A tag that says that there could be a concert.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) key: &'static str,
    /// [`ANY`] stands for every value.
    pub(crate) value: &'static str,
    /// How likely concerts are at such a place, 0 to 1.
    pub(crate) fitness: f64,
    /// Such places are everywhere: only those within [`NEAR`] are looked at.
    pub(crate) only_near: bool,
}

/// So near a place has to be that is of a kind which is everywhere, in metres.
pub(crate) const NEAR: f64 = 200.0;
pub(crate) const ANY: &str = "*";

/// What is looked for, wherever places are from: Overpass is asked for these, and the venue table holds
/// them. <https://wiki.openstreetmap.org/wiki/Key:amenity> and the presets of the iD editor.
pub(crate) const KINDS: [Kind; 29] = [
    wide("amenity", "music_venue", 1.0),
    wide("amenity", "concert_hall", 1.0),
    wide("amenity", "events_venue", 1.0),
    wide("amenity", "events_centre", 1.0),
    wide("amenity", "theatre", 1.0),
    wide("amenity", "arts_centre", 1.0),
    wide("amenity", "nightclub", 1.0),
    wide("amenity", "stage", 1.0),
    wide("amenity", "festival_grounds", 1.0),
    wide("amenity", "conference_centre", 0.9),
    wide("amenity", "exhibition_centre", 0.9),
    wide("amenity", "community_centre", 0.8),
    wide("amenity", "casino", 0.8),
    wide("amenity", "biergarten", 0.8),
    wide("live_music", "yes", 1.0),
    wide("theatre:type", ANY, 1.0),
    wide("leisure", "stadium", 1.0),
    wide("leisure", "bandstand", 1.0),
    wide("leisure", "dance", 0.9),
    wide("leisure", "sports_hall", 0.8),
    wide("leisure", "park", 0.7),
    wide("building", "stadium", 1.0),
    near("amenity", "bar", 0.8),
    near("amenity", "pub", 0.8),
    near("amenity", "place_of_worship", 0.7),
    near("amenity", "townhall", 0.7),
    near("amenity", "university", 0.7),
    near("amenity", "cafe", 0.6),
    near("amenity", "restaurant", 0.5),
];

const fn wide(key: &'static str, value: &'static str, fitness: f64) -> Kind {
    Kind { key, value, fitness, only_near: false }
}

const fn near(key: &'static str, value: &'static str, fitness: f64) -> Kind {
    Kind { key, value, fitness, only_near: true }
}

impl Kind {
    /// What a tag says, if it is one of them.
    pub(crate) fn of(key: &str, value: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.key == key && (kind.value == value || kind.value == ANY))
    }
}

/// Any other place.
const OTHER: f64 = 0.2;

/// A named place of OpenStreetMap.
#[derive(Clone, Debug)]
pub(crate) struct Poi {
    /// Type and number, `way/123`: what stays when the place is renamed.
    pub(crate) osm: String,
    pub(crate) place: Place,
    /// As it is called today.
    pub(crate) name: String,
    /// How likely concerts are at such a place, 0 to 1.
    pub(crate) fitness: f64,
    /// It is looked at only within [`NEAR`].
    only_near: bool,
    /// As it is written: today's name, then others and former ones.
    pub(crate) called: Vec<String>,
    pub(crate) names: Vec<Name>,
}

impl Poi {
    /// `None` for a place without a name.
    pub(crate) fn new(osm: String, place: Place, tags: &BTreeMap<String, String>) -> Option<Self> {
        let values = NAMES.iter().filter_map(|key| tags.get(*key));
        let written = values.flat_map(|value| value.split(';')).map(str::trim);
        let called = written.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
        let kinds = || tags.iter().filter_map(|(key, value)| Kind::of(key, value));
        let fitness = kinds().map(|kind| kind.fitness).fold(OTHER, f64::max);
        let only_near = kinds().all(|kind| kind.only_near);
        Some(Self { only_near, ..Self::called(osm, place, fitness, called)? })
    }

    /// A place of which this is known already.
    pub(crate) fn called(
        osm: String,
        place: Place,
        fitness: f64,
        called: Vec<String>,
    ) -> Option<Self> {
        let name = called.first()?.clone();
        let names = called.iter().map(|name| Name::new(name)).collect();
        Some(Self { osm, place, name, fitness, only_near: false, called, names })
    }

    /// Whether it is a concert venue before it is anything else.
    pub(crate) fn is_venue(&self) -> bool {
        self.fitness >= VENUE
    }

    /// Whether it is to be looked at from a place, at most so many metres away.
    pub(crate) fn is_around(&self, place: Place, reach: f64) -> bool {
        let reach = if self.only_near { reach.min(NEAR) } else { reach };
        metres(place, self.place) <= reach
    }

    /// Whether a tag is one of those that hold names.
    pub(crate) fn is_name(key: &str) -> bool {
        NAMES.contains(&key)
    }
}
