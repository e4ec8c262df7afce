//! Users: nothing but a row that everything else of theirs hangs on.

use sqlx::AnyConnection;

use super::{Catalogue, CatalogueError};

impl Catalogue {
    /// Makes the user's row, if there is none. `now_ms` is in Unix milliseconds.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn ensure_user(&self, user_id: i64, now_ms: i64) -> Result<(), CatalogueError> {
        self.timed("ensure_user", async {
            let mut connection = self.primary.acquire().await.map_err(CatalogueError::Begin)?;
            ensure(&mut connection, user_id, now_ms).await
        })
        .await
    }
}

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
