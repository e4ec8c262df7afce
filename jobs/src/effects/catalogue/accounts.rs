//! Accounts of users at providers: sealed tokens, and whether they still let in.

use super::row::TableRow;
use super::scanned::{Provider, UnknownWord};
use super::text::{LABEL, capped};
use super::{Catalogue, CatalogueError, users};

const TABLE: &str = "provider_accounts";

/// Whether an account lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountState {
    /// As far as is known.
    Connected,
    /// Its owner has to sign in again.
    NeedsReconnect,
}

impl AccountState {
    /// As it is stored: `connected` or `needs_reconnect`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::NeedsReconnect => "needs_reconnect",
        }
    }

    fn parse(word: &str) -> Result<Self, UnknownWord> {
        [Self::Connected, Self::NeedsReconnect]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| UnknownWord { what: "state", word: word.into() })
    }
}

/// A user's account at a provider. Tokens are sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub user_id: i64,
    /// Where.
    pub provider: Provider,
    /// What its owner has agreed to.
    pub refresh_token: String,
    /// What the refresh token was last exchanged for.
    pub access_token: Option<String>,
    /// Unix milliseconds.
    pub access_expires_at: Option<i64>,
    /// Whether it lets in.
    pub state: AccountState,
    /// Why it has to be connected again.
    pub reason: Option<String>,
    /// Unix milliseconds; since when it has been in this state.
    pub state_at: i64,
}

/// What a refresh token was exchanged for, sealed.
#[derive(Clone, Debug)]
pub struct FreshTokens {
    /// A new refresh token, if there was one: otherwise the old one stays.
    pub refresh: Option<String>,
    /// The access token.
    pub access: String,
    /// Unix milliseconds.
    pub expires_at: i64,
}

