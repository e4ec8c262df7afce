//! From an extract of OpenStreetMap (`.osm.pbf`) to the venue table.
//!
//! - `file`: its blocks, checked before anything is read, then decoded on all cores;
//! - `places`: which of its nodes, ways and relations are places where concerts could be, and where.
//!
//! <https://wiki.openstreetmap.org/wiki/PBF_Format>

mod file;
mod places;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

pub use self::file::ExtractError;
use self::file::ExtractFile;
use crate::effects::Clock;
use crate::effects::catalogue::{Catalogue, CatalogueError, OsmArea, OsmImport, OsmPlace};

/// Places that are written at once.
const BATCH: usize = 1_000;
/// Batches that wait to be written; who reads waits when there are more.
const WAITING: usize = 8;

/// How far an import is, to be looked at while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    read: AtomicU64,
    places: AtomicU64,
}

impl Progress {
    /// Bytes to read; 0 until that is known.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Bytes that were read.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Places that were written.
    pub fn places(&self) -> u64 {
        self.places.load(Ordering::Relaxed)
    }
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Places that the table has of this extract now.
    pub places: i64,
    /// Ways and relations that are left out, for the extract holds none of their nodes.
    pub without_nodes: u64,
    /// What it knows is from then, in Unix milliseconds; where the file says so.
    pub data_at: Option<i64>,
    /// What it covers: as the file says, or else what its places cover.
    pub area: OsmArea,
}

/// Why there is no import. What the table had of the extract before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is none that could be imported.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// It holds no place where a concert could be.
    #[error("it holds no place where a concert could be")]
    NoPlaces,
    /// It was begun a second time, and that one goes on.
    #[error("another import of this extract has begun meanwhile")]
    Overtaken,
    /// The table could not be written.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

/// What reading has come to, beside the places.
#[derive(Debug)]
struct Read {
    area: OsmArea,
    data_at: Option<i64>,
    without_nodes: u64,
}

/// Puts the places of an extract into the venue table, in place of those that it had of the extract of
/// this name.
///
/// # Errors
/// Nothing was changed then.
pub async fn import(
    catalogue: &Catalogue,
    clock: Clock,
    file: &Path,
    name: &str,
    progress: &Arc<Progress>,
) -> Result<Imported, ImportError> {
    let path = file.to_path_buf();
    // Before anything is written: most files that are none end here.
    let opened = tokio::task::spawn_blocking(move || ExtractFile::open(&path)).await;
    let file = opened.map_err(|_| ExtractError::unreadable())??;
    let import = catalogue.begin_osm_import(name, clock.now_ms()).await?;
    match write(catalogue, clock, file, &import, progress).await {
        Ok(imported) => Ok(imported),
        Err(error) => {
            // The first error counts; what is left behind goes with the next import.
            let _ = catalogue.drop_osm_import(&import).await;
            Err(error)
        }
    }
}

async fn write(
    catalogue: &Catalogue,
    clock: Clock,
    file: ExtractFile,
    import: &OsmImport,
    progress: &Arc<Progress>,
) -> Result<Imported, ImportError> {
    let (sender, mut batches) = mpsc::channel::<Vec<OsmPlace>>(WAITING);
    let reading = tokio::task::spawn_blocking({
        let progress = Arc::clone(progress);
        move || read(&file, &sender, &progress)
    });
    while let Some(batch) = batches.recv().await {
        catalogue.add_osm_places(import, &batch).await?;
        progress.places.fetch_add(batch.len() as u64, Ordering::Relaxed);
    }
    let read = reading.await.map_err(|_| ExtractError::unreadable())??;
    if progress.places() == 0 {
        return Err(ImportError::NoPlaces);
    }
    let (area, data_at) = (read.area, read.data_at);
    let places = catalogue.finish_osm_import(import, area, data_at, clock.now_ms()).await?;
    let places = places.ok_or(ImportError::Overtaken)?;
    Ok(Imported { places, without_nodes: read.without_nodes, data_at, area })
}

fn read(
    file: &ExtractFile,
    batches: &mpsc::Sender<Vec<OsmPlace>>,
    progress: &Progress,
) -> Result<Read, ExtractError> {
    let mut batch = Vec::with_capacity(BATCH);
    let mut covered = OsmArea::NOWHERE;
    let without_nodes = places::read(file, progress, |place| {
        covered.include(place.lat, place.lon);
        batch.push(place);
        // Nobody receives any more when the table could not be written.
        batch.len() < BATCH || batches.blocking_send(std::mem::take(&mut batch)).is_ok()
    })?;
    if !batch.is_empty() {
        let _ = batches.blocking_send(batch);
    }
    Ok(Read { area: file.area.unwrap_or(covered), data_at: file.data_at, without_nodes })
}
