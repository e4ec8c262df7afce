//! Shows as setlist.fm knows them, and the nights that they make.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::pixels::Place;

use super::names::Name;

/// From so many artists on, a night is a festival (or a day of one): it begins before the evening.
const FESTIVAL: usize = 5;

/// A city of setlist.fm.
#[derive(Clone, Debug, Default)]
pub(crate) struct City {
    pub(crate) name: String,
    pub(crate) state: Option<String>,
    pub(crate) country: Option<String>,
    /// Its centre, 2.6 km from its venues in the median, 15 km at the 95th percentile.
    pub(crate) place: Option<Place>,
}

/// A venue of setlist.fm, which knows no coordinates of venues.
#[derive(Clone, Debug, Default)]
pub(crate) struct Venue {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Further names, and those before it was renamed.
    pub(crate) also: Vec<String>,
    /// One record in 225 has none.
    pub(crate) city: Option<City>,
}

/// Songs that were played in one go: a set, or an encore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SongSet {
    /// `Encore` or `Acoustic`; the main set has none as a rule.
    pub(crate) name: Option<String>,
    /// In order; empty where nobody knows what it was.
    pub(crate) songs: Vec<String>,
}

/// What an artist played on one day at one venue: one setlist, often without songs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Show {
    pub(crate) setlist: String,
    /// Changes with each edit of the record.
    pub(crate) version: Option<String>,
    /// Its record, which is linked to wherever the show is shown.
    pub(crate) url: String,
    /// The day that it began on, at the venue.
    pub(crate) date: NaiveDate,
    pub(crate) artist: String,
    /// The artist's `MusicBrainz` id.
    pub(crate) mbid: Option<String>,
    /// In order; without songs where nobody has written them down.
    pub(crate) sets: Vec<SongSet>,
    pub(crate) tour: Option<String>,
    pub(crate) venue: Venue,
}

impl Show {
    /// How many songs are written down.
    pub(crate) fn songs(&self) -> usize {
        self.sets.iter().map(|set| set.songs.len()).sum()
    }
}

/// All that happened at one venue on one date: what people remember as a concert, and what photos are
/// linked to.
#[derive(Clone, Debug)]
pub(crate) struct EventNight {
    pub(crate) date: NaiveDate,
    pub(crate) venue: Venue,
    /// In the order in which they were found; two of one artist are two shows of the night.
    pub(crate) shows: Vec<Show>,
    pub(super) venue_names: Vec<Name>,
    pub(super) city_name: Name,
}

impl EventNight {
    /// How many different artists played.
    pub(crate) fn acts(&self) -> usize {
        let mut names: Vec<&str> = self.shows.iter().map(|show| show.artist.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    /// Many artists, and so a beginning at noon.
    pub(crate) fn festival(&self) -> bool {
        self.acts() >= FESTIVAL
    }

    /// An artist played twice: an early and a late show, between which photos cannot choose.
    pub(crate) fn two_shows(&self) -> bool {
        self.acts() < self.shows.len()
    }

    /// Nobody has written down what was played.
    pub(crate) fn without_songs(&self) -> bool {
        self.shows.iter().all(|show| show.songs() == 0)
    }

    /// The centre of the venue's city.
    pub(crate) fn city_centre(&self) -> Option<Place> {
        self.venue.city.as_ref()?.place
    }
}

/// Groups shows by venue and date. A show that is told twice counts once.
pub(crate) fn event_nights(shows: impl IntoIterator<Item = Show>) -> Vec<EventNight> {
    let mut nights: Vec<EventNight> = Vec::new();
    for show in shows {
        let same =
            |night: &&mut EventNight| night.date == show.date && night.venue.id == show.venue.id;
        let Some(night) = nights.iter_mut().find(same) else {
            nights.push(EventNight {
                date: show.date,
                venue_names: std::iter::once(&show.venue.name)
                    .chain(&show.venue.also)
                    .map(|name| Name::new(name))
                    .collect(),
                city_name: Name::new(show.venue.city.as_ref().map_or("", |city| &city.name)),
                venue: show.venue.clone(),
                shows: vec![show],
            });
            continue;
        };
        if night.shows.iter().all(|known| known.setlist != show.setlist) {
            night.shows.push(show);
        }
    }
    nights
}