impl Catalogue {
    /// Connects an account, for the first time or again, as web tiers do. `refresh_token` is sealed,
    /// `now_ms` in Unix milliseconds.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Write` or `Commit`.
    pub async fn connect_account(
        &self,
        user_id: i64,
        provider: Provider,
        refresh_token: &str,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let sql = "INSERT INTO provider_accounts \
                   (user_id, provider, refresh_token, state, state_at) VALUES ($1, $2, $3, 'connected', $4) \
                   ON CONFLICT (user_id, provider) DO UPDATE SET \
                   refresh_token = excluded.refresh_token, access_token = NULL, \
                   access_expires_at = NULL, refreshed_by = NULL, refreshing_until = NULL, \
                   state = 'connected', reason = NULL, state_at = excluded.state_at";
        self.timed("connect_account", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            users::ensure(&mut transaction, user_id, now_ms).await?;
            let query = sqlx::query(sql).bind(user_id).bind(provider.as_str());
            let query = query.bind(refresh_token).bind(now_ms);
            query.execute(&mut *transaction).await.map_err(written)?;
            transaction.commit().await.map_err(CatalogueError::Commit)
        })
        .await
    }

    /// A user's account at a provider.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn account(
        &self,
        user_id: i64,
        provider: Provider,
    ) -> Result<Option<Account>, CatalogueError> {
        let sql = "SELECT * FROM provider_accounts WHERE user_id = $1 AND provider = $2";
        self.timed("account", async {
            let query = sqlx::query(sql).bind(user_id).bind(provider.as_str());
            // From the primary: its tokens may have changed just now.
            let row = query.fetch_optional(&self.primary).await.map_err(read)?;
            row.map(|row| account(TableRow { table: TABLE, row: &row })).transpose()
        })
        .await
    }

    /// Accounts of all users in the order of user and provider, from the first or on `after` another.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn accounts(
        &self,
        after: Option<&Account>,
        limit: u32,
    ) -> Result<Vec<Account>, CatalogueError> {
        let sql = "SELECT * FROM provider_accounts WHERE (user_id, provider) > ($1, $2) \
                   ORDER BY user_id, provider LIMIT $3";
        self.timed("accounts", async {
            let after = after.map_or((i64::MIN, ""), |a| (a.user_id, a.provider.as_str()));
            let query = sqlx::query(sql).bind(after.0).bind(after.1).bind(i64::from(limit));
            let rows = query.fetch_all(&self.primary).await.map_err(read)?;
            rows.iter().map(|row| account(TableRow { table: TABLE, row })).collect()
        })
        .await
    }

    /// Takes the right to exchange this refresh token, of which nobody else in the fleet has it until
    /// `until_ms`. Answers whether it was free.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn begin_refresh(
        &self,
        account: &Account,
        by: &str,
        now_ms: i64,
        until_ms: i64,
    ) -> Result<bool, CatalogueError> {
        // Whoever waited for the right must not use it on tokens that have changed meanwhile.
        let sql = "UPDATE provider_accounts SET refreshed_by = $5, refreshing_until = $7 \
                   WHERE user_id = $1 AND provider = $2 AND refresh_token = $3 \
                   AND access_token IS NOT DISTINCT FROM $4 \
                   AND (refreshing_until IS NULL OR refreshing_until <= $6)";
        self.timed("begin_refresh", async {
            let done = sqlx::query(sql)
                .bind(account.user_id)
                .bind(account.provider.as_str())
                .bind(&account.refresh_token)
                .bind(account.access_token.as_deref())
                .bind(by)
                .bind(now_ms)
                .bind(until_ms)
                .execute(&self.primary)
                .await
                .map_err(written)?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    /// Gives the right back without new tokens.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn end_refresh(&self, account: &Account, by: &str) -> Result<(), CatalogueError> {
        let sql = "UPDATE provider_accounts SET refreshed_by = NULL, refreshing_until = NULL \
                   WHERE user_id = $1 AND provider = $2 AND refreshed_by = $3";
        self.timed("end_refresh", async {
            let query = sqlx::query(sql).bind(account.user_id).bind(account.provider.as_str());
            query.bind(by).execute(&self.primary).await.map_err(written)?;
            Ok(())
        })
        .await
    }

    /// Keeps what the refresh token was exchanged for, unless the account was connected again
    /// meanwhile: answers whether it was kept.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn keep_tokens(
        &self,
        account: &Account,
        tokens: &FreshTokens,
    ) -> Result<bool, CatalogueError> {
        let sql = "UPDATE provider_accounts SET refresh_token = $4, access_token = $5, \
                   access_expires_at = $6, refreshed_by = NULL, refreshing_until = NULL \
                   WHERE user_id = $1 AND provider = $2 AND refresh_token = $3";
        self.timed("keep_tokens", async {
            let done = sqlx::query(sql)
                .bind(account.user_id)
                .bind(account.provider.as_str())
                .bind(&account.refresh_token)
                .bind(tokens.refresh.as_ref().unwrap_or(&account.refresh_token))
                .bind(&tokens.access)
                .bind(tokens.expires_at)
                .execute(&self.primary)
                .await
                .map_err(written)?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    /// Notes that the account's owner has to sign in again, unless that is known or was done meanwhile:
    /// answers whether it is news.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn needs_reconnect(
        &self,
        account: &Account,
        reason: &str,
        now_ms: i64,
    ) -> Result<bool, CatalogueError> {
        let sql = "UPDATE provider_accounts SET state = 'needs_reconnect', reason = $4, \
                   state_at = $5, access_token = NULL, access_expires_at = NULL, \
                   refreshed_by = NULL, refreshing_until = NULL WHERE user_id = $1 \
                   AND provider = $2 AND refresh_token = $3 AND state = 'connected'";
        self.timed("needs_reconnect", async {
            let done = sqlx::query(sql)
                .bind(account.user_id)
                .bind(account.provider.as_str())
                .bind(&account.refresh_token)
                .bind(capped(reason, LABEL))
                .bind(now_ms)
                .execute(&self.primary)
                .await
                .map_err(written)?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    /// Puts the same tokens, sealed anew, in place of those of `account`, unless they have changed
    /// meanwhile: answers whether it did.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn reseal(
        &self,
        account: &Account,
        refresh_token: &str,
        access_token: Option<&str>,
    ) -> Result<bool, CatalogueError> {
        let sql = "UPDATE provider_accounts SET refresh_token = $5, access_token = $6 \
                   WHERE user_id = $1 AND provider = $2 AND refresh_token = $3 \
                   AND access_token IS NOT DISTINCT FROM $4";
        self.timed("reseal", async {
            let done = sqlx::query(sql)
                .bind(account.user_id)
                .bind(account.provider.as_str())
                .bind(&account.refresh_token)
                .bind(account.access_token.as_deref())
                .bind(refresh_token)
                .bind(access_token)
                .execute(&self.primary)
                .await
                .map_err(written)?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }
}

fn account(row: TableRow<'_>) -> Result<Account, CatalogueError> {
    Ok(Account {
        user_id: row.get("user_id")?,
        provider: row.parse("provider", Provider::parse)?,
        refresh_token: row.get("refresh_token")?,
        access_token: row.get("access_token")?,
        access_expires_at: row.get("access_expires_at")?,
        state: row.parse("state", AccountState::parse)?,
        reason: row.get("reason")?,
        state_at: row.get("state_at")?,
    })
}

fn read(source: sqlx::Error) -> CatalogueError {
    CatalogueError::Read { table: TABLE, source }
}

fn written(source: sqlx::Error) -> CatalogueError {
    CatalogueError::Write { table: TABLE, source }
}
