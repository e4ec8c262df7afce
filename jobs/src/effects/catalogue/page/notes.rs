//! What there is to say about the files of a page.

use sqlx::{Any, Transaction};

use super::{Page, Scan};
use crate::effects::catalogue::CatalogueError;
use crate::effects::catalogue::batch::{self, KEYS, ROWS};
use crate::effects::catalogue::text::{LABEL, NAME, SENTENCE, capped, capped_option};

/// Keeps what there is to say about files of a page.
pub(super) async fn store(
    transaction: &mut Transaction<'static, Any>,
    scan: Scan<'_>,
    files: &Page<'_>,
) -> Result<(), CatalogueError> {
    let notes: Vec<_> =
        files.iter().filter_map(|(key, file)| Some((key, *file, file.verdict.note()?))).collect();
    for chunk in notes.chunks(ROWS) {
        let values = batch::rows(chunk.len(), 5, 5, "$1, $2, ", ", $3, $4");
        // The same finding keeps the job and the time of the scan that found it first.
        let sql = format!(
            "INSERT INTO photo_outcomes \
             (user_id, provider, file_id, name, status, reason, hint, job_id, at) VALUES {values} \
             ON CONFLICT (user_id, provider, file_id) DO UPDATE SET \
             name = excluded.name, status = excluded.status, reason = excluded.reason, \
             hint = excluded.hint, job_id = excluded.job_id, at = excluded.at \
             WHERE (photo_outcomes.name, photo_outcomes.status, photo_outcomes.reason, \
             photo_outcomes.hint) IS DISTINCT FROM \
             (excluded.name, excluded.status, excluded.reason, excluded.hint)"
        );
        let mut query = batch::query(sql, chunk.len() == ROWS);
        query = query
            .bind(scan.user_id)
            .bind(scan.provider.as_str())
            .bind(capped(scan.job_id, LABEL))
            .bind(scan.now_ms);
        for (key, file, (status, note)) in chunk {
            query = query
                .bind(key.as_str())
                .bind(capped(&file.name, NAME))
                .bind(status.as_str())
                .bind(capped(&note.reason, SENTENCE))
                .bind(capped_option(note.hint.as_ref(), SENTENCE));
        }
        query.execute(&mut **transaction).await.map_err(written)?;
    }
    Ok(())
}

/// Removes what was said about files of which there is nothing to say any more.
pub(super) async fn clear(
    transaction: &mut Transaction<'static, Any>,
    scan: Scan<'_>,
    files: &Page<'_>,
) -> Result<(), CatalogueError> {
    let clean: Vec<_> = files
        .iter()
        .filter(|(_, file)| file.verdict.note().is_none())
        .map(|(key, _)| key)
        .collect();
    for chunk in clean.chunks(KEYS) {
        let keys = batch::list(3, chunk.len());
        let sql = format!(
            "DELETE FROM photo_outcomes WHERE user_id = $1 AND provider = $2 AND file_id IN ({keys})"
        );
        let mut query = batch::query(sql, chunk.len() == KEYS);
        query = query.bind(scan.user_id).bind(scan.provider.as_str());
        for key in chunk {
            query = query.bind(key.as_str());
        }
        query.execute(&mut **transaction).await.map_err(written)?;
    }
    Ok(())
}

fn written(source: sqlx::Error) -> CatalogueError {
    CatalogueError::Write { table: "photo_outcomes", source }
}
