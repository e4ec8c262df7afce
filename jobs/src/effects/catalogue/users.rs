//! Users: nothing but a row that everything else of theirs hangs on.

use sqlx::AnyConnection;

use super::CatalogueError;

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
