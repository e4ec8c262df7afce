//! What matching asks, answered by services.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;

use super::fetch::Fetch;
use super::nominatim::Nominatim;
use super::overpass::Overpass;
use super::setlist_fm::SetlistFm;
use super::unanswered::Unanswered;
use crate::job::JobError;
use crate::matching::{Lookups, Poi, Show, Venue, metres};
use crate::pixels::Place;

/// Metres of a degree of latitude.
const DEGREE: f64 = 111_195.0;

/// Where the services are.
#[derive(Clone, Debug)]
pub struct Services {
    /// setlist.fm, up to `/rest/1.0`.
    pub setlist_fm: String,
    /// Its key.
    pub setlist_fm_key: String,
    /// Overpass, up to `/api`.
    pub overpass: String,
    /// Nominatim.
    pub nominatim: String,
}

/// Answers of setlist.fm, Overpass and Nominatim.
#[derive(Clone, Debug)]
pub struct Online {
    setlist_fm: SetlistFm,
    overpass: Overpass,
    nominatim: Nominatim,
}

impl Online {
    /// Asks these services through `fetch`.
    pub fn new(fetch: &Arc<dyn Fetch>, services: &Services) -> Self {
        Self {
            setlist_fm: SetlistFm::new(
                Arc::clone(fetch),
                &services.setlist_fm,
                &services.setlist_fm_key,
            ),
            overpass: Overpass::new(Arc::clone(fetch), &services.overpass),
            nominatim: Nominatim::new(Arc::clone(fetch), &services.nominatim),
        }
    }

    /// A city nearby may be in another state: all regions within reach are asked.
    async fn shows_around(
        &self,
        date: NaiveDate,
        near: Place,
        reach: f64,
    ) -> Result<Vec<Show>, Unanswered> {
        let mut regions = BTreeSet::new();
        for place in around(near, reach) {
            regions.extend(self.nominatim.region(place).await?);
        }
        let mut shows = Vec::new();
        for region in regions {
            shows.extend(self.setlist_fm.shows(date, &region).await?);
        }
        shows.retain(|show| {
            let centre = show.venue.city.as_ref().and_then(|city| city.place);
            // What is somewhere in these regions may be here: its owner is asked.
            centre.is_none_or(|centre| metres(near, centre) <= reach)
        });
        Ok(shows)
    }
}

/// The place itself, and as far in the four directions.
fn around(place: Place, reach: f64) -> [Place; 5] {
    let north = reach / DEGREE;
    let east = north / place.lat.to_radians().cos().max(0.01);
    let moved = |lat: f64, lon: f64| Place {
        lat: (place.lat + lat).clamp(-90.0, 90.0),
        lon: (place.lon + lon + 540.0).rem_euclid(360.0) - 180.0,
    };
    [place, moved(north, 0.0), moved(-north, 0.0), moved(0.0, east), moved(0.0, -east)]
}

#[async_trait]
impl Lookups for Online {
    async fn shows(&self, date: NaiveDate, near: Place, reach: f64) -> Result<Vec<Show>, JobError> {
        self.shows_around(date, near, reach).await.map_err(Unanswered::for_job)
    }

    async fn pois(&self, near: Place, reach: f64) -> Result<Vec<Poi>, JobError> {
        self.overpass.around(near, reach).await.map_err(Unanswered::for_job)
    }

    async fn places_of(&self, venue: &Venue) -> Result<Vec<Place>, JobError> {
        self.nominatim.venue(venue).await.map_err(Unanswered::for_job)
    }
}
