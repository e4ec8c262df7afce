//! What operators see of budgets, and change.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use roadie_jobs::effects::Target;
use serde::{Deserialize, Serialize};

use super::Budgets;
use super::permit::LOOK;
use super::refusal::Why;
use crate::config::Budget;
use crate::queue::pause::rfc3339;
use crate::queue::{QueueError, millis};

/// How a budget stands. As JSON, times are RFC 3339.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all(serialize = "camelCase"))]
pub struct Standing {
    /// Questions a second; 0: no limit.
    pub rate: f64,
    /// How many of them at once, after a pause.
    pub burst: u32,
    /// Questions under way at most; 0: no limit.
    pub concurrent: u32,
    /// Questions in 24 hours at most; 0: no limit.
    pub per_day: u64,
    /// How many of those are only for jobs that somebody waits for.
    pub reserve: u64,
    /// What of these an operator has set.
    pub own: Option<serde_json::Value>,
    /// Questions that could be asked at this moment.
    pub tokens: u64,
    /// Questions of the last 24 hours.
    pub used: u64,
    /// Questions under way.
    pub under_way: u64,
    /// Questions that wait.
    pub waiting: u64,
    /// The breaker.
    pub breaker: Breaker,
    /// Failures in a row.
    pub failures: u64,
    /// Why the breaker is not closed.
    pub why: Option<Why>,
    /// Until when nothing is asked, in Unix milliseconds.
    #[serde(serialize_with = "rfc3339")]
    pub until: Option<i64>,
    /// Why an operator has paused it.
    pub held: Option<String>,
    /// Who.
    pub held_by: Option<String>,
    /// Until when, in Unix milliseconds; none: until somebody resumes it.
    #[serde(serialize_with = "rfc3339")]
    pub held_until: Option<i64>,
    /// The last change by an operator.
    pub changed: Option<String>,
}

/// Whether a target is asked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breaker {
    /// It is.
    Closed,
    /// A single question finds out whether it answers again.
    HalfOpen,
    /// It is left alone.
    Open,
}

impl Standing {
    /// The day's questions that are left; none: there is no limit.
    pub fn left(&self) -> Option<u64> {
        (self.per_day > 0).then(|| self.per_day.saturating_sub(self.used))
    }

    /// Its limits.
    pub fn limits(&self) -> Budget {
        let Self { rate, burst, concurrent, per_day, reserve, .. } = *self;
        Budget { rate, burst, concurrent, per_day, reserve }
    }
}

/// What an operator sets; the rest stays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// Questions a second.
    pub rate: Option<f64>,
    /// How many of them at once.
    pub burst: Option<u32>,
    /// Questions under way.
    pub concurrent: Option<u32>,
    /// Questions in 24 hours.
    pub per_day: Option<u64>,
    /// How many of those are only for jobs that somebody waits for.
    pub reserve: Option<u64>,
}

impl Change {
    /// What the limits would be.
    pub fn of(&self, now: Budget) -> Budget {
        Budget {
            rate: self.rate.unwrap_or(now.rate),
            burst: self.burst.unwrap_or(now.burst),
            concurrent: self.concurrent.unwrap_or(now.concurrent),
            per_day: self.per_day.unwrap_or(now.per_day),
            reserve: self.reserve.unwrap_or(now.reserve),
        }
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("rate", self.rate.map(|value| value.to_string())),
            ("burst", self.burst.map(|value| value.to_string())),
            ("concurrent", self.concurrent.map(|value| value.to_string())),
            ("per_day", self.per_day.map(|value| value.to_string())),
            ("reserve", self.reserve.map(|value| value.to_string())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

const CHANGING: &str = "change a budget";
const HOLD: [&str; 3] = ["held", "held_by", "held_until"];
const BREAKER: [&str; 7] = ["until", "opened", "why", "row", "failures", "probe", "probe_until"];

impl Budgets {
    /// How a budget stands now.
    ///
    /// # Errors
    /// Redis does not say.
    pub async fn standing(&self, target: Target) -> Result<Standing, QueueError> {
        let step = "look at a budget";
        let text: String = LOOK
            .key(self.key(target))
            .arg(self.limits(target))
            .arg(self.now())
            .invoke_async(&mut self.queues.redis())
            .await
            .map_err(QueueError::of(step))?;
        serde_json::from_str(&text)
            .map_err(|error| QueueError::Script { step, message: error.to_string() })
    }

    /// Sets limits for the whole fleet, instead of those that are configured.
    ///
    /// # Errors
    /// Redis did not take them.
    pub async fn set(&self, target: Target, change: &Change, by: &str) -> Result<(), QueueError> {
        let fields = change.fields();
        let mut what = String::new();
        for (name, value) in &fields {
            let _ = write!(what, " {name}={value}");
        }
        let set = fields.into_iter().map(|(name, value)| (format!("set:{name}"), value));
        self.write(target, set.collect(), &[], by, what.trim()).await
    }

    /// Back to the limits that are configured.
    ///
    /// # Errors
    /// Redis did not take it.
    pub async fn reset(&self, target: Target, by: &str) -> Result<(), QueueError> {
        let own = ["rate", "burst", "concurrent", "per_day", "reserve"];
        let own = own.map(|name| format!("set:{name}"));
        self.write(target, Vec::new(), &own, by, "reset").await
    }

    /// Asks nothing for so long, or until somebody resumes it.
    ///
    /// # Errors
    /// Redis did not take it.
    pub async fn pause(
        &self,
        target: Target,
        by: &str,
        reason: &str,
        length: Option<Duration>,
    ) -> Result<(), QueueError> {
        let now = u64::try_from(self.queues.time_ms().await?).unwrap_or(0);
        let until = length.map_or(0, |length| now.saturating_add(millis(length)));
        let values = [reason.to_owned(), by.to_owned(), until.to_string()];
        let set = HOLD.into_iter().map(str::to_owned).zip(values).collect();
        self.write(target, set, &[], by, &format!("pause: {reason}")).await
    }

    /// Asks again: ends the pause of an operator, and what was learned from failures.
    ///
    /// # Errors
    /// Redis did not take it.
    pub async fn resume(&self, target: Target, by: &str) -> Result<(), QueueError> {
        let fields: Vec<String> = HOLD.iter().chain(&BREAKER).map(ToString::to_string).collect();
        self.write(target, Vec::new(), &fields, by, "resume").await
    }

    async fn write(
        &self,
        target: Target,
        set: Vec<(String, String)>,
        clear: &[String],
        by: &str,
        what: &str,
    ) -> Result<(), QueueError> {
        let now = self.queues.time_ms().await?;
        let time = DateTime::from_timestamp_millis(now).unwrap_or_default();
        let time = time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let key = self.key(target);
        let mut pipe = redis::pipe();
        pipe.atomic().hset(&key, "changed", format!("{time} {by}: {what}"));
        for (field, value) in set {
            pipe.hset(&key, field, value);
        }
        if !clear.is_empty() {
            pipe.hdel(&key, clear);
        }
        pipe.exec_async(&mut self.queues.redis()).await.map_err(QueueError::of(CHANGING))
    }
}
