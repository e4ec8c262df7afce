//! The world as matching asks for it: whoever knows best answers.

use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use chrono::NaiveDate;

use super::catalogue::Catalogue;
use super::web::Online;
use crate::job::JobError;
use crate::matching::{Lookups, Poi, Show, Venue};
use crate::pixels::Place;

/// Until somebody has configured what is needed.
const OFF: Duration = Duration::from_hours(1);

/// Where shows, places and venues are looked up: what the catalogue knows, then the services.
#[derive(Clone, Debug)]
pub struct World {
    #[expect(dead_code, reason = "the coordinates that people have corrected are in there")]
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
        self.online()?.shows(date, near, metres).await
    }

    async fn pois(&self, near: Place, metres: f64) -> Result<Vec<Poi>, JobError> {
        self.online()?.pois(near, metres).await
    }

    async fn places_of(&self, venue: &Venue) -> Result<Vec<Place>, JobError> {
        self.online()?.places_of(venue).await
    }
}
