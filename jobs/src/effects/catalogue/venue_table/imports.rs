//! Writing the venue table. An import writes its rows beside those that look-ups see, and takes their place
//! in one small transaction; the old ones go afterwards. Every transaction is short, so that jobs can write
//! meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Any, Transaction};

use super::{BLOCKS, CELLS, EXTRACTS, OsmArea, OsmPlace, PLACES, WORDS, written};
use crate::effects::catalogue::batch::{self, ROWS};
use crate::effects::catalogue::text::{LABEL, capped};
use crate::effects::catalogue::{Catalogue, CatalogueError};
use crate::matching::Name;

/// Rows that one statement deletes.
const DELETED: i64 = 5_000;

/// An import that is being written. Nobody sees it before [`Catalogue::finish_osm_import`].
#[derive(Clone, Debug)]
pub struct OsmImport {
    id: i64,
    name: String,
}

impl Catalogue {
    /// Begins an import of an extract. What earlier ones of this extract have left behind goes; one that
    /// still runs elsewhere will find out when it wants to end.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or `Write`.
    pub async fn begin_osm_import(
        &self,
        name: &str,
        now_ms: i64,
    ) -> Result<OsmImport, CatalogueError> {
        let name = capped(name, LABEL);
        // Later ones have higher numbers, also when earlier ones are gone.
        let sql = "INSERT INTO osm_extracts \
                   (import_id, name, begun_at, south, north, west, east, places) \
                   SELECT CASE WHEN last < $1 THEN $1 ELSE last + 1 END, $2, $1, 0, 0, 0, 0, 0 \
                   FROM (SELECT COALESCE(MAX(import_id), 0) AS last FROM osm_extracts) known \
                   RETURNING import_id";
        let query = sqlx::query_scalar(sql).bind(now_ms).bind(name.as_str());
        let id = query.fetch_one(&self.primary).await.map_err(written(EXTRACTS))?;
        self.sweep_osm(&name, id).await?;
        Ok(OsmImport { id, name })
    }

    /// Adds places; one that was added before is replaced.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Write` or `Commit`.
    pub async fn add_osm_places(
        &self,
        import: &OsmImport,
        places: &[OsmPlace],
    ) -> Result<(), CatalogueError> {
        self.timed("add_osm_places", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            // PostgreSQL takes a key only once in a statement.
            let places: BTreeMap<&str, &OsmPlace> =
                places.iter().map(|place| (place.osm.as_str(), place)).collect();
            let places: Vec<&OsmPlace> = places.into_values().collect();
            for chunk in places.chunks(ROWS) {
                add_places(&mut transaction, import.id, chunk).await?;
            }
            let words: BTreeSet<_> = places.iter().flat_map(|place| words(place)).collect();
            for chunk in words.into_iter().collect::<Vec<_>>().chunks(ROWS) {
                add_words(&mut transaction, import.id, chunk).await?;
            }
            transaction.commit().await.map_err(CatalogueError::Commit)
        })
        .await
    }

    /// Shows the import to look-ups, instead of what there was of this extract; answers how many places it
    /// has, or `None` when another import of the extract has begun meanwhile, and this one is dropped.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Write` or `Commit`.
    pub async fn finish_osm_import(
        &self,
        import: &OsmImport,
        area: OsmArea,
        data_at: Option<i64>,
        now_ms: i64,
    ) -> Result<Option<i64>, CatalogueError> {
        let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
        let sql = "UPDATE osm_extracts SET imported_at = NULL WHERE name = $1";
        let query = sqlx::query(sql).bind(import.name.as_str());
        query.execute(&mut *transaction).await.map_err(written(EXTRACTS))?;
        let sql = "UPDATE osm_extracts SET imported_at = $2, data_at = $3, south = $4, north = $5, \
                   west = $6, east = $7, \
                   places = (SELECT COUNT(*) FROM osm_places WHERE import_id = $1) \
                   WHERE import_id = $1 RETURNING places";
        let query = sqlx::query_scalar(sql).bind(import.id).bind(now_ms).bind(data_at);
        let query = query.bind(area.south).bind(area.north).bind(area.west).bind(area.east);
        let places = query.fetch_optional(&mut *transaction).await.map_err(written(EXTRACTS))?;
        if places.is_some() {
            transaction.commit().await.map_err(CatalogueError::Commit)?;
            self.sweep_osm(&import.name, import.id).await?;
        } else {
            drop(transaction);
            self.delete_osm_rows(import.id).await?;
        }
        Ok(places)
    }

    /// Drops an import that did not come to its end.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn drop_osm_import(&self, import: &OsmImport) -> Result<(), CatalogueError> {
        self.delete_osm_rows(import.id).await
    }

    /// Takes an extract out; answers whether it was there.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn remove_osm_extract(&self, name: &str) -> Result<bool, CatalogueError> {
        let sql = "UPDATE osm_extracts SET imported_at = NULL \
                   WHERE name = $1 AND imported_at IS NOT NULL";
        let hidden = sqlx::query(sql).bind(name).execute(&self.primary).await;
        let hidden = hidden.map_err(written(EXTRACTS))?.rows_affected();
        self.sweep_osm(name, i64::MAX).await?;
        Ok(hidden > 0)
    }

    /// Deletes what nobody sees of an extract and was begun before some import.
    async fn sweep_osm(&self, name: &str, before: i64) -> Result<(), CatalogueError> {
        let sql = "SELECT import_id FROM osm_extracts \
                   WHERE name = $1 AND import_id < $2 AND imported_at IS NULL";
        let query = sqlx::query_scalar(sql).bind(name).bind(before);
        let unseen: Vec<i64> =
            query.fetch_all(&self.primary).await.map_err(super::read(EXTRACTS))?;
        for id in unseen {
            self.delete_osm_rows(id).await?;
        }
        Ok(())
    }

    /// The extract's row goes last: as long as it is there, somebody will find the others.
    async fn delete_osm_rows(&self, id: i64) -> Result<(), CatalogueError> {
        let words = "DELETE FROM osm_words WHERE import_id = $1 AND (word, block, osm) IN \
                     (SELECT word, block, osm FROM osm_words WHERE import_id = $1 LIMIT $2)";
        let places = "DELETE FROM osm_places WHERE import_id = $1 AND osm IN \
                      (SELECT osm FROM osm_places WHERE import_id = $1 LIMIT $2)";
        for (table, sql) in [(WORDS, words), (PLACES, places)] {
            loop {
                let query = sqlx::query(sql).bind(id).bind(DELETED);
                let gone = query.execute(&self.primary).await.map_err(written(table))?;
                if gone.rows_affected() == 0 {
                    break;
                }
            }
        }
        let query = sqlx::query("DELETE FROM osm_extracts WHERE import_id = $1").bind(id);
        query.execute(&self.primary).await.map_err(written(EXTRACTS))?;
        Ok(())
    }
}

