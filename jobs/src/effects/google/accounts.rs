//! From a sealed refresh token to an access token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Deserialize;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::refusal::{DriveError, plain};
use crate::effects::catalogue::{Account, AccountState, Catalogue, FreshTokens, Provider};
use crate::effects::web::{Answer, Ask, Fetch, Reply, Unanswered};
use crate::effects::{Clock, Column, Target, TokenKeys};

/// A token that lives for less is exchanged at once.
const MARGIN_MS: i64 = 60_000;
/// Whoever exchanges a token and dies is waited for so long.
const LEASE_MS: i64 = 15_000;
/// How often it is looked whether somebody else has a token by now.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where Google is, and who asks.
#[derive(Clone)]
pub struct GoogleSettings {
    /// Up to `/drive/v3`.
    pub drive: String,
    /// Where refresh tokens are exchanged.
    pub token_url: String,
    /// What the addresses of thumbnails begin with: nobody else is shown a token.
    pub thumbnails: String,
    /// Where they are given back.
    pub revoke_url: String,
    /// The application.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

impl fmt::Debug for GoogleSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoogleSettings").field("drive", &self.drive).finish_non_exhaustive()
    }
}

/// All users' accounts.
pub(super) struct Accounts {
    pub(super) catalogue: Catalogue,
    pub(super) keys: Arc<TokenKeys>,
    pub(super) fetch: Arc<dyn Fetch>,
    pub(super) settings: GoogleSettings,
    pub(super) clock: Clock,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What lets in for an hour.
pub(super) struct Access {
    pub(super) token: Zeroizing<String>,
    /// Unix milliseconds.
    expires_at: i64,
}

impl Access {
    pub(super) fn is_good(&self, now_ms: i64) -> bool {
        self.expires_at > now_ms + MARGIN_MS
    }
}

impl Accounts {
    /// A token that lets in, and is not `refused`, which Google has just turned away. Of all that need a
    /// new one, in whichever process, one exchanges it and the others wait.
    pub(super) async fn access(
        &self,
        user_id: i64,
        refused: Option<&str>,
    ) -> Result<Access, DriveError> {
        let me = random_name();
        loop {
            let account = self.catalogue.account(user_id, Provider::Drive).await?;
            let account = account.ok_or(DriveError::NotConnected { user_id })?;
            if account.state == AccountState::NeedsReconnect {
                let reason = account.reason.unwrap_or_default();
                return Err(DriveError::NeedsReconnect { user_id, reason });
            }
            let now = self.clock.now_ms();
            if let Some(access) = self.stored(&account)
                && access.is_good(now)
                && refused != Some(access.token.as_str())
            {
                return Ok(access);
            }
            if !self.catalogue.begin_refresh(&account, &me, now, now + LEASE_MS).await? {
                sleep(LOOK_EVERY).await;
                continue;
            }
            if let Some(access) = self.refresh(&account, &me).await? {
                return Ok(access);
            }
        }
    }

    /// The access token that somebody has kept. One that does not open is worth as much as none.
    fn stored(&self, account: &Account) -> Option<Access> {
        let sealed = account.access_token.as_deref()?;
        let token = self.keys.open(column(account, "access_token"), sealed).ok()?;
        Some(Access { token, expires_at: account.access_expires_at? })
    }

    /// Exchanges the refresh token; none: the account was connected again meanwhile.
    async fn refresh(&self, account: &Account, me: &str) -> Result<Option<Access>, DriveError> {
        match self.exchange(account).await {
            Ok((tokens, access)) => {
                Ok(self.catalogue.keep_tokens(account, &tokens).await?.then_some(access))
            }
            Err(DriveError::NeedsReconnect { user_id, reason }) => {
                let now = self.clock.now_ms();
                if self.catalogue.needs_reconnect(account, &reason, now).await? {
                    tracing::warn!(user_id, reason, "a Google account has to be connected again");
                    return Err(DriveError::NeedsReconnect { user_id, reason });
                }
                Ok(None)
            }
            Err(error) => {
                self.catalogue.end_refresh(account, me).await?;
                Err(error)
            }
        }
    }

