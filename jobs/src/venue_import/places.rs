//! Which nodes, ways and relations are places where concerts could be, and where they are.
//!
//! A file is read from its end to its beginning: relations say which ways they consist of, ways which
//! nodes, and nodes where they are. So only the nodes of venues need to be remembered, and each block of a
//! sorted file is read once. Ways and relations are where Overpass' `out center` says that they are: in the
//! middle of the bounding box of their nodes; relations that are members of others count for nothing
//! (<https://wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL#out>).

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use osmpbf::{Element, PrimitiveBlock, RelMemberType};

use super::Progress;
use super::file::{ExtractError, ExtractFile};
use crate::effects::catalogue::OsmPlace;
use crate::matching::{Kind, Poi};

/// Ten-millionths of a degree: the resolution of OpenStreetMap.
const UNITS: f64 = 1e7;
const HALF_ROUND: i32 = 1_800_000_000;
const LAT_MOST: u32 = 900_000_000;
/// Longer names are somebody's joke (255 characters is the most that the database of OpenStreetMap takes).
const LONGEST: usize = 255;

type Tags = BTreeMap<String, String>;

/// A way or relation that is a place where a concert could be.
struct Area {
    /// `way/123`
    osm: String,
    /// As JSON: thousands of maps would take several times the memory.
    tags: String,
    bounds: Bounds,
}

/// A bounding box. East and west are kept twice, the second time for what lies on both sides of the date
/// line: counted from 0 to 360 degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    lat: (i32, i32),
    lon: (i32, i32),
    lon_round: (i64, i64),
}

/// What one block says.
#[derive(Default)]
struct Found {
    /// Nodes that are places.
    places: Vec<OsmPlace>,
    /// Ways or relations that are.
    areas: Vec<(Area, Members)>,
    /// Nodes of ways that are members of a relation, and where it is in the list of areas.
    members: Vec<(u32, Members)>,
    /// Where nodes of areas are.
    corners: Vec<(u32, (i32, i32))>,
}

/// What an area consists of.
#[derive(Default)]
struct Members {
    nodes: Vec<i64>,
    ways: Vec<i64>,
    /// Of ways that bring the places of their nodes along.
    bounds: Bounds,
}

/// Hands over all places, until `take` says no; answers how many ways and relations are nowhere, for the
/// file holds none of their nodes.
pub(super) fn read(
    file: &ExtractFile,
    progress: &Progress,
    mut take: impl FnMut(OsmPlace) -> bool,
) -> Result<u64, ExtractError> {
    let sections = file.sections()?;
    let total = [&sections.nodes, &sections.ways, &sections.relations];
    progress.total.store(total.map(|blocks| file.bytes(blocks)).iter().sum(), Ordering::Relaxed);
    let mut areas: Vec<Area> = Vec::new();
    // Members, and of which area.
    let mut ways: Vec<(i64, u32)> = Vec::new();
    let mut nodes: Vec<(i64, u32)> = Vec::new();

    file.each_block(sections.relations, &progress.read, relations, |found| {
        for (area, members) in found.areas {
            let index = add(&mut areas, area);
            ways.extend(members.ways.into_iter().map(|way| (way, index)));
            nodes.extend(members.nodes.into_iter().map(|node| (node, index)));
        }
        true
    })?;
    ways.sort_unstable();
    file.each_block(
        sections.ways,
        &progress.read,
        |block| self::ways(block, &ways),
        |found| {
            for (mut area, members) in found.areas {
                area.bounds = members.bounds;
                let index = add(&mut areas, area);
                nodes.extend(members.nodes.into_iter().map(|node| (node, index)));
            }
            for (index, members) in found.members {
                areas[index as usize].bounds.join(members.bounds);
                nodes.extend(members.nodes.into_iter().map(|node| (node, index)));
            }
            true
        },
    )?;
    drop(ways);
    nodes.sort_unstable();
    nodes.dedup();
    let mut wanted = true;
    file.each_block(
        sections.nodes,
        &progress.read,
        |block| self::nodes(block, &nodes),
        |found| {
            for (index, at) in found.corners {
                areas[index as usize].bounds.include(at);
            }
            wanted = found.places.into_iter().all(&mut take);
            wanted
        },
    )?;
    let mut nowhere = 0;
    for area in areas {
        let Some((lat, lon)) = area.bounds.middle() else {
            nowhere += 1;
            continue;
        };
        let tags = serde_json::from_str(&area.tags).unwrap_or_default();
        if !wanted || !take(OsmPlace { osm: area.osm, lat, lon, tags }) {
            break;
        }
    }
    Ok(nowhere)
}

/// Appends an area; answers where it is.
fn add(areas: &mut Vec<Area>, area: Area) -> u32 {
    areas.push(area);
    u32::try_from(areas.len() - 1).unwrap_or(u32::MAX)
}

fn relations(block: &PrimitiveBlock) -> Found {
    let mut found = Found::default();
    for element in block.elements() {
        let Element::Relation(relation) = element else { continue };
        let Some(area) = area("relation", relation.id(), relation.tags()) else { continue };
        let mut members = Members::default();
        for member in relation.members() {
            match member.member_type {
                RelMemberType::Node => members.nodes.push(member.member_id),
                RelMemberType::Way => members.ways.push(member.member_id),
                RelMemberType::Relation => {}
            }
        }
        found.areas.push((area, members));
    }
    found
}

