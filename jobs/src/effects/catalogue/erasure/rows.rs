//! Removing rows of one user, a bounded number in one transaction, which counts them, too: however often
//! the work is cut off and taken up again, each row is counted once.

use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::owned::OWNED;
use super::receipt::{Pass, Store, add};
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::{Catalogue, CatalogueError, batch};
use crate::privacy::is_of;

/// Rows that one transaction removes at most.
const PAGE: u32 = 1_000;
/// Dead letters that are looked through at once.
const LETTERS: usize = 500;

impl Catalogue {
    /// Removes every row of the user, and at last the user's own. `alive` is called between the pages.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Write` or `Commit`; what was removed until then is counted.
    pub(crate) async fn erase_rows(
        &self,
        pass: Pass<'_>,
        user_id: i64,
        alive: impl Fn(),
    ) -> Result<(), CatalogueError> {
        for owned in OWNED {
            let (table, key) = (owned.table, owned.key);
            let sql = format!(
                "DELETE FROM {table} WHERE user_id = $1 AND ({key}) IN \
                 (SELECT {key} FROM {table} WHERE user_id = $1 LIMIT {PAGE})"
            );
            while self.erase(pass, table, &sql, user_id).await? >= u64::from(PAGE) {
                alive();
            }
        }
        // One that the tombstone has made is no news.
        let told = "DELETE FROM users WHERE user_id = $1 AND NOT EXISTS (SELECT 1 FROM erased_users AS t \
                    WHERE t.user_id = $1 AND t.erased_at = users.created_at)";
        self.erase(pass, "users", told, user_id).await?;
        self.timed("erase_rows", async {
            let query = sqlx::query("DELETE FROM users WHERE user_id = $1").bind(user_id);
            query.execute(&self.primary).await.map_err(written("users"))?;
            Ok(())
        })
        .await
    }

    async fn erase(
        &self,
        pass: Pass<'_>,
        table: &'static str,
        sql: &str,
        user_id: i64,
    ) -> Result<u64, CatalogueError> {
        self.timed("erase_rows", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            let query = sqlx::query(AssertSqlSafe(sql.to_owned())).bind(user_id);
            let done = query.execute(&mut *transaction).await.map_err(written(table))?;
            let rows = done.rows_affected();
            add(&mut transaction, pass, Store::Catalogue, table, rows).await?;
            transaction.commit().await.map_err(CatalogueError::Commit)?;
            Ok(rows)
        })
        .await
    }

    /// Removes the dead letters whose payload names the user. `alive` is called between the pages.
    ///
    /// # Errors
    /// [`CatalogueError::Read`], `Begin`, `Write` or `Commit`.
    pub(crate) async fn erase_letters(
        &self,
        pass: Pass<'_>,
        user_id: i64,
        alive: impl Fn(),
    ) -> Result<(), CatalogueError> {
        // Narrows it down; which of them are the user's is told by the payload.
        let like = format!("%userId%{user_id}%");
        let sql = format!(
            "SELECT id, payload FROM dead_letters WHERE id > $1 AND payload LIKE $2 \
             ORDER BY id LIMIT {LETTERS}"
        );
        let mut after = String::new();
        loop {
            let page = self.timed("erase_letters", async {
                let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(&after).bind(&like);
                let rows = query.fetch_all(&self.primary).await.map_err(unread("dead_letters"))?;
                let rows = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
                rows.collect::<Result<Vec<(String, String)>, _>>().map_err(unread("dead_letters"))
            });
            let page = page.await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            let theirs = page.iter().filter(|(_, payload)| is_of(payload, user_id));
            let theirs: Vec<&str> = theirs.map(|(id, _)| id.as_str()).collect();
            self.timed("erase_letters", async {
                let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
                erase_letters(&mut transaction, pass, &theirs).await?;
                transaction.commit().await.map_err(CatalogueError::Commit)
            })
            .await?;
            alive();
        }
    }
}

async fn erase_letters(
    connection: &mut AnyConnection,
    pass: Pass<'_>,
    ids: &[&str],
) -> Result<(), CatalogueError> {
    if ids.is_empty() {
        return Ok(());
    }
    let table = "dead_letters";
    let sql = format!("DELETE FROM {table} WHERE id IN ({})", batch::list(1, ids.len()));
    let query = ids.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, id| query.bind(*id));
    let done = query.execute(&mut *connection).await.map_err(written(table))?;
    add(connection, pass, Store::Catalogue, table, done.rows_affected()).await
}
