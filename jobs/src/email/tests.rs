//! The kinds on a real catalogue, with a server that says what the test says.

mod celebrating;
mod looks;
mod sending;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::concerts::tests::stage::{self, NOW, USER};
use crate::effects::mail::{
    Letter, Mail, MailKeys, MailSettings, Offer, Refusal, Stage as At, Transport, Undelivered,
};
use crate::effects::{Clock, SigningKey};
use crate::{Decision, JobError};

/// What a server says of the next mail: at the recipient's name, or at the end of the content.
#[derive(Clone, Debug)]
enum Says {
    Taken,
    Instead(Undelivered),
    AtTheEnd(Undelivered),
    Nothing,
}

/// A server that says what it is told to.
#[derive(Debug, Default)]
struct Server {
    says: Mutex<Vec<Says>>,
    taken: Arc<Mutex<Vec<String>>>,
    handed_over: Arc<Notify>,
}

struct Waiting {
    /// None: there is none.
    end: Option<Result<String, Undelivered>>,
    handed_over: Arc<Notify>,
    taken: Arc<Mutex<Vec<String>>>,
    text: String,
}

#[async_trait]
impl Transport for Server {
    async fn offer(&self, letter: &Letter) -> Result<Box<dyn Offer>, Undelivered> {
        let says = self.says.lock().unwrap().pop().unwrap_or(Says::Taken);
        let end = match says {
            Says::Taken => Some(Ok("250 2.0.0".to_owned())),
            Says::Instead(undelivered) => return Err(undelivered),
            Says::AtTheEnd(undelivered) => Some(Err(undelivered)),
            Says::Nothing => None,
        };
        let text = String::from_utf8(letter.bytes().to_vec()).unwrap();
        let (taken, handed_over) = (Arc::clone(&self.taken), Arc::clone(&self.handed_over));
        Ok(Box::new(Waiting { end, handed_over, taken, text }))
    }
}

#[async_trait]
impl Offer for Waiting {
    async fn hand_over(self: Box<Self>) -> Result<String, Undelivered> {
        let Self { end, handed_over, taken, text } = *self;
        handed_over.notify_one();
        let Some(end) = end else { return std::future::pending().await };
        if end.is_ok() {
            taken.lock().unwrap().push(text);
        }
        end
    }
}

/// What a server replies.
fn replies(stage: At, code: u16, enhanced: Option<(u16, u16, u16)>) -> Undelivered {
    let enhanced = enhanced.map(|(a, b, c)| crate::effects::mail::Enhanced(a, b, c));
    Undelivered::Refused(Refusal { stage, code, enhanced })
}

fn settings() -> MailSettings {
    let secret = "0123456789abcdef0123456789abcdef".to_owned();
    MailSettings {
        from: "Concerts <mail@example.com>".parse().unwrap(),
        keys: MailKeys::new(vec![SigningKey { name: "k1".to_owned(), secret }]),
        unsubscribe_url: "https://example.com/u/".to_owned(),
        unsubscribe_mailto: "leave@example.com".to_owned(),
        app_url: "https://example.com".to_owned(),
        app_name: "Concerts".to_owned(),
        quiet: (22, 8),
        first_pause: Duration::from_mins(1),
        longest_pause: Duration::from_hours(1),
        give_up: Duration::from_hours(24),
    }
}

struct Stage {
    inner: stage::Stage,
    server: Arc<Server>,
}

impl Stage {
    /// With a user who has an address and wants everything. It is late in the evening, UTC.
    async fn new() -> Self {
        let mut inner = stage::Stage::new().await;
        let server = Arc::new(Server::default());
        let transport: Arc<dyn Transport> = Arc::<Server>::clone(&server);
        inner.effects.mail = Mail::new(settings(), transport);
        let stage = Self { inner, server };
        stage.user(USER, "ann@example.org", "America/New_York").await;
        stage
    }

    async fn user(&self, user: i64, address: &str, tz: &str) {
        let sql = [
            format!(
                "INSERT INTO users (user_id, created_at) VALUES ({user}, 1) ON CONFLICT DO NOTHING"
            ),
            format!(
                "INSERT INTO mail_recipients (user_id, address, name, locale, tz) \
                 VALUES ({user}, '{address}', 'Ann', 'en-GB', '{tz}')"
            ),
            format!(
                "INSERT INTO mail_preferences (user_id, list, wanted, decided_at) \
                 VALUES ({user}, 'milestones', 1, 1), ({user}, 'scans', 1, 1)"
            ),
        ];
        for sql in sql {
            self.inner.execute(&sql).await;
        }
    }

    /// The last one is said first.
    fn says(&self, says: impl IntoIterator<Item = Says>) {
        *self.server.says.lock().unwrap() = says.into_iter().collect();
    }

    fn taken(&self) -> Vec<String> {
        self.server.taken.lock().unwrap().clone()
    }

    async fn run(&self, kind: &str, payload: Value) -> Result<Value, JobError> {
        let registry = crate::registry();
        let entry = registry.get(kind).unwrap();
        entry.run(&payload.to_string(), self.inner.context("job", 1)).unwrap().await
    }

    async fn send(&self, template: &str, value: &str) -> Result<Value, JobError> {
        let payload = json!({ "userId": USER, "template": template, "value": value });
        self.run("send-email", payload).await
    }

    /// Where mails stand, and why.
    async fn ledger(&self) -> Vec<String> {
        let sql = "SELECT value || ' ' || state || COALESCE(' ' || status, '') || ' (' || attempts || ')' \
                   || COALESCE(' ' || reason, '') AS row FROM mails ORDER BY reserved_at, value";
        self.inner.rows(sql).await
    }

    fn at(&mut self, time: &str) {
        let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
        self.inner.effects.clock = Clock::Fixed(time.timestamp_millis());
    }
}

fn outcome(result: &Result<Value, JobError>) -> String {
    match result {
        Ok(value) => value["outcome"].as_str().unwrap_or_default().to_owned(),
        Err(error) => match error.decision() {
            Decision::Postpone { after } => format!("in {} min", after.as_secs().div_ceil(60)),
            decision => format!("{decision:?}"),
        },
    }
}
