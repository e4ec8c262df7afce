//! The world as matching asks for it: whoever knows best answers. Places are looked up in the venue table
//! where an imported extract covers them, venues too; the services are asked for what it does not know.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use chrono::NaiveDate;

use super::catalogue::{Catalogue, catalogue_error};
use super::venue_table::VenueTable;
use super::web::Online;
use crate::job::JobError;
use crate::matching::{Lookups, Poi, Show, Venue};
use crate::pixels::Place;

/// Until somebody has configured what is needed.
const OFF: Duration = Duration::from_hours(1);

/// Where shows, places and venues are looked up: what the catalogue knows, then the services.
#[derive(Clone, Debug)]
pub struct World {
    catalogue: Catalogue,
    online: Option<Online>,
}

impl World {
    /// Without services nothing is matched.
    pub fn new(catalogue: Catalogue, online: Option<Online>) -> Self {
        Self { catalogue, online }
    }

    /// Whether shows can be asked for at all.
    pub fn is_known(&self) -> bool {
        self.online.is_some()
    }

    fn online(&self) -> Result<&Online, JobError> {
        self.online.as_ref().ok_or_else(|| {
            JobError::postpone(
                OFF,
                anyhow!("photos are not matched to shows: no key of setlist.fm is configured ([services])"),
            )
        })
    }
}

#[async_trait]
impl Lookups for World {
    async fn shows(
        &self,
        date: NaiveDate,
        near: Place,
        metres: f64,
    ) -> Result<Vec<Show>, JobError> {
        let mut shows = self.online()?.shows(date, near, metres).await?;
        let venues: BTreeSet<&str> = shows.iter().map(|show| show.venue.id.as_str()).collect();
        let venues: Vec<&str> = venues.into_iter().collect();
        let names = self.catalogue.venue_names(&venues).await.map_err(catalogue_error)?;
        for (venue, name) in names {
            let of_venue = shows.iter_mut().filter(|show| show.venue.id == venue);
            of_venue.for_each(|show| show.venue.also.push(name.clone()));
        }
        Ok(shows)
    }

    async fn pois(&self, near: Place, metres: f64) -> Result<Vec<Poi>, JobError> {
        let known = VenueTable(&self.catalogue).pois(near, metres).await;
        match known.map_err(catalogue_error)? {
            Some(pois) => Ok(pois),
            None => self.online()?.pois(near, metres).await,
        }
    }

    async fn places_of(&self, venue: &Venue) -> Result<Vec<Place>, JobError> {
        let corrected = self.catalogue.corrected_place(&venue.id).await;
        if let Some(place) = corrected.map_err(catalogue_error)? {
            return Ok(vec![place]);
        }
        let known = VenueTable(&self.catalogue).places_of(venue).await;
        match known.map_err(catalogue_error)? {
            Some(places) => Ok(places),
            None => self.online()?.places_of(venue).await,
        }
    }
}
