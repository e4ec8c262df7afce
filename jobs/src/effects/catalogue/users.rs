//! Users: nothing but a row that everything else of theirs hangs on.

use sqlx::AnyConnection;

use super::error::written;
use super::{Catalogue, CatalogueError};

/// Makes the user's row, if there is none. `now_ms` is in Unix milliseconds.
pub(super) async fn ensure(
    connection: &mut AnyConnection,
    user_id: i64,
    now_ms: i64,
) -> Result<(), CatalogueError> {
    sqlx::query(
        "INSERT INTO users (user_id, created_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
    )
    .bind(user_id)
    .bind(now_ms)
    .execute(connection)
    .await
    .map_err(|source| CatalogueError::Write { table: "users", source })?;
    Ok(())
}

impl Catalogue {
    /// Notes that a scan of the user has begun, in Unix milliseconds.
    pub(crate) async fn scan_begins(&self, user_id: i64, at: i64) -> Result<(), CatalogueError> {
        self.timed("scan_begins", async {
            let sql = "INSERT INTO users (user_id, created_at, scan_began_at) VALUES ($1, $2, $2) \
                       ON CONFLICT (user_id) DO UPDATE SET scan_began_at = excluded.scan_began_at";
            let query = sqlx::query(sql).bind(user_id).bind(at).execute(&self.primary);
            query.await.map_err(written("users"))?;
            Ok(())
        })
        .await
    }
}
