//! One question, one reply, and what it is worth.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate};

use super::unanswered::Unanswered;
use crate::effects::Target;

/// Whole questions; Overpass may think for 25 s.
const TIMEOUT: Duration = Duration::from_secs(40);
const CONNECT: Duration = Duration::from_secs(5);
/// No reply is larger; 20 setlists are 100 kB.
const LARGEST: usize = 16 << 20;

/// A question. With a form it is a POST.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which service, for errors, budgets and metrics.
    pub service: Target,
    /// The whole address.
    pub url: String,
    /// What to send along; values may be secret.
    pub headers: Vec<(&'static str, String)>,
    /// The fields of a form, if it is one; values may be secret.
    pub form: Vec<(&'static str, String)>,
    /// What else the answer depends on, of which the service is not told: with another one, an answer that
    /// was kept is one to another question.
    pub edition: String,
    /// Whether an answer that was kept is not wanted.
    pub fresh: bool,
}

impl Ask {
    /// A question that needs neither headers nor a form.
    pub fn get(service: Target, url: String) -> Self {
        let (headers, form) = (Vec::new(), Vec::new());
        Self { service, url, headers, form, edition: String::new(), fresh: false }
    }
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

/// What an answer is about: how long it stays true depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Places and regions: maps change slowly.
    Map,
    /// The shows of a date, or that there are none.
    Shows {
        /// Of which date.
        date: NaiveDate,
        /// Whether there are any.
        found: bool,
    },
    /// What is one person's: it is never kept.
    Private,
}

/// Says what a reply is, or that it is no answer. Only the client that asks can: a status tells little.
pub type Judge<'a> = &'a mut (dyn FnMut(&Reply) -> Result<Answer, Unanswered> + Send);

/// Asks. Budgets, breakers and caches are other ones around the one that asks: they learn from what the
/// judge says, and nothing is kept that it has not called an answer.
#[async_trait]
pub trait Fetch: fmt::Debug + Send + Sync {
    /// One question, asked once at most. The judge sees the reply before this returns, or one that was
    /// an answer to the same question before.
    ///
    /// # Errors
    /// There was no reply, or not all of it, or it is no answer.
    async fn fetch(&self, ask: &Ask, judge: Judge<'_>) -> Result<(), Unanswered>;
}

/// Asks, and reads the reply.
pub(super) async fn answer<T: Send>(
    fetch: &dyn Fetch,
    ask: &Ask,
    read: impl Fn(&Reply) -> Result<(T, Answer), Unanswered> + Sync,
) -> Result<T, Unanswered> {
    let mut found = None;
    let mut judge = |reply: &Reply| {
        let (value, answer) = read(reply)?;
        found = Some(value);
        Ok(answer)
    };
    fetch.fetch(ask, &mut judge).await?;
    let unjudged = || Unanswered::Failed { service: ask.service, reason: "no reply".to_owned() };
    found.ok_or_else(unjudged)
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
        let mut request = if ask.form.is_empty() {
            self.client.get(&ask.url)
        } else {
            let encoded = |text| {
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
            };
            let fields = ask.form.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
            self.client
                .post(&ask.url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(fields.collect::<Vec<_>>().join("&"))
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
    async fn fetch(&self, ask: &Ask, judge: Judge<'_>) -> Result<(), Unanswered> {
        let reply = self.ask(ask).await.map_err(|error| {
            // An address holds coordinates, and its causes may repeat it.
            let error = error.without_url();
            let reason =
                if error.is_timeout() { "no reply in time".to_owned() } else { error.to_string() };
            Unanswered::Failed { service: ask.service, reason }
        })?;
        judge(&reply).map(drop)
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
