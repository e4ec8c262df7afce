//! The photos of a page.

use chrono::{DateTime, Utc};
use sqlx::{Any, Row as _, Transaction};

use super::{Page, PageSummary, Scan};
use crate::effects::catalogue::CatalogueError;
use crate::effects::catalogue::batch::{self, AnyQuery, ROWS, bind_float};
use crate::effects::catalogue::photo_id::photo_id;
use crate::effects::catalogue::scanned::PhotoFacts;
use crate::effects::catalogue::text::{LABEL, NAME, WORD, capped, capped_option};

/// Inserts the photos of a page, or updates what has changed.
pub(super) async fn store(
    transaction: &mut Transaction<'static, Any>,
    scan: Scan<'_>,
    files: &Page<'_>,
) -> Result<PageSummary, CatalogueError> {
    // The WHERE leaves identical rows alone, and RETURNING leaves them out. An update is at least
    // one millisecond after the insert, so that equal times mean "inserted just now".
    const CONFLICT: &str = " \
        ON CONFLICT (user_id, provider, file_id) DO UPDATE SET \
        (name, format, mime_type, bytes, width, height, taken_local, taken_offset_minutes, \
        taken_at, taken_source, gps_at, lat, lon, place_source, orientation, camera_make, \
        camera_model, accuracy, source_rev, updated_at) = \
        (excluded.name, excluded.format, excluded.mime_type, excluded.bytes, excluded.width, \
        excluded.height, excluded.taken_local, excluded.taken_offset_minutes, excluded.taken_at, \
        excluded.taken_source, excluded.gps_at, excluded.lat, excluded.lon, \
        excluded.place_source, excluded.orientation, excluded.camera_make, \
        excluded.camera_model, excluded.accuracy, excluded.source_rev, \
        CASE WHEN excluded.updated_at > photos.created_at THEN excluded.updated_at \
        ELSE photos.created_at + 1 END) \
        WHERE \
        (photos.name, photos.format, photos.mime_type, photos.bytes, photos.width, photos.height, \
        photos.taken_local, photos.taken_offset_minutes, photos.taken_at, photos.taken_source, \
        photos.gps_at, photos.lat, photos.lon, photos.place_source, photos.orientation, \
        photos.camera_make, photos.camera_model, photos.accuracy, photos.source_rev) IS DISTINCT FROM \
        (excluded.name, excluded.format, excluded.mime_type, excluded.bytes, excluded.width, \
        excluded.height, excluded.taken_local, excluded.taken_offset_minutes, excluded.taken_at, \
        excluded.taken_source, excluded.gps_at, excluded.lat, excluded.lon, \
        excluded.place_source, excluded.orientation, excluded.camera_make, \
        excluded.camera_model, excluded.accuracy, excluded.source_rev) \
        RETURNING CASE WHEN created_at = updated_at THEN 1 ELSE 0 END AS inserted";

    let photos: Vec<_> =
        files.iter().filter_map(|(key, file)| Some((key, *file, file.verdict.facts()?))).collect();
    let mut summary = PageSummary::default();
    for chunk in photos.chunks(ROWS) {
        let values = batch::rows(chunk.len(), 4, 21, "$1, $2, ", ", $3, $3");
        let sql = format!(
            "INSERT INTO photos (user_id, provider, file_id, photo_id, name, source_rev, format, mime_type, \
             bytes, width, height, taken_local, taken_offset_minutes, taken_at, taken_source, \
             gps_at, lat, lon, place_source, orientation, camera_make, camera_model, accuracy, created_at, \
             updated_at) VALUES {values}{CONFLICT}"
        );
        let mut query = batch::query(sql, chunk.len() == ROWS);
        query = query.bind(scan.user_id).bind(scan.provider.as_str()).bind(scan.now_ms);
        for (key, file, facts) in chunk {
            query = query
                .bind(key.as_str())
                .bind(photo_id(scan.user_id, scan.provider, key))
                .bind(capped(&file.name, NAME))
                .bind(capped(&file.source_rev, LABEL));
            query = bind_facts(query, facts);
        }
        let changed = query.fetch_all(&mut **transaction).await.map_err(written)?;
        for row in &changed {
            let inserted: i64 = row.try_get("inserted").map_err(written)?;
            summary.inserted += u64::from(inserted == 1);
            summary.updated += u64::from(inserted == 0);
        }
        summary.unchanged += (chunk.len() - changed.len()) as u64;
    }
    Ok(summary)
}

fn bind_facts<'q>(query: AnyQuery<'q>, facts: &PhotoFacts) -> AnyQuery<'q> {
    let word = |text: &Option<String>| capped_option(text.as_ref(), WORD);
    let label = |text: &Option<String>| capped_option(text.as_ref(), LABEL);
    let millis = |time: Option<DateTime<Utc>>| time.map(|time| time.timestamp_millis());
    let local = facts.taken_local.map(|local| local.format("%Y-%m-%dT%H:%M:%S").to_string());
    let query = query
        .bind(word(&facts.format))
        .bind(word(&facts.mime_type))
        .bind(facts.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
        .bind(facts.width.map(i64::from))
        .bind(facts.height.map(i64::from))
        .bind(local)
        .bind(facts.taken_offset_minutes)
        .bind(millis(facts.taken_at))
        .bind(word(&facts.taken_source))
        .bind(millis(facts.gps_at));
    let query = bind_float(query, facts.place.map(|(lat, _)| lat));
    let query = bind_float(query, facts.place.map(|(_, lon)| lon))
        .bind(word(&facts.place_source))
        .bind(facts.orientation.map(i32::from))
        .bind(label(&facts.camera_make))
        .bind(label(&facts.camera_model));
    bind_float(query, facts.accuracy)
}

fn written(source: sqlx::Error) -> CatalogueError {
    CatalogueError::Write { table: "photos", source }
}
