//! The venue table: places of OpenStreetMap where concerts could be, from imported extracts.
//!
//! - `imports`: writing it, and taking extracts out;
//! - `grid`: where on the globe is which row.
//!
//! Its rows are © `OpenStreetMap` contributors, under the `ODbL`.

mod grid;
mod imports;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::AnyRow;

use self::grid::Grid;
use super::batch::{self, AnyQuery};
use super::row::TableRow;
use super::{Catalogue, CatalogueError};
use crate::matching::{Name, Poi, metres};
use crate::pixels::Place;

pub use imports::OsmImport;

const EXTRACTS: &str = "osm_extracts";
const PLACES: &str = "osm_places";
const WORDS: &str = "osm_words";

/// For places around: cells of half a kilometre.
const CELLS: Grid = Grid(200);
/// For names within a city: blocks of fifty kilometres.
const BLOCKS: Grid = Grid(2);

/// An extract of OpenStreetMap that look-ups see.
#[derive(Clone, Debug, PartialEq)]
pub struct OsmExtract {
    /// What its file is called, without date and ending.
    pub name: String,
    /// When it was imported, in Unix milliseconds.
    pub imported_at: i64,
    /// What it knows is from then; where its file says so.
    pub data_at: Option<i64>,
    /// What it covers.
    pub area: OsmArea,
    /// How many places it has.
    pub places: i64,
}

/// A rectangle of degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OsmArea {
    /// Its smallest latitude.
    pub south: f64,
    /// Its largest latitude.
    pub north: f64,
    /// Its smallest longitude.
    pub west: f64,
    /// Its largest longitude.
    pub east: f64,
}

/// A place of OpenStreetMap where concerts could be.
#[derive(Clone, Debug, PartialEq)]
pub struct OsmPlace {
    /// Type and number, `way/123`.
    pub osm: String,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east; of ways and relations, the middle of their bounding box.
    pub lon: f64,
    /// Those that hold names and say what it is.
    pub tags: BTreeMap<String, String>,
}

/// What the venue table knows of a place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// The extracts that it lies in.
    pub extracts: Vec<String>,
    /// Places around it, the nearest first, whichever extract they are from; each with its distance in
    /// metres.
    pub places: Vec<(f64, OsmPlace)>,
}

impl OsmArea {
    /// Nothing yet; [`OsmArea::include`] makes it larger.
    pub(crate) const NOWHERE: Self = Self { south: 90.0, north: -90.0, west: 180.0, east: -180.0 };

    pub(crate) fn include(&mut self, lat: f64, lon: f64) {
        self.south = self.south.min(lat);
        self.north = self.north.max(lat);
        self.west = self.west.min(lon);
        self.east = self.east.max(lon);
    }

    fn contains(&self, place: Place) -> bool {
        (self.south..=self.north).contains(&place.lat)
            && (self.west..=self.east).contains(&place.lon)
    }
}

impl OsmPlace {
    pub(crate) fn place(&self) -> Place {
        Place { lat: self.lat, lon: self.lon }
    }

    /// `None` for one without a name.
    pub(crate) fn poi(&self) -> Option<Poi> {
        Poi::new(self.osm.clone(), self.place(), &self.tags)
    }
}

