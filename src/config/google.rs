//! Users' photos at Google.

use roadie_jobs::effects::google::GoogleSettings;
use serde::Deserialize;

use super::Secret;
use super::services::host;

/// `[google]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Google {
    /// The application; empty: no Drive is scanned.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// Where Drive is.
    pub drive: String,
    /// Where refresh tokens are exchanged.
    pub token_url: String,
    /// What the addresses of thumbnails begin with.
    pub thumbnails: String,
    /// Where they are given back.
    pub revoke_url: String,
}

impl Google {
    /// As handlers know it; none: no Drive is scanned.
    pub fn settings(&self) -> Option<GoogleSettings> {
        (!self.client_id.is_empty()).then(|| GoogleSettings {
            drive: self.drive.trim_end_matches('/').to_owned(),
            token_url: self.token_url.clone(),
            // A whole host, not the beginning of one.
            thumbnails: format!("{}/", self.thumbnails.trim_end_matches('/')),
            revoke_url: self.revoke_url.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.reveal().to_owned(),
        })
    }

    /// Everything that is wrong, in words. `keys`: how many there are for tokens.
    pub(super) fn faults(&self, keys: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let urls = [
            ("drive", &self.drive),
            ("token_url", &self.token_url),
            ("revoke_url", &self.revoke_url),
        ];
        for (key, url) in urls {
            if host(url).is_none() {
                faults.push(format!(
                    "google.{key}: `{url}` is not an address such as https://example.com/api"
                ));
            }
        }
        if self.client_id.is_empty() {
            return faults;
        }
        if self.client_secret.is_empty() {
            faults.push("google.client_id is set, but google.client_secret is not".to_owned());
        }
        if keys == 0 {
            faults.push(
                "google.client_id is set, but there is no key that opens the tokens of users (tokens.keys)"
                    .to_owned(),
            );
        }
        faults
    }
}
