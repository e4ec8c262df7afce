//! A small world.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use chrono::NaiveDate;

use super::super::lookups::Lookups;
use super::super::poi::Poi;
use super::super::{City, Show, Venue, metres};
use crate::job::JobError;
use crate::pixels::Place;

/// What there is in the world.
#[derive(Default)]
pub(super) struct World {
    pub(super) shows: Vec<Show>,
    pois: Vec<Poi>,
    venues: HashMap<String, Vec<Place>>,
    /// Every look-up fails.
    broken: bool,
}

impl World {
    fn answers(&self) -> Result<(), JobError> {
        if self.broken { Err(JobError::retry(anyhow::anyhow!("timed out"))) } else { Ok(()) }
    }

    pub(super) fn broken(self) -> Self {
        Self { broken: true, ..self }
    }

    pub(super) fn poi(mut self, name: &str, place: Place, tags: &[(&str, &str)]) -> Self {
        let named = [("name", name)];
        let tags: BTreeMap<String, String> = named
            .iter()
            .chain(tags)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let osm = format!("way/{}", self.pois.len());
        self.pois.extend(Poi::new(osm, place, &tags));
        self
    }

    /// The venue's id is its name.
    pub(super) fn show(self, date: &str, venue: &str, city: &str, centre: Place) -> Self {
        let artist = format!("artist {}", self.shows.len());
        self.shows_of(date, venue, city, centre, &[&artist])
    }

    pub(super) fn shows_of(
        mut self,
        date: &str,
        venue: &str,
        city: &str,
        centre: Place,
        artists: &[&str],
    ) -> Self {
        for artist in artists {
            self.shows.push(Show {
                setlist: format!("setlist {}", self.shows.len()),
                url: String::new(),
                date: date.parse().unwrap(),
                artist: (*artist).to_owned(),
                venue: Venue {
                    id: venue.to_owned(),
                    name: venue.to_owned(),
                    city: Some(City {
                        name: city.to_owned(),
                        place: Some(centre),
                        ..City::default()
                    }),
                    ..Venue::default()
                },
                ..Show::default()
            });
        }
        self
    }

    pub(super) fn known(mut self, venue: &str, place: Place) -> Self {
        self.venues.entry(venue.to_owned()).or_default().push(place);
        self
    }
}

#[async_trait]
impl Lookups for World {
    async fn shows(&self, date: NaiveDate, near: Place, reach: f64) -> Result<Vec<Show>, JobError> {
        self.answers()?;
        let centre = |show: &Show| show.venue.city.as_ref().and_then(|city| city.place);
        let there = |show: &&Show| centre(show).is_some_and(|centre| metres(near, centre) <= reach);
        Ok(self.shows.iter().filter(|show| show.date == date).filter(there).cloned().collect())
    }

    async fn pois(&self, near: Place, reach: f64) -> Result<Vec<Poi>, JobError> {
        self.answers()?;
        Ok(self.pois.iter().filter(|poi| metres(near, poi.place) <= reach).cloned().collect())
    }

    async fn places_of(&self, venue: &Venue) -> Result<Vec<Place>, JobError> {
        self.answers()?;
        Ok(self.venues.get(&venue.id).cloned().unwrap_or_default())
    }
}
