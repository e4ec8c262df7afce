//! setlist.fm: which shows there were on a date in a region, all pages of them.
//!
//! <https://api.setlist.fm/docs/1.0/index.html>. It knows no coordinates and cannot be asked for what is
//! near a place, so whole regions are asked for: one question serves everybody who was out there that
//! night. What is used of its answers is shown with a link to its record (terms of use).

use std::sync::Arc;

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::Value;

use super::fetch::{Ask, Fetch};
use super::nominatim::Region;
use super::unanswered::Unanswered;
use crate::matching::{City, Show, Venue};
use crate::pixels::Place;

const SERVICE: &str = "setlist.fm";
/// No region has more shows on one day: that is an answer to another question.
const MOST_PAGES: u32 = 100;

/// A client of setlist.fm.
#[derive(Clone, Debug)]
pub(super) struct SetlistFm {
    fetch: Arc<dyn Fetch>,
    base: String,
    key: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(rename = "itemsPerPage")]
    size: u32,
    #[serde(rename = "page")]
    number: u32,
    total: u32,
    #[serde(rename = "setlist")]
    records: Vec<Record>,
}

/// What is read of a setlist. Songs are not: a quarter of all setlists have none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    id: String,
    event_date: String,
    artist: Artist,
    venue: RecordVenue,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Artist {
    name: String,
}

#[derive(Debug, Deserialize)]
struct RecordVenue {
    id: String,
    name: String,
    city: Option<RecordCity>,
}

#[derive(Debug, Deserialize)]
struct RecordCity {
    name: String,
    coords: Option<Coords>,
}

#[derive(Debug, Deserialize)]
struct Coords {
    lat: f64,
    long: f64,
}

impl SetlistFm {
    pub(super) fn new(fetch: Arc<dyn Fetch>, base: &str, key: &str) -> Self {
        Self { fetch, base: base.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    /// All shows of a date in a region.
    pub(super) async fn shows(
        &self,
        date: NaiveDate,
        region: &Region,
    ) -> Result<Vec<Show>, Unanswered> {
        let mut shows = Vec::new();
        for number in 1..=MOST_PAGES {
            let Some(page) = self.page(date, region, number).await? else {
                return if number == 1 {
                    Ok(shows)
                } else {
                    Err(garbled("its pages have changed meanwhile"))
                };
            };
            if page.number != number || page.size == 0 || page.records.is_empty() {
                return Err(garbled(format!(
                    "page {} of {} instead of {number}",
                    page.number, page.total
                )));
            }
            for record in page.records {
                shows.push(show(record, date)?);
            }
            if number * page.size >= page.total {
                return Ok(shows);
            }
        }
        Err(garbled(format!("more than {MOST_PAGES} pages")))
    }

    /// `None` when there is nothing at all: it says so with the status 404.
    async fn page(
        &self,
        date: NaiveDate,
        region: &Region,
        number: u32,
    ) -> Result<Option<Page>, Unanswered> {
        let mut url = format!(
            "{}/search/setlists?date={}&countryCode={}&p={number}",
            self.base,
            date.format("%d-%m-%Y"),
            region.country
        );
        if let Some(state) = &region.state {
            url.push_str("&stateCode=");
            url.push_str(state);
        }
        let headers = vec![
            ("x-api-key", self.key.clone()),
            ("accept", "application/json".to_owned()),
            // Names of cities are translated.
            ("accept-language", "en".to_owned()),
        ];
        let reply = self.fetch.fetch(Ask { service: SERVICE, url, headers, form: None }).await?;
        match reply.status {
            200 => serde_json::from_slice(&reply.body)
                .map(Some)
                .map_err(|error| garbled(shape(&error))),
            404 if is_its_own_404(&reply.body) => Ok(None),
            429 => {
                Err(Unanswered::Limited { service: SERVICE, status: 429, after: reply.retry_after })
            }
            401 | 403 => Err(Unanswered::Refused {
                service: SERVICE,
                reason: format!("status {}", reply.status),
            }),
            400 => Err(Unanswered::Rejected { service: SERVICE, status: 400 }),
            status => {
                Err(Unanswered::Failed { service: SERVICE, reason: format!("status {status}") })
            }
        }
    }
}

fn garbled(reason: impl Into<String>) -> Unanswered {
    Unanswered::Garbled { service: SERVICE, reason: reason.into() }
}

/// Where a reply is not what it should be, without its content.
pub(super) fn shape(error: &serde_json::Error) -> String {
    format!(
        "its JSON {} at line {}",
        if error.is_data() { "has another shape" } else { "ends or breaks" },
        error.line()
    )
}

/// Of a wrong base URL, or of something between, there are other pages with this status.
fn is_its_own_404(body: &[u8]) -> bool {
    let says = |value: Value| {
        value.get("code").or(value.get("status")).and_then(Value::as_u64) == Some(404)
    };
    serde_json::from_slice(body).is_ok_and(says)
}

fn show(record: Record, asked: NaiveDate) -> Result<Show, Unanswered> {
    let date = NaiveDate::parse_from_str(&record.event_date, "%d-%m-%Y").ok();
    if date != Some(asked) {
        return Err(garbled(format!(
            "setlist {} is of `{}`, not of {asked}",
            record.id, record.event_date
        )));
    }
    let place = |coords: Coords| {
        let real = coords.lat.abs() <= 90.0 && coords.long.abs() <= 180.0;
        real.then_some(Place { lat: coords.lat, lon: coords.long })
    };
    let city =
        record.venue.city.map(|city| City { name: city.name, place: city.coords.and_then(place) });
    let venue = Venue { id: record.venue.id, name: record.venue.name, city };
    Ok(Show { setlist: record.id, url: record.url, date: asked, artist: record.artist.name, venue })
}
