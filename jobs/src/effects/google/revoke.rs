//! Giving a user's token back to Google: <https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke>

use serde::Deserialize;

use super::GoogleDrive;
use super::accounts::{Accounts, column, failed};
use super::refusal::{DriveError, plain};
use crate::effects::Target;
use crate::effects::catalogue::Provider;
use crate::effects::web::{Answer, Ask, Reply, Unanswered};

/// What became of a user's token at Google.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It does not let in any more.
    Now,
    /// It did not any more.
    Before,
    /// No Drive is configured: nobody was asked.
    Nobody,
}

impl GoogleDrive {
    /// Gives the user's token back, with which all access ends that the user has granted us.
    ///
    /// # Errors
    /// The account is not connected, its token does not open, or Google does not answer.
    pub async fn revoke(&self, user_id: i64) -> Result<Revoked, DriveError> {
        match self.accounts() {
            Some(accounts) => accounts.revoke(user_id).await,
            None => Ok(Revoked::Nobody),
        }
    }
}

impl Accounts {
    async fn revoke(&self, user_id: i64) -> Result<Revoked, DriveError> {
        let account = self.catalogue.account(user_id, Provider::Drive).await?;
        let account = account.ok_or(DriveError::NotConnected { user_id })?;
        let token = self.keys.open(column(&account, "refresh_token"), &account.refresh_token);
        let token = token.map_err(|error| DriveError::Sealed { user_id, error })?;
        let form = vec![("token", token.to_string())];
        let ask = Ask { form, ..Ask::get(Target::GoogleDrive, self.settings.revoke_url.clone()) };
        let mut said = None;
        let mut judge = |reply: &Reply| {
            said = Some(revoked(reply)?);
            Ok(Answer::Private)
        };
        self.fetch.fetch(&ask, &mut judge).await?;
        said.unwrap_or_else(|| Err(failed("no reply".to_owned()).into()))
    }
}

#[derive(Deserialize)]
struct Said {
    error: String,
}

/// Outside: what is wrong with Google; inside: what it says.
fn revoked(reply: &Reply) -> Result<Result<Revoked, DriveError>, Unanswered> {
    let service = Target::GoogleDrive;
    match (reply.status, serde_json::from_slice(&reply.body)) {
        (200, _) => Ok(Ok(Revoked::Now)),
        (429, _) => Err(Unanswered::Limited { service, status: 429, after: reply.retry_after }),
        (400, Ok(Said { error })) if error == "invalid_token" => Ok(Ok(Revoked::Before)),
        (400..=499, Ok(Said { error })) => Ok(Err(DriveError::Client { reason: plain(&error) })),
        (status, _) => Err(failed(format!("status {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_lets_nobody_in_is_given_back() {
        for (status, body, expected) in [
            (200, "", Ok(Revoked::Now)),
            (400, r#"{"error":"invalid_token"}"#, Ok(Revoked::Before)),
            (400, r#"{"error":"invalid_request"}"#, Err("does not accept")),
            (400, "<html>", Err("failed: status 400")),
            (429, "", Err("asks for patience")),
            (503, r#"{"error":"x"}"#, Err("failed: status 503")),
        ] {
            let reply = Reply { status, retry_after: None, body: body.as_bytes().to_vec() };
            let told = match revoked(&reply) {
                Ok(Ok(revoked)) => Ok(revoked),
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match (told, expected) {
                (Ok(told), Ok(expected)) => assert_eq!(told, expected, "{status} {body}"),
                (Err(told), Err(expected)) => assert!(told.contains(expected), "{told}"),
                (told, _) => panic!("{status} {body}: {told:?}"),
            }
        }
    }
}
