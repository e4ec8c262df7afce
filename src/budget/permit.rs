//! Permits: one for each question that is asked.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use redis::Script;
use roadie_jobs::effects::Target;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::refusal::{Refusal, Why};
use super::urgency;
use crate::config;
use crate::observe::metrics;
use crate::queue::{QueueError, Queues, millis};

macro_rules! script {
    ($name:ident, $file:literal) => {
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!(include_str!("scripts/common.lua"), include_str!($file)))
        });
    };
}

script!(PERMIT, "scripts/permit.lua");
script!(REPORT, "scripts/report.lua");
script!(LOOK, "scripts/look.lua");

/// Longer than any question may take: a permit that is older was lost with its process.
pub(super) const LEASE: Duration = Duration::from_secs(45);
/// A wait that is shorter than it would cost to postpone the job.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The budgets of all targets. Cheap to clone.
#[derive(Clone)]
pub struct Budgets {
    pub(super) queues: Queues,
    /// What is configured, as scripts read it, in the order of [`Target::ALL`].
    limits: Arc<[String; Target::ALL.len()]>,
    /// What each budget looked like last, in the order of [`Target::ALL`].
    seen: Arc<[Mutex<Seen>; Target::ALL.len()]>,
    clock: Option<Arc<AtomicU64>>,
}

/// What a process remembers of a budget, so that it can be mended if Redis has lost it.
#[derive(Clone, Default)]
struct Seen {
    since: String,
    used: u64,
    changed: String,
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budgets").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The target answered, after so long.
    Answered(Duration),
    /// It asked for patience, perhaps for so long.
    Limited(Option<Duration>),
    /// It answers no more questions today.
    Exhausted,
    /// It does not want to hear from us.
    Refused,
    /// It failed.
    Failing,
    /// Nobody waited for its answer.
    Abandoned,
}

impl Report {
    fn word(self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Limited(_) => "limited",
            Self::Exhausted => "exhausted",
            Self::Refused => "refused",
            Self::Failing => "failing",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Budgets {
    /// As configured, where operators have not set something else.
    pub fn new(queues: Queues, configured: &config::Budgets) -> Self {
        let limits = Arc::new(Target::ALL.map(|target| as_json(configured, target)));
        Self { queues, limits, seen: Arc::default(), clock: None }
    }

    /// The same by another clock than that of Redis: Unix milliseconds.
    #[must_use]
    pub fn at(self, clock: Arc<AtomicU64>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// A permit to ask a question now; one whose turn comes soon is waited for.
    ///
    /// # Errors
    /// It has to wait for longer, or Redis does not say.
    pub async fn permit(
        &self,
        target: Target,
        question: &str,
    ) -> Result<Result<Permit, Refusal>, QueueError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.ask(target, question, urgency::somebody_waits()).await? {
                Ok(permit) => {
                    metrics::budget_waited(target, permit.waited);
                    return Ok(Ok(permit));
                }
                Err(refusal) if Instant::now() + refusal.after > deadline => {
                    return Ok(Err(refusal));
                }
                Err(refusal) => sleep(refusal.after).await,
            }
        }
    }

    /// Asks once whether a question may be asked; one that may not stands in line from now on. `urgent`:
    /// somebody waits for the answer.
    ///
    /// # Errors
    /// Redis does not say.
    pub async fn ask(
        &self,
        target: Target,
        question: &str,
        urgent: bool,
    ) -> Result<Result<Permit, Refusal>, QueueError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let seen = self.seen(target).clone();
        let answer: Vec<String> = PERMIT
            .key(self.key(target))
            .arg(self.limits(target))
            .arg(self.now())
            .arg(question)
            .arg(&id)
            .arg(u8::from(urgent))
            .arg(millis(LEASE))
            .arg(seen.since)
            .arg(seen.used)
            .invoke_async(&mut self.queues.redis())
            .await
            .map_err(QueueError::of("ask for a permit"))?;
        let parts: Vec<&str> = answer.iter().map(String::as_str).collect();
        let decision = match parts[..] {
            [.., "yes", at, place, waited] => Some(Ok(Permit {
                granted: Granted {
                    budgets: self.clone(),
                    target,
                    question: question.to_owned(),
                    id,
                    at: at.to_owned(),
                    place: place.to_owned(),
                },
                waited: Duration::from_millis(waited.parse().unwrap_or(0)),
                reported: false,
            })),
            [.., "no", after, why] => after
                .parse()
                .ok()
                .zip(Why::read(why))
                .map(|(ms, why)| Err(Refusal { after: Duration::from_millis(ms), why })),
            _ => None,
        };
        if let [since, used, changed, ..] = parts[..] {
            self.remember(target, since, used, changed);
        }
        decision.ok_or_else(|| QueueError::Script {
            step: "ask for a permit",
            message: "its answer is not understood".to_owned(),
        })
    }

