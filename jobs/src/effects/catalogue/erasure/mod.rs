//! The right to be forgotten: tombstones, removing what is one user's, and receipts of it.
//!
//! - `owned`: which tables hold things of one user; `guard`: what keeps rows of an erased one out of them;
//! - `rows`: removing them, counted in the same transaction;
//! - `receipt`: what was removed.

mod guard;
mod owned;
mod receipt;
mod rows;

pub use receipt::{Counted, Receipt, Store};

pub(crate) use receipt::Pass;

pub(super) use guard::{guard, is_guarded};
#[cfg(test)]
pub(super) use owned::guarded;

use super::error::{unread, written};
use super::{Catalogue, CatalogueError, users};

const TOMBSTONES: &str = "erased_users";
const IS_ERASED: &str = "SELECT COUNT(*) FROM erased_users WHERE user_id = $1";

/// How a user stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not erased.
    Here,
    /// There is a tombstone, and an erasure under way.
    BeingErased,
    /// There is a tombstone.
    Erased,
}

/// What a request to erase somebody has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// The tombstone is there, the rest is to be done.
    UnderWay,
    /// It was done before.
    Done(Receipt),
    /// The request was about another user.
    AnotherUser,
}

impl Catalogue {
    /// How a user stands.
    ///
    /// # Errors
    /// [`CatalogueError::Read`].
    pub async fn standing(&self, user_id: i64) -> Result<Standing, CatalogueError> {
        let sql = "SELECT MIN(CASE WHEN e.done_at IS NULL THEN 0 ELSE 1 END) FROM erased_users AS t \
                   JOIN erasures AS e ON e.request_id = t.request_id WHERE t.user_id = $1";
        self.timed("standing", async {
            // From the primary: it may have been written just now.
            let query = sqlx::query_scalar::<_, Option<i64>>(sql).bind(user_id);
            let done = query.fetch_one(&self.primary).await.map_err(unread(TOMBSTONES))?;
            Ok(match done {
                None => Standing::Here,
                Some(0) => Standing::BeingErased,
                Some(_) => Standing::Erased,
            })
        })
        .await
    }

    /// Writes the tombstone and the beginning of a receipt, if they are not there. `now_ms` is in Unix
    /// milliseconds.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Read`, `Write` or `Commit`.
    pub async fn begin_erasure(
        &self,
        request_id: &str,
        user_id: i64,
        now_ms: i64,
    ) -> Result<Erasure, CatalogueError> {
        if let Some(receipt) = self.receipt(request_id).await?
            && receipt.done_at.is_some()
        {
            return Ok(if self.is_about(request_id, user_id).await? {
                Erasure::Done(receipt)
            } else {
                Erasure::AnotherUser
            });
        }
        self.timed("begin_erasure", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            let sql = "INSERT INTO erasures (request_id, begun_at) VALUES ($1, $2) \
                       ON CONFLICT (request_id) DO NOTHING";
            let query = sqlx::query(sql).bind(request_id).bind(now_ms);
            query.execute(&mut *transaction).await.map_err(written("erasures"))?;
            let query = sqlx::query_scalar::<_, i64>(IS_ERASED).bind(user_id);
            let erased = query.fetch_one(&mut *transaction).await.map_err(unread(TOMBSTONES))?;
            if erased == 0 {
                // A transaction that makes this row for the first time is waited for, too.
                users::ensure(&mut transaction, user_id, now_ms).await?;
            }
            let sql = "INSERT INTO erased_users (request_id, user_id, erased_at) \
                       VALUES ($1, $2, $3) ON CONFLICT (request_id) DO NOTHING";
            let query = sqlx::query(sql).bind(request_id).bind(user_id).bind(now_ms);
            query.execute(&mut *transaction).await.map_err(written(TOMBSTONES))?;
            let sql = "SELECT user_id FROM erased_users WHERE request_id = $1";
            let query = sqlx::query_scalar::<_, i64>(sql).bind(request_id);
            let whose = query.fetch_one(&mut *transaction).await.map_err(unread(TOMBSTONES))?;
            if whose != user_id {
                // Nothing of it is kept.
                transaction.rollback().await.map_err(CatalogueError::Commit)?;
                return Ok(Erasure::AnotherUser);
            }
            transaction.commit().await.map_err(CatalogueError::Commit)?;
            Ok(Erasure::UnderWay)
        })
        .await
    }

    /// Whether this request has erased this user, who has not been let in again since.
    ///
    /// # Errors
    /// [`CatalogueError::Read`].
    pub async fn is_about(&self, request_id: &str, user_id: i64) -> Result<bool, CatalogueError> {
        let sql = "SELECT COUNT(*) FROM erased_users WHERE request_id = $1 AND user_id = $2";
        self.timed("is_about", async {
            let query = sqlx::query_scalar::<_, i64>(sql).bind(request_id).bind(user_id);
            let found = query.fetch_one(&self.primary).await.map_err(unread(TOMBSTONES))?;
            Ok(found > 0)
        })
        .await
    }

    /// Lets a user in again: removes the tombstone, unless an erasure is still under way. Answers whether
    /// there was one to remove.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn lift_tombstone(&self, user_id: i64) -> Result<bool, CatalogueError> {
        let sql = "DELETE FROM erased_users WHERE user_id = $1 AND NOT EXISTS \
                   (SELECT 1 FROM erased_users AS t JOIN erasures AS e \
                    ON e.request_id = t.request_id WHERE t.user_id = $1 AND e.done_at IS NULL)";
        self.timed("lift_tombstone", async {
            let query = sqlx::query(sql).bind(user_id).execute(&self.primary);
            Ok(query.await.map_err(written(TOMBSTONES))?.rows_affected() > 0)
        })
        .await
    }
}
