//! One question, one reply.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;

use super::unanswered::Unanswered;

/// Whole questions; Overpass may think for 25 s.
const TIMEOUT: Duration = Duration::from_secs(40);
const CONNECT: Duration = Duration::from_secs(5);
/// No reply is larger; 20 setlists are 100 kB.
const LARGEST: usize = 16 << 20;

/// A question. With a form it is a POST.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which service, for errors, budgets and metrics.
    pub service: &'static str,
    /// The whole address.
    pub url: String,
    /// What to send along; values may be secret.
    pub headers: Vec<(&'static str, String)>,
    /// The one field of a form, if it is one.
    pub form: Option<(&'static str, String)>,
}

/// Without query, form and headers: those hold coordinates and keys.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("Ask")
            .field("service", &self.service)
            .field("url", &plain)
            .finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status; nothing else has been judged yet.
    pub status: u16,
    /// How long the service wants to be left alone.
    pub retry_after: Option<Duration>,
    /// All of it.
    pub body: Vec<u8>,
}

/// Asks. Budgets, breakers and caches are other ones around the one that asks.
#[async_trait]
pub trait Fetch: fmt::Debug + Send + Sync {
    /// One question, asked once.
    ///
    /// # Errors
    /// There was no reply, or not all of it.
    async fn fetch(&self, ask: Ask) -> Result<Reply, Unanswered>;
}

/// Over the network. Redirects are not followed: only what is configured is asked.
#[derive(Clone, Debug)]
pub struct Web {
    client: reqwest::Client,
}

impl Web {
    /// `user_agent` has to name the application and how to reach whoever runs it: the policy of
    /// OpenStreetMap's services.
    ///
    /// # Errors
    /// The user agent is no header value, or the machine has no TLS certificates.
    pub fn new(user_agent: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none());
        Ok(Self { client: client.build()? })
    }

    async fn ask(&self, ask: &Ask) -> Result<Reply, reqwest::Error> {
        let mut request = match &ask.form {
            None => self.client.get(&ask.url),
            Some((field, value)) => {
                let value = percent_encoding::utf8_percent_encode(
                    value,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                self.client
                    .post(&ask.url)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(format!("{field}={value}"))
            }
        };
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let mut response = request.send().await?;
        let retry_after =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let date = response.headers().get("date").and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| patience(text, date));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > LARGEST {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status: response.status().as_u16(), retry_after, body })
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self, ask: Ask) -> Result<Reply, Unanswered> {
        self.ask(&ask).await.map_err(|error| {
            // An address holds coordinates, and its causes may repeat it.
            let error = error.without_url();
            let reason =
                if error.is_timeout() { "no reply in time".to_owned() } else { error.to_string() };
            Unanswered::Failed { service: ask.service, reason }
        })
    }
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date, which is compared with the server's own clock.
fn patience(text: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    let now = DateTime::parse_from_rfc2822(date?).ok()?;
    (until - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_seconds_or_a_date() {
        let date = Some("Fri, 14 Jun 2019 20:00:00 GMT");
        assert_eq!(patience("120", None), Some(Duration::from_mins(2)));
        assert_eq!(patience("Fri, 14 Jun 2019 20:00:30 GMT", date), Some(Duration::from_secs(30)));
        for senseless in ["", "soon", "-5", "Fri, 14 Jun 2019 19:00:00 GMT"] {
            assert_eq!(patience(senseless, date), None, "{senseless}");
        }
    }
}