    fn remember(&self, target: Target, since: &str, used: &str, changed: &str) {
        let mut seen = self.seen(target);
        if seen.changed != changed && !changed.is_empty() {
            tracing::info!(%target, change = changed, "a budget is as an operator has set it");
        }
        since.clone_into(&mut seen.since);
        changed.clone_into(&mut seen.changed);
        // Lua writes it as it counts.
        seen.used = used.split('.').next().and_then(|used| used.parse().ok()).unwrap_or(seen.used);
    }

    fn seen(&self, target: Target) -> std::sync::MutexGuard<'_, Seen> {
        self.seen[target as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn key(&self, target: Target) -> String {
        self.queues.own_key(&format!("budget:{}", target.label()))
    }

    /// What is configured for a target, as scripts read it.
    pub(super) fn limits(&self, target: Target) -> &str {
        &self.limits[target as usize]
    }

    /// For scripts: empty for Redis' own time.
    pub(super) fn now(&self) -> String {
        let held = self.clock.as_ref();
        held.map_or_else(String::new, |clock| clock.load(Ordering::Relaxed).to_string())
    }
}

fn as_json(configured: &config::Budgets, target: Target) -> String {
    let config::Budget { rate, burst, concurrent, per_day, reserve } = configured.of(target);
    let trip_after = configured.trip_after;
    serde_json::json!({ "rate": rate, "burst": burst, "concurrent": concurrent,
        "per_day": per_day, "reserve": reserve, "trip_after": trip_after })
    .to_string()
}

/// The right to ask a target one question. What becomes of it has to be told.
#[derive(Debug)]
pub struct Permit {
    granted: Granted,
    waited: Duration,
    reported: bool,
}

/// What was allowed.
#[derive(Clone, Debug)]
struct Granted {
    budgets: Budgets,
    target: Target,
    question: String,
    id: String,
    /// When, by Redis' clock.
    at: String,
    /// In the line.
    place: String,
}

impl Permit {
    /// Tells what became of the question. Answers when it may be asked again, if the target is left
    /// alone now.
    ///
    /// # Errors
    /// Redis did not hear it: the permit counts as under way until its lease runs out.
    pub async fn report(mut self, report: Report) -> Result<Option<Refusal>, QueueError> {
        self.reported = true;
        self.granted.tell(report).await
    }
}

/// A question that nobody waits for any more may arrive all the same.
impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(runtime) = (!self.reported).then(Handle::try_current).and_then(Result::ok) {
            let granted = self.granted.clone();
            runtime.spawn(async move {
                if let Err(error) = granted.tell(Report::Abandoned).await {
                    tracing::debug!(%error, "permit not given back; its lease runs out by itself");
                }
            });
        }
    }
}

impl Granted {
    async fn tell(&self, report: Report) -> Result<Option<Refusal>, QueueError> {
        let after = match report {
            Report::Limited(Some(after)) => millis(after).to_string(),
            _ => String::new(),
        };
        let took = if let Report::Answered(took) = report { millis(took) } else { 0 };
        let (state, news, after, why): (String, u8, u64, String) = REPORT
            .key(self.budgets.key(self.target))
            .arg(self.budgets.limits(self.target))
            .arg(self.budgets.now())
            .arg(&self.question)
            .arg(&self.id)
            .arg(report.word())
            .arg(after)
            .arg(&self.at)
            .arg(&self.place)
            .arg(took)
            .invoke_async(&mut self.budgets.queues.redis())
            .await
            .map_err(QueueError::of("tell what became of a question"))?;
        let refusal = Why::read(&why).filter(|_| state == "open");
        let refusal = refusal.map(|why| Refusal { after: Duration::from_millis(after), why });
        match refusal {
            Some(Refusal { after, why }) if news == 1 => {
                let after_s = after.as_secs();
                tracing::warn!(target_name = %self.target, %why, after_s, "a service is left alone");
            }
            None if news == 1 => {
                tracing::info!(target_name = %self.target, "a service answers again");
            }
            _ => {}
        }
        Ok(refusal)
    }
}
