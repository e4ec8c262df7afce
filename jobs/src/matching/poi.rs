//! Places of OpenStreetMap where a concert could have been.

use std::collections::BTreeMap;

use crate::pixels::Place;

use super::names::Name;
use super::score::VENUE;

/// Tags that hold names. `old_name` and `alt_name` know what a venue was called when the photo was
/// taken.
const NAMES: [&str; 7] =
    ["name", "alt_name", "old_name", "official_name", "short_name", "loc_name", "name:en"];

/// How likely concerts are at such a place, 0 to 1.
/// <https://wiki.openstreetmap.org/wiki/Key:amenity> and the presets of the iD editor.
const KINDS: [(&str, &str, f64); 27] = [
    ("amenity", "music_venue", 1.0),
    ("amenity", "concert_hall", 1.0),
    ("amenity", "events_venue", 1.0),
    ("amenity", "events_centre", 1.0),
    ("amenity", "theatre", 1.0),
    ("amenity", "arts_centre", 1.0),
    ("amenity", "nightclub", 1.0),
    ("amenity", "stage", 1.0),
    ("amenity", "festival_grounds", 1.0),
    ("amenity", "conference_centre", 0.9),
    ("amenity", "exhibition_centre", 0.9),
    ("amenity", "community_centre", 0.8),
    ("amenity", "bar", 0.8),
    ("amenity", "pub", 0.8),
    ("amenity", "casino", 0.8),
    ("amenity", "biergarten", 0.8),
    ("amenity", "place_of_worship", 0.7),
    ("amenity", "townhall", 0.7),
    ("amenity", "university", 0.7),
    ("amenity", "cafe", 0.6),
    ("amenity", "restaurant", 0.5),
    ("leisure", "stadium", 1.0),
    ("leisure", "bandstand", 1.0),
    ("leisure", "dance", 0.9),
    ("leisure", "sports_hall", 0.8),
    ("leisure", "park", 0.7),
    ("building", "stadium", 1.0),
];

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
    /// As it is written: today's name, then others and former ones.
    pub(crate) called: Vec<String>,
    pub(super) names: Vec<Name>,
}

impl Poi {
    /// `None` for a place without a name.
    pub(crate) fn new(osm: String, place: Place, tags: &BTreeMap<String, String>) -> Option<Self> {
        let values = NAMES.iter().filter_map(|key| tags.get(*key));
        let written = values.flat_map(|value| value.split(';')).map(str::trim);
        let called = written.filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
        Self::called(osm, place, fitness(tags), called)
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
        Some(Self { osm, place, name, fitness, called, names })
    }

    /// Whether it is a concert venue before it is anything else.
    pub(crate) fn is_venue(&self) -> bool {
        self.fitness >= VENUE
    }
}

fn fitness(tags: &BTreeMap<String, String>) -> f64 {
    let tag = |key: &str| tags.get(key).map(String::as_str);
    if tag("live_music") == Some("yes") || tag("theatre:type").is_some() {
        return 1.0;
    }
    let fits = KINDS.iter().filter(|(key, value, _)| tag(key) == Some(value));
    fits.map(|(_, _, fitness)| *fitness).fold(OTHER, f64::max)
}
