//! Nominatim: in which region a place is, and where a venue is that has a name.
//!
//! <https://nominatim.org/release-docs/latest/api/Overview/>. The public server allows one question a
//! second of a whole application.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fetch::{Answer, Ask, Fetch, Reply, answer};
use super::setlist_fm::shape;
use super::unanswered::Unanswered;
use crate::effects::Target;
use crate::matching::{Name, Venue, metres, similarity};
use crate::pixels::Place;

const SERVICE: Target = Target::Nominatim;
/// Countries whose parts setlist.fm knows by the codes of ISO 3166-2.
const WITH_STATES: [&str; 2] = ["US", "GB"];
/// No venue is further away from the centre of its city, in metres.
const REGION: f64 = 30_000.0;
/// Names that are so alike are of one venue.
const SAME_NAME: f64 = 0.8;
/// A venue may be drawn twice, as a point and as an area, so far apart in metres.
const ONE_PLACE: f64 = 100.0;
/// Kinds of places that are no venue, whatever their name: bus stops, streets, offices.
const NO_VENUE: [&str; 6] =
    ["highway", "railway", "public_transport", "place", "boundary", "office"];

/// What setlist.fm can be asked for: a country, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Region {
    /// ISO 3166-1, two capital letters.
    pub(super) country: String,
    /// The second part of the ISO 3166-2 code, where setlist.fm has the same.
    pub(super) state: Option<String>,
}

/// A client of Nominatim.
#[derive(Clone, Debug)]
pub(super) struct Nominatim {
    fetch: Arc<dyn Fetch>,
    base: String,
}

#[derive(Debug, Deserialize)]
struct Found {
    lat: String,
    lon: String,
    category: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Reverse {
    error: Option<Value>,
    address: Option<Address>,
}

#[derive(Debug, Deserialize)]
struct Address {
    country_code: Option<String>,
    #[serde(rename = "ISO3166-2-lvl4")]
    state: Option<String>,
}

impl Nominatim {
    pub(super) fn new(fetch: Arc<dyn Fetch>, base: &str) -> Self {
        Self { fetch, base: base.trim_end_matches('/').to_owned() }
    }

    /// The region of a place, of which only a tenth of a degree is told; `None` at sea.
    pub(super) async fn region(&self, place: Place) -> Result<Option<Region>, Unanswered> {
        let query = format!(
            "reverse?format=jsonv2&zoom=5&accept-language=en&lat={:.1}&lon={:.1}",
            place.lat, place.lon
        );
        self.ask(&query, region).await
    }

    /// Where a venue is: the one place near its city that has its name.
    pub(super) async fn venue(&self, venue: &Venue) -> Result<Vec<Place>, Unanswered> {
        let Some((city, centre)) = venue.city.as_ref().and_then(|city| Some((city, city.place?)))
        else {
            return Ok(Vec::new());
        };
        let words = format!("{}, {}", venue.name, city.name);
        let words = utf8_percent_encode(&words, NON_ALPHANUMERIC);
        let query = format!("search?format=jsonv2&limit=5&accept-language=en&q={words}");
        let (name, city) = (Name::new(&venue.name), Name::new(&city.name));
        self.ask(&query, |found| places(found, &name, &city, centre)).await
    }

    /// What can be read out of its reply is an answer.
    async fn ask<T: DeserializeOwned, U: Send>(
        &self,
        query: &str,
        read: impl Fn(T) -> Result<U, Unanswered> + Sync,
    ) -> Result<U, Unanswered> {
        let ask = Ask::get(SERVICE, format!("{}/{query}", self.base));
        answer(&*self.fetch, &ask, |reply| Ok((read(body(reply)?)?, Answer::Map))).await
    }
}

fn region(reverse: Reverse) -> Result<Option<Region>, Unanswered> {
    let Some(address) = reverse.address else {
        let nothing = reverse.error.is_some();
        return if nothing { Ok(None) } else { Err(garbled("neither an address nor an error")) };
    };
    let code = address.country_code.filter(|code| code.len() == 2 && code.is_ascii());
    let country = code.ok_or_else(|| garbled("an address without a country"))?.to_ascii_uppercase();
    let state = address.state.filter(|_| WITH_STATES.contains(&country.as_str()));
    let state = state.and_then(|code| Some(code.split_once('-')?.1.to_owned()));
    Ok(Some(Region { country, state }))
}

/// Those that have the name and are near their city's centre; of several nobody knows which one it is.
fn places(
    found: Vec<Found>,
    name: &Name,
    city: &Name,
    centre: Place,
) -> Result<Vec<Place>, Unanswered> {
    let mut places = Vec::new();
    for found in found {
        let (Ok(lat), Ok(lon)) = (found.lat.parse(), found.lon.parse()) else {
            return Err(garbled("a place without coordinates"));
        };
        let place = Place { lat, lon };
        let is_it = !NO_VENUE.contains(&found.category.as_str())
            && similarity(&Name::new(&found.name), name, city) >= SAME_NAME;
        let known = places.iter().any(|known| metres(*known, place) <= ONE_PLACE);
        if is_it && metres(place, centre) <= REGION && !known {
            places.push(place);
        }
    }
    Ok(if places.len() == 1 { places } else { Vec::new() })
}

fn body<T: DeserializeOwned>(reply: &Reply) -> Result<T, Unanswered> {
    // Whoever asks too much is told so in HTML.
    let html = reply.body.trim_ascii_start().starts_with(b"<");
    match reply.status {
        200 if html => Err(refused("a page of HTML")),
        200 => serde_json::from_slice(&reply.body).map_err(|error| garbled(shape(&error))),
        429 | 509 => {
            let (status, after) = (reply.status, reply.retry_after);
            Err(Unanswered::Limited { service: SERVICE, status, after })
        }
        401 | 403 => Err(refused(&format!("status {}", reply.status))),
        400 => Err(Unanswered::Rejected { service: SERVICE, status: 400 }),
        status => Err(Unanswered::Failed { service: SERVICE, reason: format!("status {status}") }),
    }
}

fn refused(reason: &str) -> Unanswered {
    Unanswered::Refused { service: SERVICE, reason: reason.to_owned() }
}

fn garbled(reason: impl Into<String>) -> Unanswered {
    Unanswered::Garbled { service: SERVICE, reason: reason.into() }
}
