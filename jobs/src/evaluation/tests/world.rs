//! Answers from the files themselves, without asking anything for them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use async_trait::async_trait;
use chrono::NaiveDate;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::table::elements;
use crate::job::JobError;
use crate::matching::{City, Lookups, Poi, Show, Venue, metres};
use crate::pixels::Place;

/// All that there is.
pub(super) struct World {
    shows: HashMap<NaiveDate, Vec<Show>>,
    pois: Vec<Poi>,
    venues: HashMap<String, Vec<Place>>,
}

impl World {
    pub(super) fn read(
        setlists: &Path,
        pois: &Path,
        venues: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let mut shows: HashMap<NaiveDate, Vec<Show>> = HashMap::new();
        for setlist in read::<Setlists>(setlists)?.setlist {
            let show = show(setlist).with_context(|| setlists.display().to_string())?;
            shows.entry(show.date).or_default().push(show);
        }
        let pois = elements(pois)?
            .into_iter()
            .filter_map(|element| Poi::new(element.osm(), element.place()?, &element.tags));
        let known = venues.map(read::<Vec<KnownVenue>>).transpose()?.unwrap_or_default();
        let mut venues: HashMap<String, Vec<Place>> = HashMap::new();
        for venue in known {
            let places = venues.entry(venue.setlistfm_venue_id).or_default();
            places.push(Place { lat: venue.lat, lon: venue.lng });
        }
        Ok(Self { shows, pois: pois.collect(), venues })
    }
}

fn show(setlist: Setlist) -> anyhow::Result<Show> {
    let date = NaiveDate::parse_from_str(&setlist.event_date, "%d-%m-%Y");
    let date = date
        .with_context(|| format!("setlist {}: eventDate `{}`", setlist.id, setlist.event_date))?;
    let city = setlist.venue.city.map(|city| City {
        name: city.name,
        place: city.coords.map(|coords| Place { lat: coords.lat, lon: coords.long }),
        ..City::default()
    });
    let venue = Venue { id: setlist.venue.id, name: setlist.venue.name, city, ..Venue::default() };
    Ok(Show { setlist: setlist.id, date, artist: setlist.artist.name, venue, ..Show::default() })
}

#[async_trait]
impl Lookups for World {
    async fn shows(&self, date: NaiveDate, near: Place, reach: f64) -> Result<Vec<Show>, JobError> {
        let shows = self.shows.get(&date).into_iter().flatten();
        let around = shows.filter(|show| {
            let centre = show.venue.city.as_ref().and_then(|city| city.place);
            centre.is_some_and(|centre| metres(near, centre) <= reach)
        });
        Ok(around.cloned().collect())
    }

    async fn pois(&self, near: Place, reach: f64) -> Result<Vec<Poi>, JobError> {
        let around = self.pois.iter().filter(|poi| metres(near, poi.place) <= reach);
        Ok(around.cloned().collect())
    }

    async fn places_of(&self, venue: &Venue) -> Result<Vec<Place>, JobError> {
        Ok(self.venues.get(&venue.id).cloned().unwrap_or_default())
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// Setlists, as setlist.fm writes them.
#[derive(Debug, Deserialize)]
struct Setlists {
    setlist: Vec<Setlist>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Setlist {
    id: String,
    event_date: String,
    artist: Named,
    venue: SetlistVenue,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct SetlistVenue {
    id: String,
    name: String,
    city: Option<SetlistCity>,
}

#[derive(Debug, Deserialize)]
struct SetlistCity {
    name: String,
    coords: Option<Coords>,
}

#[derive(Debug, Deserialize)]
struct Coords {
    lat: f64,
    long: f64,
}

/// A venue whose coordinates are known.
#[derive(Debug, Deserialize)]
struct KnownVenue {
    setlistfm_venue_id: String,
    lat: f64,
    #[serde(alias = "lon", alias = "long")]
    lng: f64,
}