    async fn exchange(&self, account: &Account) -> Result<(FreshTokens, Access), DriveError> {
        let user_id = account.user_id;
        let sealed = |error| DriveError::Sealed { user_id, error };
        let refresh = self.keys.open(column(account, "refresh_token"), &account.refresh_token);
        let refresh = refresh.map_err(sealed)?;
        let asked_at = self.clock.now_ms();
        let answer = self.ask_for_tokens(user_id, &refresh).await?;
        let expires_at = asked_at + answer.expires_in.unwrap_or(3_600) * 1_000;
        let renewed = answer.refresh_token.map(Zeroizing::new);
        let renewed = renewed.map(|token| self.keys.seal(column(account, "refresh_token"), &token));
        let tokens = FreshTokens {
            refresh: renewed.transpose().map_err(sealed)?,
            access: self
                .keys
                .seal(column(account, "access_token"), &answer.access_token)
                .map_err(sealed)?,
            expires_at,
        };
        Ok((tokens, Access { token: Zeroizing::new(answer.access_token), expires_at }))
    }

    /// RFC 6749, section 6.
    async fn ask_for_tokens(&self, user_id: i64, refresh: &str) -> Result<Tokens, DriveError> {
        let form = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", self.settings.client_id.clone()),
            ("client_secret", self.settings.client_secret.clone()),
            ("refresh_token", refresh.to_owned()),
        ];
        let url = self.settings.token_url.clone();
        let ask = Ask { form, ..Ask::get(Target::GoogleDrive, url) };
        let mut said = None;
        let mut judge = |reply: &Reply| {
            said = Some(tokens(user_id, reply)?);
            Ok(Answer::Private)
        };
        self.fetch.fetch(&ask, &mut judge).await?;
        said.unwrap_or_else(|| Err(failed("no reply".to_owned()).into()))
    }
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    expires_in: Option<i64>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

/// Outside: what is wrong with Google; inside: what it says.
fn tokens(user_id: i64, reply: &Reply) -> Result<Result<Tokens, DriveError>, Unanswered> {
    let service = Target::GoogleDrive;
    match reply.status {
        200 => serde_json::from_slice(&reply.body).map(Ok).map_err(|_| Unanswered::Garbled {
            service,
            reason: "no tokens in its answer".to_owned(),
        }),
        429 => Err(Unanswered::Limited { service, status: 429, after: reply.retry_after }),
        status => match serde_json::from_slice(&reply.body) {
            Ok(OAuthError { error }) if (400..500).contains(&status) => {
                Ok(Err(refusal(user_id, &error)))
            }
            // Not from the one that gives out tokens.
            _ => Err(failed(format!("status {status}"))),
        },
    }
}

/// RFC 6749, 5.2: what is over for this user, and what is wrong with ourselves.
fn refusal(user_id: i64, error: &str) -> DriveError {
    let reason = plain(error);
    match error {
        "invalid_grant" | "access_denied" => DriveError::NeedsReconnect { user_id, reason },
        _ => DriveError::Client { reason },
    }
}

pub(super) fn failed(reason: String) -> Unanswered {
    Unanswered::Failed { service: Target::GoogleDrive, reason }
}

pub(super) fn column(account: &Account, name: &'static str) -> Column {
    Column { user_id: account.user_id, provider: account.provider, name }
}

/// Tells askers apart, nothing more.
fn random_name() -> String {
    let mut bytes = [0; 8];
    // Without random bytes nothing could be sealed either.
    let _ = SystemRandom::new().fill(&mut bytes);
    hex::encode(bytes)
}

/// A parameter of a URL.
pub(super) fn encoded(value: &str) -> impl fmt::Display {
    utf8_percent_encode(value, NON_ALPHANUMERIC)
}
