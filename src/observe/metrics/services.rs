//! What is recorded of services of others: their budgets, requests and kept answers.

use std::time::Duration;

use metrics::{Counter, counter, gauge, histogram};
use roadie_jobs::effects::Target;
use tokio::time::timeout;

use super::{
    BREAKER, BUDGET_LEFT, BUDGET_TOKENS, BUDGET_WAIT, BUDGET_WAITING, CACHE, READ_WITHIN, REQUEST,
    float,
};
use crate::budget::operate::{Breaker, Standing};
use crate::queue::QueueError;
use crate::worker::Engine;

/// The `result` label of requests to services.
const REQUEST_RESULTS: [&str; 6] =
    ["answered", "limited", "refused", "rejected", "garbled", "failed"];
/// Services whose answers are kept.
const CACHES: [Target; 3] = [Target::SetlistFm, Target::Nominatim, Target::Overpass];
/// Registers all of them at zero.
pub(super) fn register() {
    for target in Target::ALL {
        let _ = histogram!(BUDGET_WAIT, "target" => target.label());
        for result in REQUEST_RESULTS {
            let _ = histogram!(REQUEST, "target" => target.label(), "result" => result);
        }
    }
    for (target, recalled) in CACHES.into_iter().flat_map(|t| Recalled::ALL.map(|r| (t, r))) {
        cache(target, recalled).absolute(0);
    }
}

/// What became of the look for a kept answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recalled {
    /// It was there.
    Hit,
    /// Somebody was asking, and has it now.
    Shared,
    /// There was none.
    Miss,
}

impl Recalled {
    const ALL: [Self; 3] = [Self::Hit, Self::Shared, Self::Miss];
}

fn cache(target: Target, recalled: Recalled) -> Counter {
    let result = match recalled {
        Recalled::Hit => "hit",
        Recalled::Shared => "shared",
        Recalled::Miss => "miss",
    };
    counter!(CACHE, "cache" => target.label(), "result" => result)
}

/// A kept answer was looked for.
pub(crate) fn recalled(target: Target, recalled: Recalled) {
    cache(target, recalled).increment(1);
}

/// A question was allowed, so long after it had been asked for first.
pub(crate) fn budget_waited(target: Target, time: Duration) {
    histogram!(BUDGET_WAIT, "target" => target.label()).record(time.as_secs_f64());
}

/// A service was asked; `result` is one of [`REQUEST_RESULTS`].
pub(crate) fn external_request(target: Target, result: &'static str, time: Duration) {
    histogram!(REQUEST, "target" => target.label(), "result" => result).record(time.as_secs_f64());
}

/// Reads what is read at scrape. What does not answer in time becomes a gap.
pub(super) async fn refresh(engine: &Engine) {
    if !matches!(timeout(READ_WITHIN, read(engine)).await, Ok(Ok(()))) {
        for target in Target::ALL {
            set_budget(target, None);
        }
    }
}

async fn read(engine: &Engine) -> Result<(), QueueError> {
    for target in Target::ALL {
        set_budget(target, Some(&engine.budgets.standing(target).await?));
    }
    Ok(())
}

fn set_budget(target: Target, standing: Option<&Standing>) {
    let read = |value: &dyn Fn(&Standing) -> f64| standing.map_or(f64::NAN, value);
    let label = || target.label();
    gauge!(BUDGET_TOKENS, "target" => label()).set(read(&|standing| float(standing.tokens)));
    let left = read(&|standing| standing.left().map_or(f64::INFINITY, float));
    gauge!(BUDGET_LEFT, "target" => label()).set(left);
    gauge!(BUDGET_WAITING, "target" => label()).set(read(&|standing| float(standing.waiting)));
    let breaker = read(&|standing| match standing.breaker {
        _ if standing.held.is_some() => 2.0,
        Breaker::Closed => 0.0,
        Breaker::HalfOpen => 1.0,
        Breaker::Open => 2.0,
    });
    gauge!(BREAKER, "target" => label()).set(breaker);
}
