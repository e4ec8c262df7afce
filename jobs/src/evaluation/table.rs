//! The venue table instead of Overpass: the same places, as an imported extract would have them.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use tempfile::TempDir;

use crate::effects::World;
use crate::effects::catalogue::{Catalogue, CatalogueOptions, OsmArea, OsmPlace};
use crate::effects::web::{Element, Online};
use crate::matching::Kind;
use crate::pixels::Place;

const EVERYWHERE: OsmArea = OsmArea { south: -90.0, north: 90.0, west: -180.0, east: 180.0 };

/// An answer of Overpass.
#[derive(Debug, Deserialize)]
struct Elements {
    elements: Vec<Element>,
}

/// What a file holds that is written as Overpass answers.
pub(super) fn elements(pois: &Path) -> anyhow::Result<Vec<Element>> {
    let text = fs::read_to_string(pois).with_context(|| pois.display().to_string())?;
    let file: Elements = serde_json::from_str(&text).with_context(|| pois.display().to_string())?;
    Ok(file.elements)
}

/// A world whose catalogue, in a folder of its own, has these places and nothing else.
pub(super) async fn world(pois: &Path, services: Online) -> anyhow::Result<(World, TempDir)> {
    let places: Vec<OsmPlace> = elements(pois)?.into_iter().filter_map(place).collect();
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("catalogue.db").display());
    let catalogue = Catalogue::connect(CatalogueOptions { url, ..Default::default() }).await?;
    catalogue.migrate().await?;
    let import = catalogue.begin_osm_import("evaluation", 1).await?;
    catalogue.add_osm_places(&import, &places).await?;
    catalogue.finish_osm_import(&import, EVERYWHERE, None, 1).await?;
    Ok((World::new(catalogue, Some(services)), folder))
}

fn place(element: Element) -> Option<OsmPlace> {
    let (osm, Place { lat, lon }) = (element.osm(), element.place()?);
    let tags = element.tags;
    tags.iter().find_map(|(key, value)| Kind::of(key, value))?;
    Some(OsmPlace { osm, lat, lon, tags })
}
