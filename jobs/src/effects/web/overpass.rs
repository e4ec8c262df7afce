//! Overpass: which places of OpenStreetMap are around.
//!
//! <https://wiki.openstreetmap.org/wiki/Overpass_API>. All elements are asked for: an answer that is cut
//! off would hide a venue.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use serde::Deserialize;

use super::fetch::{Answer, Ask, Fetch, Reply, answer};
use super::setlist_fm::shape;
use super::unanswered::Unanswered;
use crate::effects::Target;
use crate::matching::{ANY, KINDS, NEAR, Poi};
use crate::pixels::Place;

const SERVICE: Target = Target::Overpass;
/// Half the diagonal of a cell of a thousandth degree, in metres.
const CELL: f64 = 79.0;

/// A client of Overpass.
#[derive(Clone, Debug)]
pub(super) struct Overpass {
    fetch: Arc<dyn Fetch>,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Found {
    elements: Vec<Element>,
    /// Status 200 and a remark: the query failed half-way.
    remark: Option<String>,
}

/// A node, way or relation, as Overpass writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Element {
    #[serde(rename = "type")]
    kind: String,
    id: u64,
    lat: Option<f64>,
    lon: Option<f64>,
    center: Option<Middle>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Middle {
    lat: f64,
    lon: f64,
}

impl Element {
    /// Type and number: `way/123`.
    pub(crate) fn osm(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }

    /// Where it is; of ways and relations, their centre.
    pub(crate) fn place(&self) -> Option<Place> {
        let own = self.lat.zip(self.lon);
        let (lat, lon) = own.or(self.center.as_ref().map(|middle| (middle.lat, middle.lon)))?;
        Some(Place { lat, lon })
    }
}

impl Overpass {
    pub(super) fn new(fetch: Arc<dyn Fetch>, base: &str) -> Self {
        Self { fetch, url: format!("{}/interpreter", base.trim_end_matches('/')) }
    }

    /// Named places where concerts could be, so many metres around. Only the cell is told, a thousandth
    /// degree wide.
    pub(super) async fn around(&self, place: Place, reach: f64) -> Result<Vec<Poi>, Unanswered> {
        let cell = Place { lat: rounded(place.lat), lon: rounded(place.lon) };
        let form = vec![("data", query(cell, reach + CELL))];
        let ask = Ask { form, ..Ask::get(SERVICE, self.url.clone()) };
        let mut pois =
            answer(&*self.fetch, &ask, |reply| Ok((places(reply)?, Answer::Map))).await?;
        pois.retain(|poi| poi.is_around(place, reach));
        Ok(pois)
    }
}

fn places(reply: &Reply) -> Result<Vec<Poi>, Unanswered> {
    let html = reply.body.trim_ascii_start().starts_with(b"<");
    match reply.status {
        200 if html => return Err(refused("a page of HTML")),
        200 => {}
        429 | 504 => {
            let (status, after) = (reply.status, reply.retry_after);
            return Err(Unanswered::Limited { service: SERVICE, status, after });
        }
        401 | 403 => return Err(refused(&format!("status {}", reply.status))),
        400 => return Err(Unanswered::Rejected { service: SERVICE, status: 400 }),
        status => {
            let reason = format!("status {status}");
            return Err(Unanswered::Failed { service: SERVICE, reason });
        }
    }
    let found: Found =
        serde_json::from_slice(&reply.body).map_err(|error| garbled(shape(&error)))?;
    if let Some(remark) = found.remark {
        return Err(garbled(format!("it remarks: {remark}")));
    }
    let mut pois = Vec::with_capacity(found.elements.len());
    for element in found.elements {
        let Some(place) = element.place() else {
            return Err(garbled(format!("{} {} is nowhere", element.kind, element.id)));
        };
        pois.extend(Poi::new(element.osm(), place, &element.tags));
    }
    Ok(pois)
}

fn refused(reason: &str) -> Unanswered {
    Unanswered::Refused { service: SERVICE, reason: reason.to_owned() }
}

fn garbled(reason: impl Into<String>) -> Unanswered {
    Unanswered::Garbled { service: SERVICE, reason: reason.into() }
}

fn rounded(degrees: f64) -> f64 {
    (degrees * 1_000.0).round() / 1_000.0
}

/// What could be a venue; big ones are areas, so their centres are asked for.
fn query(place: Place, reach: f64) -> String {
    let mut query = "[out:json][timeout:25];(\n".to_owned();
    for (only_near, reach) in [(false, reach), (true, NEAR + CELL)] {
        let around = format!("(around:{:.0},{:.3},{:.3})", reach.ceil(), place.lat, place.lon);
        let kinds = || KINDS.iter().filter(|kind| kind.only_near == only_near);
        for key in kinds().map(|kind| kind.key).collect::<BTreeSet<_>>() {
            let values = kinds().filter(|kind| kind.key == key).map(|kind| kind.value);
            let named = if only_near { r#"["name"]"# } else { "" };
            let tag = match values.collect::<Vec<_>>()[..] {
                [ANY] => format!(r#"["{key}"]"#),
                [value] => format!(r#"["{key}"="{value}"]"#),
                ref values => format!(r#"["{key}"~"^({})$"]"#, values.join("|")),
            };
            let _ = writeln!(query, "nwr{around}{tag}{named};");
        }
    }
    query + ");out center tags;"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_is_taken_for_a_venue() {
        let query = query(Place { lat: 38.918, lon: -77.024 }, 579.0);
        let expected = r#"[out:json][timeout:25];(
nwr(around:579,38.918,-77.024)["amenity"~"^(music_venue|concert_hall|events_venue|events_centre|theatre|arts_centre|nightclub|stage|festival_grounds|conference_centre|exhibition_centre|community_centre|casino|biergarten)$"];
nwr(around:579,38.918,-77.024)["building"="stadium"];
nwr(around:579,38.918,-77.024)["leisure"~"^(stadium|bandstand|dance|sports_hall|park)$"];
nwr(around:579,38.918,-77.024)["live_music"="yes"];
nwr(around:579,38.918,-77.024)["theatre:type"];
nwr(around:279,38.918,-77.024)["amenity"~"^(bar|pub|place_of_worship|townhall|university|cafe|restaurant)$"]["name"];
);out center tags;"#;
        assert_eq!(query, expected);
    }
}
