//! Where a user gets mail, and which.

use crate::effects::catalogue::batch;
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::text::{WORD, capped};
use crate::effects::catalogue::{Catalogue, CatalogueError, users};

const RECIPIENTS: &str = "mail_recipients";
const PREFERENCES: &str = "mail_preferences";
const SUPPRESSIONS: &str = "mail_suppressions";

/// Where a user gets mail, as the web tier says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recipient {
    pub(crate) address: String,
    pub(crate) name: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) tz: Option<String>,
}

/// Without what says who it is.
impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recipient").field("locale", &self.locale).finish_non_exhaustive()
    }
}

impl Catalogue {
    /// Where a user gets mail, if anywhere.
    pub(crate) async fn mail_recipient(
        &self,
        user_id: i64,
    ) -> Result<Option<Recipient>, CatalogueError> {
        let sql = "SELECT address, name, locale, tz FROM mail_recipients WHERE user_id = $1";
        self.timed("mail_recipient", async {
            // From the primary: an address may have changed just now.
            let row = sqlx::query(sql).bind(user_id).fetch_optional(&self.primary).await;
            let row = row.map_err(unread(RECIPIENTS))?;
            row.map(|row| {
                let row = TableRow { table: RECIPIENTS, row: &row };
                Ok(Recipient {
                    address: row.get("address")?,
                    name: row.get("name")?,
                    locale: row.get("locale")?,
                    tz: row.get("tz")?,
                })
            })
            .transpose()
        })
        .await
    }

    /// Notes where a user gets mail, as web tiers do; English, and as if they lived by UTC.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Write` or `Commit`.
    pub async fn set_mail_recipient(
        &self,
        user_id: i64,
        address: &str,
        name: &str,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let sql = "INSERT INTO mail_recipients (user_id, address, name) VALUES ($1, $2, $3) \
                   ON CONFLICT (user_id) DO UPDATE SET address = excluded.address, name = excluded.name";
        self.timed("set_mail_recipient", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            users::ensure(&mut transaction, user_id, now_ms).await?;
            let query = sqlx::query(sql).bind(user_id).bind(address).bind(name);
            query.execute(&mut *transaction).await.map_err(written(RECIPIENTS))?;
            transaction.commit().await.map_err(CatalogueError::Commit)
        })
        .await
    }

    /// Whether a user wants the mails of a list; none: has not said.
    pub(crate) async fn mail_wanted(
        &self,
        user_id: i64,
        list: &str,
    ) -> Result<Option<bool>, CatalogueError> {
        let sql = "SELECT wanted FROM mail_preferences WHERE user_id = $1 AND list = $2";
        self.timed("mail_wanted", async {
            let query = sqlx::query(sql).bind(user_id).bind(list);
            let row = query.fetch_optional(&self.primary).await.map_err(unread(PREFERENCES))?;
            row.map(|row| {
                let wanted: i32 = TableRow { table: PREFERENCES, row: &row }.get("wanted")?;
                Ok(wanted != 0)
            })
            .transpose()
        })
        .await
    }

    /// Notes whether a user wants the mails of a list. Answers whether there is such a user.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn set_mail_wanted(
        &self,
        user_id: i64,
        list: &str,
        wanted: bool,
        now_ms: i64,
    ) -> Result<bool, CatalogueError> {
        let sql = "INSERT INTO mail_preferences (user_id, list, wanted, decided_at) \
                   SELECT user_id, CAST($2 AS TEXT), CAST($3 AS INTEGER), CAST($4 AS BIGINT) \
                   FROM users WHERE user_id = $1 ON CONFLICT (user_id, list) DO UPDATE SET \
                   wanted = excluded.wanted, decided_at = excluded.decided_at";
        self.timed("set_mail_wanted", async {
            let query = sqlx::query(sql).bind(user_id).bind(list).bind(i32::from(wanted));
            let done = query.bind(now_ms).execute(&self.primary).await;
            Ok(done.map_err(written(PREFERENCES))?.rows_affected() == 1)
        })
        .await
    }

    /// Why one of these addresses, as they are hashed, gets no mail; none: it does.
    pub(crate) async fn mail_suppression(
        &self,
        hashes: &[String],
    ) -> Result<Option<String>, CatalogueError> {
        if hashes.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT reason FROM mail_suppressions WHERE address_hash IN ({}) LIMIT 1",
            batch::list(1, hashes.len())
        );
        self.timed("mail_suppression", async {
            let query = hashes.iter().fold(batch::query(sql, true), batch::AnyQuery::bind);
            let row = query.fetch_optional(&self.primary).await.map_err(unread(SUPPRESSIONS))?;
            row.map(|row| TableRow { table: SUPPRESSIONS, row: &row }.get("reason")).transpose()
        })
        .await
    }

    /// From now on an address, as it is hashed, gets no mail. The first reason stays.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn suppress_mail(
        &self,
        hash: &str,
        reason: &str,
        status: Option<&str>,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let sql = "INSERT INTO mail_suppressions (address_hash, reason, status, suppressed_at) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (address_hash) DO NOTHING";
        self.timed("suppress_mail", async {
            let query = sqlx::query(sql).bind(hash).bind(capped(reason, WORD)).bind(status);
            query.bind(now_ms).execute(&self.primary).await.map_err(written(SUPPRESSIONS))?;
            Ok(())
        })
        .await
    }

    /// An address, as these keys hash it, may get mail again. Answers whether it did not.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn allow_mail(&self, hashes: &[String]) -> Result<bool, CatalogueError> {
        let sql = "DELETE FROM mail_suppressions WHERE address_hash = $1";
        self.timed("allow_mail", async {
            let mut removed = 0;
            for hash in hashes {
                let query = sqlx::query(sql).bind(hash).execute(&self.primary);
                removed += query.await.map_err(written(SUPPRESSIONS))?.rows_affected();
            }
            Ok(removed > 0)
        })
        .await
    }
}
