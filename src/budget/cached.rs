//! Answers that are kept for all processes, and one asker at a time for one question.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use redis::Script;
use roadie_jobs::effects::Clock;
use roadie_jobs::effects::web::{Answer, Ask, Fetch, Judge, Reply, Unanswered};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::budgeted::unknown;
use super::name;
use super::permit::{LEASE, PATIENCE};
use crate::config;
use crate::observe::metrics::{self, Recalled};
use crate::queue::{QueueError, Queues, millis};

static RECALL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/recall.lua")));
static KEEP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/keep.lua")));

/// How often it is looked whether somebody else has the answer by now.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Whoever asks first waits for a permit, then for the reply.
const ASKS_FOR: Duration = LEASE.saturating_add(PATIENCE);
/// Larger ones are none of ours.
const LARGEST: u64 = 64 << 20;

/// Asks what is not known yet.
#[derive(Debug)]
pub struct Cached {
    inner: Arc<dyn Fetch>,
    queues: Queues,
    settings: config::Cache,
    clock: Clock,
}

impl Cached {
    /// Asks through `inner`.
    pub fn new(
        inner: Arc<dyn Fetch>,
        queues: Queues,
        settings: config::Cache,
        clock: Clock,
    ) -> Self {
        Self { inner, queues, settings, clock }
    }

    fn key(&self, question: &str) -> String {
        self.queues.own_key(&format!("answers:{question}"))
    }

    async fn recall(&self, asking: &Asking, fresh: bool) -> Result<Found, QueueError> {
        let (found, value): (String, Vec<u8>) = RECALL
            .key(self.key(&asking.question))
            .key(self.queues.claim_key(&asking.claim()))
            .arg(&asking.asker)
            .arg(millis(ASKS_FOR))
            .arg(u8::from(fresh))
            .invoke_async(&mut self.queues.redis())
            .await
            .map_err(QueueError::of("look for a kept answer"))?;
        let number = || std::str::from_utf8(&value).ok()?.parse().ok().map(Duration::from_millis);
        Ok(match found.as_str() {
            "kept" => unpack(&value).map_or(Found::Unreadable, Found::Kept),
            "asked" => Found::Asked(ASKS_FOR.saturating_sub(number().unwrap_or_default())),
            _ => Found::Nothing,
        })
    }

    /// Best effort: who has the answer need not keep it.
    async fn keep(&self, question: &str, reply: &Reply, answer: Answer) {
        let value = pack(reply);
        if value.len() as u64 > self.settings.max_entry {
            return;
        }
        let kept = KEEP
            .key(self.key(question))
            .key(self.queues.own_key("answers"))
            .arg(question)
            .arg(value)
            .arg(millis(lifetime(&self.settings, answer, today(self.clock))))
            .arg(self.settings.max_bytes)
            .invoke_async::<u8>(&mut self.queues.redis())
            .await;
        if let Err(error) = kept {
            tracing::debug!(%error, "answer not kept");
        }
    }

    /// An answer that is known, or the right to ask for it.
    async fn find(&self, ask: &Ask, judge: Judge<'_>) -> Result<Option<Asking>, Unanswered> {
        let asking = Asking::new(&self.queues, name(ask));
        let deadline = Instant::now() + PATIENCE;
        let (mut fresh, mut waited) = (ask.fresh, false);
        loop {
            let found = self.recall(&asking, fresh).await;
            match found.map_err(|error| unknown(ask.service, &error))? {
                Found::Kept(reply) if judge(&reply).is_ok() => {
                    let recalled = if waited { Recalled::Shared } else { Recalled::Hit };
                    metrics::recalled(ask.service, recalled);
                    return Ok(None);
                }
                // Of another version, which read it in another way.
                Found::Kept(_) | Found::Unreadable => fresh = true,
                Found::Nothing => {
                    metrics::recalled(ask.service, Recalled::Miss);
                    return Ok(Some(asking.begun()));
                }
                Found::Asked(since) if Instant::now() >= deadline => {
                    let why = "the same question is being asked".to_owned();
                    // As long again as it has taken so far.
                    let after = since.clamp(Duration::from_secs(1), LEASE);
                    return Err(Unanswered::Resting { service: ask.service, why, after });
                }
                Found::Asked(_) => {
                    // What is kept by then is fresh.
                    (fresh, waited) = (false, true);
                    sleep(LOOK_EVERY).await;
                }
            }
        }
    }
}