/// What a place can be found by: words, the block, and itself.
fn words(place: &OsmPlace) -> BTreeSet<(String, i64, &str)> {
    let block = BLOCKS.cell(place.place());
    let names = place.poi().map(|poi| poi.names).unwrap_or_default();
    let words = names.iter().flat_map(|name| name.handles(&Name::default()));
    words.map(|word| (word, block, place.osm.as_str())).collect()
}

async fn add_places(
    transaction: &mut Transaction<'static, Any>,
    import: i64,
    places: &[&OsmPlace],
) -> Result<(), CatalogueError> {
    let values = batch::rows(places.len(), 2, 5, "$1, ", "");
    let sql = format!(
        "INSERT INTO osm_places (import_id, osm, lat, lon, cell, tags) VALUES {values} \
         ON CONFLICT (import_id, osm) DO UPDATE SET lat = excluded.lat, lon = excluded.lon, \
         cell = excluded.cell, tags = excluded.tags"
    );
    let mut query = batch::query(sql, places.len() == ROWS).bind(import);
    for place in places {
        let tags = serde_json::to_string(&place.tags).unwrap_or_default();
        query = query.bind(place.osm.as_str()).bind(place.lat).bind(place.lon);
        query = query.bind(CELLS.cell(place.place())).bind(tags);
    }
    query.execute(&mut **transaction).await.map_err(written(PLACES))?;
    Ok(())
}

async fn add_words(
    transaction: &mut Transaction<'static, Any>,
    import: i64,
    words: &[(String, i64, &str)],
) -> Result<(), CatalogueError> {
    let values = batch::rows(words.len(), 2, 3, "$1, ", "");
    let sql = format!(
        "INSERT INTO osm_words (import_id, word, block, osm) VALUES {values} \
         ON CONFLICT (import_id, word, block, osm) DO NOTHING"
    );
    let mut query = batch::query(sql, words.len() == ROWS).bind(import);
    for (word, block, osm) in words {
        query = query.bind(word.as_str()).bind(*block).bind(*osm);
    }
    query.execute(&mut **transaction).await.map_err(written(WORDS))?;
    Ok(())
}
