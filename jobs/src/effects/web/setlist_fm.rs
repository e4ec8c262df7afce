//! setlist.fm: which shows there were on a date in a region, all pages of them.
//!
//! <https://api.setlist.fm/docs/1.0/index.html>. It knows no coordinates and cannot be asked for what is
//! near a place, so whole regions are asked for: one question serves everybody who was out there that
//! night. What is used of its answers is shown with a link to its record (terms of use).

use std::sync::Arc;

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::fetch::{Answer, Ask, Fetch, Reply, answer};
use super::nominatim::Region;
use super::unanswered::Unanswered;
use crate::effects::Target;
use crate::matching::{City, Show, SongSet, Venue};
use crate::pixels::Place;

const SERVICE: Target = Target::SetlistFm;
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

/// One page, read.
#[derive(Debug)]
struct Listing {
    shows: Vec<Show>,
    last: bool,
    /// Another one when anything on the page is.
    edition: String,
}

/// What is read of a setlist. A quarter of all setlists have no songs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    id: String,
    version_id: Option<String>,
    event_date: String,
    artist: Artist,
    venue: RecordVenue,
    tour: Option<Named>,
    sets: Option<Sets>,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Artist {
    mbid: Option<String>,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Sets {
    #[serde(default)]
    set: Vec<Set>,
}

#[derive(Debug, Deserialize)]
struct Set {
    name: Option<String>,
    /// Which encore it is, from 1 on.
    encore: Option<u32>,
    #[serde(default)]
    song: Vec<Named>,
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
    state: Option<String>,
    country: Option<Named>,
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
        match self.pages(date, region, false).await {
            // The first page was kept, and the others are not what they were then.
            Err((2.., Unanswered::Garbled { .. })) => {
                self.pages(date, region, true).await.map_err(|(_, unanswered)| unanswered)
            }
            shows => shows.map_err(|(_, unanswered)| unanswered),
        }
    }

    /// All pages; without an answer: on which page, and why.
    async fn pages(
        &self,
        date: NaiveDate,
        region: &Region,
        fresh: bool,
    ) -> Result<Vec<Show>, (u32, Unanswered)> {
        let mut shows = Vec::new();
        let mut edition = String::new();
        for number in 1..=MOST_PAGES {
            let mut ask = self.ask(date, region, number);
            // Later pages belong to the first one as it was.
            (ask.fresh, ask.edition) = (fresh && number == 1, edition.clone());
            let read = |reply: &Reply| {
                let page = read(reply, number, date)?;
                let found = page.is_some();
                Ok((page, Answer::Shows { date, found }))
            };
            let page = answer(&*self.fetch, &ask, read).await.map_err(|why| (number, why))?;
            let Some(page) = page else { return Ok(shows) };
            shows.extend(page.shows);
            if page.last {
                return Ok(shows);
            }
            if number == 1 {
                edition = page.edition;
            }
        }
        Err((1, garbled(format!("more than {MOST_PAGES} pages"))))
    }

    fn ask(&self, date: NaiveDate, region: &Region, number: u32) -> Ask {
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
        Ask { headers, ..Ask::get(SERVICE, url) }
    }
}

/// The shows of one page; `None` when there is nothing at all: it says so with the status 404.
fn read(reply: &Reply, number: u32, date: NaiveDate) -> Result<Option<Listing>, Unanswered> {
    match reply.status {
        200 => {}
        404 if is_its_own_404(&reply.body) => {
            let changed = || garbled("its pages have changed meanwhile");
            return if number == 1 { Ok(None) } else { Err(changed()) };
        }
        429 if is_used_up(&reply.body) => {
            return Err(Unanswered::Exhausted { service: SERVICE, status: 429 });
        }
        429 => {
            let after = reply.retry_after;
            return Err(Unanswered::Limited { service: SERVICE, status: 429, after });
        }
        401 | 403 => {
            let reason = format!("status {}", reply.status);
            return Err(Unanswered::Refused { service: SERVICE, reason });
        }
        400 => return Err(Unanswered::Rejected { service: SERVICE, status: 400 }),
        status => {
            let reason = format!("status {status}");
            return Err(Unanswered::Failed { service: SERVICE, reason });
        }
    }
    let page: Page = serde_json::from_slice(&reply.body).map_err(|error| garbled(shape(&error)))?;
    if page.number != number || page.size == 0 || page.records.is_empty() {
        let (got, total) = (page.number, page.total);
        return Err(garbled(format!("page {got} of {total} instead of {number}")));
    }
    let shows = page.records.into_iter().map(|record| show(record, date));
    Ok(Some(Listing {
        shows: shows.collect::<Result<_, _>>()?,
        last: number.saturating_mul(page.size) >= page.total,
        edition: hex::encode(Sha256::digest(&reply.body)),
    }))
}

/// What AWS' gateway says, behind which it is, when the quota of a day is used up; of too many questions
/// at once it says `Too Many Requests`.
fn is_used_up(body: &[u8]) -> bool {
    let says =
        |value: Value| value.get("message").and_then(Value::as_str) == Some("Limit Exceeded");
    serde_json::from_slice(body).is_ok_and(says)
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

fn song_set(set: Set) -> SongSet {
    let told = set.name.filter(|name| !name.trim().is_empty());
    let encore = set
        .encore
        .map(|number| if number > 1 { format!("Encore {number}") } else { "Encore".to_owned() });
    let songs = set.song.into_iter().map(|song| song.name.unwrap_or_default());
    SongSet { name: told.or(encore), songs: songs.collect() }
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
    let city = record.venue.city.map(|city| City {
        name: city.name,
        state: city.state,
        country: city.country.and_then(|country| country.name),
        place: city.coords.and_then(place),
    });
    let sets = record.sets.map_or_else(Vec::new, |sets| sets.set);
    Ok(Show {
        setlist: record.id,
        version: record.version_id,
        url: record.url,
        date: asked,
        artist: record.artist.name,
        mbid: record.artist.mbid.filter(|mbid| !mbid.is_empty()),
        sets: sets.into_iter().map(song_set).collect(),
        tour: record.tour.and_then(|tour| tour.name),
        venue: Venue { id: record.venue.id, name: record.venue.name, city, ..Venue::default() },
    })
}
