//! What the photos of a page look like.

use sqlx::{Any, Transaction};

use super::{Page, Scan};
use crate::effects::catalogue::CatalogueError;
use crate::effects::catalogue::batch::{self, ROWS};
use crate::effects::catalogue::text::{LABEL, capped};
use crate::pixels::{FINGERPRINT_VERSION, bands};

/// Stores the fingerprints of a page. A photo whose content is another one than before, or was
/// fingerprinted by another version, is to be compared anew.
pub(super) async fn store(
    transaction: &mut Transaction<'static, Any>,
    scan: Scan<'_>,
    files: &Page<'_>,
) -> Result<(), CatalogueError> {
    let photos = files.iter().filter(|(_, file)| file.verdict.facts().is_some());
    let found: Vec<_> =
        photos.filter_map(|(key, file)| Some((key, *file, file.content.as_ref()?))).collect();
    for chunk in found.chunks(ROWS) {
        let values = batch::rows(chunk.len(), 4, 16, "$1, $2, $3, ", "");
        let sql = format!(
            "INSERT INTO photo_fingerprints (user_id, provider, version, file_id, source_rev, \
             content_hash, gradient, dct_0, dct_1, dct_2, dct_3, detail, sharpness, exposure, \
             band_0, band_1, band_2, band_3, taken_millis) VALUES {values} \
             ON CONFLICT (user_id, provider, file_id) DO UPDATE SET \
             version = excluded.version, source_rev = excluded.source_rev, \
             content_hash = excluded.content_hash, gradient = excluded.gradient, \
             dct_0 = excluded.dct_0, dct_1 = excluded.dct_1, dct_2 = excluded.dct_2, \
             dct_3 = excluded.dct_3, detail = excluded.detail, sharpness = excluded.sharpness, \
             exposure = excluded.exposure, band_0 = excluded.band_0, band_1 = excluded.band_1, \
             band_2 = excluded.band_2, band_3 = excluded.band_3, \
             taken_millis = excluded.taken_millis, compared_at = CASE WHEN \
             photo_fingerprints.content_hash = excluded.content_hash AND \
             photo_fingerprints.version = excluded.version AND \
             (photo_fingerprints.gradient IS NULL) = (excluded.gradient IS NULL) \
             THEN photo_fingerprints.compared_at ELSE NULL END"
        );
        let mut query = batch::query(sql, chunk.len() == ROWS);
        query = query.bind(scan.user_id).bind(scan.provider.as_str()).bind(FINGERPRINT_VERSION);
        for (key, file, content) in chunk {
            let look = content.look.as_ref();
            query = query
                .bind(key.as_str())
                .bind(capped(&file.source_rev, LABEL))
                .bind(content.hash.as_str())
                .bind(look.map(|look| look.gradient.cast_signed()));
            for at in 0..4 {
                query = query.bind(look.map(|look| look.dct[at].cast_signed()));
            }
            query = query
                .bind(look.map(|look| i32::from(look.detail)))
                .bind(look.map(|look| i32::try_from(look.sharpness).unwrap_or(i32::MAX)))
                .bind(look.map(|look| i32::from(look.exposure)));
            for at in 0..4 {
                query = query.bind(look.map(|look| i32::from(bands(look.gradient)[at])));
            }
            query = query.bind(content.taken_millis.map(i32::from));
        }
        query
            .execute(&mut **transaction)
            .await
            .map_err(|source| CatalogueError::Write { table: "photo_fingerprints", source })?;
    }
    Ok(())
}
