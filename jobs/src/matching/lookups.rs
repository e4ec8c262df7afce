//! What matching asks the world, and nothing else of it.

use async_trait::async_trait;
use chrono::NaiveDate;

use super::poi::Poi;
use super::show::{Show, Venue};
use crate::job::JobError;
use crate::pixels::Place;

/// Facts from outside. An error is never an answer: whoever asks stops with it, decides nothing, and
/// asks again when the error says so.
#[async_trait]
pub(crate) trait Lookups: Send + Sync {
    /// All shows of a date at venues whose city's centre is at most so many metres from a place. None is
    /// an answer too, but only when it is known that there are none.
    async fn shows(&self, date: NaiveDate, near: Place, metres: f64)
    -> Result<Vec<Show>, JobError>;

    /// Places where concerts could be, at most so many metres from a place.
    async fn pois(&self, near: Place, metres: f64) -> Result<Vec<Poi>, JobError>;

    /// Where a venue is, or has been before it moved: from the venue table, a geocoder, or links that
    /// users confirmed.
    async fn places_of(&self, venue: &Venue) -> Result<Vec<Place>, JobError>;
}