#[async_trait]
impl Fetch for Cached {
    async fn fetch(&self, ask: &Ask, judge: Judge<'_>) -> Result<(), Unanswered> {
        let Some(asking) = self.find(ask, judge).await? else { return Ok(()) };
        let mut answered = None;
        let mut keeping = |reply: &Reply| {
            let answer = judge(reply)?;
            answered = Some((reply.clone(), answer));
            Ok(answer)
        };
        let result = self.inner.fetch(ask, &mut keeping).await;
        let kept = answered.filter(|(_, answer)| result.is_ok() && *answer != Answer::Private);
        if let Some((reply, answer)) = kept {
            self.keep(&asking.question, &reply, answer).await;
        }
        asking.end().await;
        result
    }
}

/// What is known of a question.
enum Found {
    Kept(Reply),
    Unreadable,
    /// Somebody has been asking it for so long.
    Asked(Duration),
    /// It is the caller's to ask now.
    Nothing,
}

/// The right to ask a question, which nobody else has meanwhile.
struct Asking {
    queues: Queues,
    question: String,
    asker: String,
    held: bool,
}

impl Asking {
    fn new(queues: &Queues, question: String) -> Self {
        let asker = uuid::Uuid::new_v4().simple().to_string();
        Self { queues: queues.clone(), question, asker, held: false }
    }

    fn begun(mut self) -> Self {
        self.held = true;
        self
    }

    fn claim(&self) -> String {
        format!("ask:{}", self.question)
    }

    async fn end(mut self) {
        self.held = false;
        let_go(&self.queues, &self.claim(), &self.asker).await;
    }
}

/// Cut off: the next one may ask at once.
impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(runtime) = self.held.then(Handle::try_current).and_then(Result::ok) {
            let (queues, claim) = (self.queues.clone(), self.claim());
            let asker = std::mem::take(&mut self.asker);
            runtime.spawn(async move { let_go(&queues, &claim, &asker).await });
        }
    }
}

async fn let_go(queues: &Queues, claim: &str, asker: &str) {
    if let Err(error) = queues.unclaim(claim, asker).await {
        tracing::debug!(%error, "question not given back; its lease runs out by itself");
    }
}

fn today(clock: Clock) -> NaiveDate {
    DateTime::from_timestamp_millis(clock.now_ms()).unwrap_or_default().date_naive()
}

/// How long an answer is kept. Records of a show come and change in the days after it.
fn lifetime(settings: &config::Cache, answer: Answer, today: NaiveDate) -> Duration {
    let Answer::Shows { date, found } = answer else { return settings.map };
    // One in the future is recent.
    let age = (today - date).max(TimeDelta::zero()).to_std().unwrap_or_default();
    match found {
        true if age <= settings.recent => settings.recent_shows,
        true => settings.shows,
        false => (age / 10).min(settings.no_shows).max(settings.recent_no_shows),
    }
}

/// The status, and the body deflated: a page of setlists is a tenth then.
fn pack(reply: &Reply) -> Vec<u8> {
    let mut encoder =
        DeflateEncoder::new(reply.status.to_be_bytes().to_vec(), Compression::default());
    // Into memory, which does not fail.
    let _ = encoder.write_all(&reply.body);
    encoder.finish().unwrap_or_default()
}

fn unpack(value: &[u8]) -> Option<Reply> {
    let (status, packed) = value.split_first_chunk()?;
    let mut body = Vec::new();
    DeflateDecoder::new(packed).take(LARGEST).read_to_end(&mut body).ok()?;
    Some(Reply { status: u16::from_be_bytes(*status), retry_after: None, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn what_is_kept_is_what_was_answered() {
        let reply = Reply { status: 404, retry_after: None, body: b"{\"code\":404}".repeat(99) };
        let packed = pack(&reply);
        assert!(packed.len() * 10 < reply.body.len(), "{}", packed.len());
        assert_eq!(unpack(&packed), Some(reply));
        for broken in [&[][..], &[1], &[0, 200, 7, 7, 7]] {
            assert_eq!(unpack(broken), None);
        }
    }

    #[test]
    fn answers_are_kept_for_as_long_as_they_stay_true() {
        let settings = Sources::default().load().unwrap().cache;
        let today = "2026-06-30".parse().unwrap();
        let hours = |hours| Duration::from_hours(hours);
        assert_eq!(lifetime(&settings, Answer::Map, today), hours(30 * 24));
        for (date, found, kept) in [
            ("2026-07-01", true, hours(24)),
            ("2026-06-30", true, hours(24)),
            ("2026-05-31", true, hours(24)),
            ("2026-05-30", true, hours(7 * 24)),
            ("1999-12-31", true, hours(7 * 24)),
            ("2027-01-01", false, hours(6)),
            ("2026-06-30", false, hours(6)),
            ("2026-06-20", false, hours(24)),
            ("2026-05-31", false, hours(3 * 24)),
            ("2025-06-30", false, hours(30 * 24)),
        ] {
            let answer = Answer::Shows { date: date.parse().unwrap(), found };
            assert_eq!(lifetime(&settings, answer, today), kept, "{date} {found}");
        }
    }
}