impl Catalogue {
    /// All extracts, by name.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn osm_extracts(&self) -> Result<Vec<OsmExtract>, CatalogueError> {
        let sql = "SELECT * FROM osm_extracts WHERE imported_at IS NOT NULL ORDER BY name";
        self.timed("osm_extracts", async {
            let rows = sqlx::query(sql).fetch_all(&self.primary).await.map_err(read(EXTRACTS))?;
            rows.iter().map(extract).collect()
        })
        .await
    }

    /// What there is at most so many metres around a place.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn osm_around(
        &self,
        lat: f64,
        lon: f64,
        reach: f64,
    ) -> Result<Surroundings, CatalogueError> {
        self.timed("osm_around", self.surroundings(Place { lat, lon }, reach)).await
    }

    /// Extracts and places in one statement: between two, an import could end. The plus keeps `SQLite` from
    /// reading all places of an extract by their key instead of some by their cell.
    async fn surroundings(
        &self,
        centre: Place,
        reach: f64,
    ) -> Result<Surroundings, CatalogueError> {
        let ranges = CELLS.around(centre, reach);
        let sql = format!(
            "SELECT e.name, e.south, e.north, e.west, e.east, p.osm, p.lat, p.lon, p.tags \
             FROM osm_extracts e LEFT JOIN osm_places p ON +p.import_id = e.import_id AND ({}) \
             WHERE e.imported_at IS NOT NULL ORDER BY COALESCE(e.data_at, 0) DESC, e.name",
            between("p.cell", 1, ranges.len())
        );
        let mut query = batch::query(sql, ranges.len() <= 3);
        for (first, last) in &ranges {
            query = query.bind(*first).bind(*last);
        }
        let rows = query.fetch_all(&self.primary).await.map_err(read(PLACES))?;
        let mut found = Surroundings::default();
        let mut places: BTreeMap<String, OsmPlace> = BTreeMap::new();
        for row in &rows {
            let columns = TableRow { table: EXTRACTS, row };
            let name: &str = columns.get("name")?;
            if found.extracts.last().is_none_or(|last| last != name)
                && area(columns)?.contains(centre)
            {
                found.extracts.push(name.to_owned());
            }
            // Of a place that is in several extracts, what the newest one knows.
            if let Some(place) = place(row)? {
                places.entry(place.osm.clone()).or_insert(place);
            }
        }
        let apart = |place: OsmPlace| (metres(centre, place.place()), place);
        found.places =
            places.into_values().map(apart).filter(|(apart, _)| *apart <= reach).collect();
        found.places.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Ok(found)
    }

    /// Places at most so many metres around a city's centre that may have one of these names.
    pub(crate) async fn osm_named(
        &self,
        names: &[Name],
        city: &Name,
        centre: Place,
        reach: f64,
    ) -> Result<Vec<OsmPlace>, CatalogueError> {
        let words: BTreeSet<String> = names.iter().flat_map(|name| name.handles(city)).collect();
        let blocks: Vec<i64> = BLOCKS
            .around(centre, reach)
            .into_iter()
            .flat_map(|(first, last)| first..=last)
            .collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        // SQLite joins in this order, which needs no statistics.
        let sql = format!(
            "SELECT p.osm, p.lat, p.lon, p.tags \
             FROM osm_extracts e CROSS JOIN osm_words w CROSS JOIN osm_places p \
             WHERE e.imported_at IS NOT NULL AND w.import_id = e.import_id \
             AND w.word IN ({}) AND w.block IN ({}) \
             AND p.import_id = w.import_id AND p.osm = w.osm \
             ORDER BY COALESCE(e.data_at, 0) DESC",
            batch::list(1, words.len()),
            batch::list(1 + words.len(), blocks.len())
        );
        self.timed("osm_named", async {
            let mut query: AnyQuery<'_> = batch::query(sql, false);
            for word in &words {
                query = query.bind(word.as_str());
            }
            for block in &blocks {
                query = query.bind(*block);
            }
            let rows = query.fetch_all(&self.primary).await.map_err(read(WORDS))?;
            let mut places: BTreeMap<String, OsmPlace> = BTreeMap::new();
            for row in &rows {
                if let Some(place) =
                    place(row)?.filter(|place| metres(centre, place.place()) <= reach)
                {
                    places.entry(place.osm.clone()).or_insert(place);
                }
            }
            Ok(places.into_values().collect())
        })
        .await
    }
}

/// `column BETWEEN $first AND $first+1 OR …`, for so many ranges.
fn between(column: &str, first: usize, ranges: usize) -> String {
    let range = |range: usize| {
        let low = first + 2 * range;
        format!("{column} BETWEEN ${low} AND ${}", low + 1)
    };
    (0..ranges).map(range).collect::<Vec<_>>().join(" OR ")
}

fn extract(row: &AnyRow) -> Result<OsmExtract, CatalogueError> {
    let row = TableRow { table: EXTRACTS, row };
    Ok(OsmExtract {
        name: row.get("name")?,
        imported_at: row.get("imported_at")?,
        data_at: row.get("data_at")?,
        area: area(row)?,
        places: row.get("places")?,
    })
}

fn area(row: TableRow<'_>) -> Result<OsmArea, CatalogueError> {
    Ok(OsmArea {
        south: row.get("south")?,
        north: row.get("north")?,
        west: row.get("west")?,
        east: row.get("east")?,
    })
}

/// `None` where an extract has no place.
fn place(row: &AnyRow) -> Result<Option<OsmPlace>, CatalogueError> {
    let row = TableRow { table: PLACES, row };
    let Some(osm) = row.get("osm")? else {
        return Ok(None);
    };
    let tags = row.parse("tags", |tags| serde_json::from_str(tags))?;
    Ok(Some(OsmPlace { osm, lat: row.get("lat")?, lon: row.get("lon")?, tags }))
}

fn read(table: &'static str) -> impl Fn(sqlx::Error) -> CatalogueError {
    move |source| CatalogueError::Read { table, source }
}

fn written(table: &'static str) -> impl Fn(sqlx::Error) -> CatalogueError {
    move |source| CatalogueError::Write { table, source }
}