fn ways(block: &PrimitiveBlock, members: &[(i64, u32)]) -> Found {
    let mut found = Found::default();
    for element in block.elements() {
        let Element::Way(way) = element else { continue };
        let corners = || {
            let mut bounds = Bounds::default();
            for at in way.node_locations() {
                bounds.include((at.decimicro_lat(), at.decimicro_lon()));
            }
            let nodes = if bounds == Bounds::default() { way.refs().collect() } else { Vec::new() };
            Members { nodes, ways: Vec::new(), bounds }
        };
        if let Some(area) = area("way", way.id(), way.tags()) {
            found.areas.push((area, corners()));
        }
        let first = members.partition_point(|(member, _)| *member < way.id());
        for (_, relation) in members[first..].iter().take_while(|(member, _)| *member == way.id()) {
            found.members.push((*relation, corners()));
        }
    }
    found
}

fn nodes(block: &PrimitiveBlock, corners: &[(i64, u32)]) -> Found {
    let mut found = Found::default();
    let mut position = 0;
    for element in block.elements() {
        let (id, at) = match &element {
            Element::Node(node) => (node.id(), (node.decimicro_lat(), node.decimicro_lon())),
            Element::DenseNode(node) => (node.id(), (node.decimicro_lat(), node.decimicro_lon())),
            Element::Way(_) | Element::Relation(_) => continue,
        };
        // Nodes are in order, nearly everywhere.
        let passed = position > 0 && corners[position - 1].0 >= id;
        let far = || corners.get(position + 8).is_some_and(|corner| corner.0 < id);
        if passed || far() {
            position = corners.partition_point(|(corner, _)| *corner < id);
        }
        while corners.get(position).is_some_and(|corner| corner.0 < id) {
            position += 1;
        }
        while let Some((_, area)) = corners.get(position).filter(|corner| corner.0 == id) {
            found.corners.push((*area, at));
            position += 1;
        }
        let tags = match &element {
            Element::Node(node) => told(node.tags()),
            Element::DenseNode(node) => told(node.tags()),
            Element::Way(_) | Element::Relation(_) => None,
        };
        if let Some((tags, (lat, lon))) = tags.zip(degrees(at)) {
            found.places.push(OsmPlace { osm: format!("node/{id}"), lat, lon, tags });
        }
    }
    found
}

fn area<'a>(kind: &str, id: i64, tags: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Area> {
    let tags = serde_json::to_string(&told(tags)?).ok()?;
    Some(Area { osm: format!("{kind}/{id}"), tags, bounds: Bounds::default() })
}

/// The tags that are kept of a place where concerts could be; `None` for all other places.
fn told<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Tags> {
    let (mut kind, mut named) = (false, false);
    let mut told = Tags::new();
    for (key, value) in tags {
        let (is_kind, is_name) = (Kind::of(key, value).is_some(), Poi::is_name(key));
        if (is_kind || is_name) && value.chars().nth(LONGEST).is_none() {
            kind |= is_kind;
            named |= is_name && !value.trim().is_empty();
            told.insert(key.to_owned(), value.to_owned());
        }
    }
    (kind && named).then_some(told)
}

impl Default for Bounds {
    /// Around nothing.
    fn default() -> Self {
        let nothing = (i32::MAX, i32::MIN);
        Self { lat: nothing, lon: nothing, lon_round: (i64::MAX, i64::MIN) }
    }
}

impl Bounds {
    fn include(&mut self, (lat, lon): (i32, i32)) {
        if degrees((lat, lon)).is_none() {
            return;
        }
        let round = i64::from(lon) + if lon < 0 { 2 * i64::from(HALF_ROUND) } else { 0 };
        self.join(Self { lat: (lat, lat), lon: (lon, lon), lon_round: (round, round) });
    }

    fn join(&mut self, other: Self) {
        fn both<T: Ord>(a: (T, T), b: (T, T)) -> (T, T) {
            (a.0.min(b.0), a.1.max(b.1))
        }
        self.lat = both(self.lat, other.lat);
        self.lon = both(self.lon, other.lon);
        self.lon_round = both(self.lon_round, other.lon_round);
    }

    /// Degrees north and east.
    fn middle(&self) -> Option<(f64, f64)> {
        if self.lat.0 > self.lat.1 {
            return None;
        }
        let middle = |(low, high): (i64, i64)| {
            #[expect(clippy::cast_precision_loss, reason = "no degrees are so many")]
            let sum = (low + high) as f64;
            sum / 2.0 / UNITS
        };
        let wide = |(low, high): (i32, i32)| (i64::from(low), i64::from(high));
        let (west, east) = wide(self.lon);
        let lon = if east - west > i64::from(HALF_ROUND) {
            let lon = middle(self.lon_round);
            if lon > 180.0 { lon - 360.0 } else { lon }
        } else {
            middle((west, east))
        };
        Some((middle(wide(self.lat)), lon))
    }
}

/// `None` off the globe.
fn degrees((lat, lon): (i32, i32)) -> Option<(f64, f64)> {
    let real = lat.unsigned_abs() <= LAT_MOST && lon.unsigned_abs() <= HALF_ROUND.unsigned_abs();
    real.then_some((f64::from(lat) / UNITS, f64::from(lon) / UNITS))
}
