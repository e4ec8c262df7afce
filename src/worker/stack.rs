//! The stack around every handler, outermost first: trace, lease, settle, schedule, stop, admission,
//! deadline; innermost the handler itself, on threads of its own.
//!
//! No layer decides about retries; each passes an [`Outcome`] outwards.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use roadie_jobs::effects::catalogue::Standing;
use roadie_jobs::{CancelReason, JobContext, JobError, Timeout};
use tokio::time::Instant;
use tracing::Instrument;

use super::around::Inner;
use super::attempt::Attempt;
use super::patience::patiently;
use super::{cancels, lease, panics, trace_context};
use crate::budget::urgency;
use crate::outcome::{self, Outcome};

/// The span that everything said about this attempt belongs to.
pub(crate) async fn trace(attempt: Arc<Attempt>, rest: Inner) -> Outcome {
    let span = tracing::info_span!(
        "job",
        job.id = %attempt.info.id,
        job.kind = %attempt.info.kind,
        job.queue = %attempt.info.queue,
        job.attempt = attempt.info.attempt,
        trace.id = tracing::field::Empty,
        trace.parent = tracing::field::Empty,
    );
    if let Some(context) = attempt.info.trace.as_deref().and_then(trace_context::parse) {
        span.record("trace.id", context.trace).record("trace.parent", context.span);
    }
    rest.instrument(span).await
}

/// The lease is renewed until the job is settled.
pub(crate) async fn hold_lease(attempt: Arc<Attempt>, mut rest: Inner) -> Outcome {
    let keeper = lease::keep(
        &attempt.reserved,
        &attempt.port,
        &attempt.cancel,
        attempt.engine.config.worker.lease,
    );
    // In this very task: most jobs end before it has anything to do.
    tokio::select! {
        biased;
        outcome = &mut rest => return outcome,
        () = keeper => {}
    }
    rest.await
}

/// The outcome becomes a transition.
pub(crate) async fn settle(attempt: Arc<Attempt>, rest: Inner) -> Outcome {
    let _running = attempt.metrics.as_ref().map(|metrics| metrics.started());
    let _sign = attempt.engine.moving.running(attempt.reserved.queue(), attempt.is_canary());
    let outcome = rest.await;
    attempt.port.finish().await;
    outcome::settle(&attempt, outcome).await;
    // Further out nobody asks for more than that it is done.
    Outcome::Completed(serde_json::Value::Null)
}

/// A firing of a schedule adds the next one before it does anything else, so that the schedule goes on
/// whatever becomes of this one.
pub(crate) async fn schedule(attempt: Arc<Attempt>, rest: Inner) -> Outcome {
    if attempt.reserved.is_firing() {
        let stopped = || attempt.cancel.reason().is_some();
        // By the clock that all workers share: one that is ahead would skip firings.
        let plan = async || {
            let now = attempt.reserved.queues().time_ms().await?;
            attempt.reserved.schedule_next(u64::try_from(now).unwrap_or(0)).await
        };
        let added = patiently(stopped, plan).await;
        if let Err(error) = added {
            tracing::warn!(%error, "next firing not added; whoever runs this job next will");
        }
    }
    rest.await
}

/// A job that was asked to stop may reach a safe point, then it is cut off.
pub(crate) async fn stop(attempt: Arc<Attempt>, mut rest: Inner) -> Outcome {
    let engine = Arc::clone(&attempt.engine);
    let _in_hand = engine.stops.register(&attempt.info, attempt.cancel.clone());
    if engine.stops.is_unwanted(&attempt.info) {
        cancels::heed(&attempt).await;
    }
    tokio::select! {
        outcome = &mut rest => outcome,
        () = attempt.cancel.cancelled() => {
            let asked = attempt.cancel.reason().unwrap_or(CancelReason::Cancelled);
            let worker = &engine.config.worker;
            let limit = match asked {
                CancelReason::Cancelled => worker.cancel_within.min(worker.stop_within),
                CancelReason::Shutdown | CancelReason::LeaseLost => worker.stop_within,
            };
            tokio::time::timeout(limit, rest).await.unwrap_or(Outcome::CutOff(asked))
        }
    }
}

/// Waits for a slot of the handler's class. A job that was asked to stop meanwhile does not begin.
pub(crate) async fn admit(attempt: Arc<Attempt>, rest: Inner) -> Outcome {
    if attempt.is_canary() {
        // It needs none: one that waited for a slot would tell of full slots, not of a queue.
        return rest.await;
    }
    let _slot = tokio::select! {
        biased;
        () = attempt.cancel.cancelled() => {
            return Outcome::CutOff(attempt.cancel.reason().unwrap_or(CancelReason::Cancelled));
        }
        slot = attempt.engine.slots.take(attempt.class()) => slot,
    };
    if let Some(metrics) = &attempt.metrics
        // BullMQ keeps only when it was added and its last delay, which tells nothing of a retry.
        && attempt.info.attempt == 1
    {
        let now = u64::try_from(attempt.engine.effects.clock.now_ms()).unwrap_or(0);
        metrics.waited(Duration::from_millis(now.saturating_sub(attempt.reserved.due_at())));
    }
    rest.await
}

/// An attempt that takes too long is cut off.
pub(crate) async fn deadline(attempt: Arc<Attempt>, rest: Inner) -> Outcome {
    let started = Instant::now();
    let outcome = match attempt.timeout() {
        Timeout::Total(limit) => tokio::time::timeout(limit, rest)
            .await
            .unwrap_or_else(|_| Outcome::TimedOut(format!("no result within {}", shown(limit)))),
        Timeout::Silence(limit) => tokio::select! {
            outcome = rest => outcome,
            () = silence(&attempt, limit) => {
                Outcome::TimedOut(format!("no sign of life for {}", shown(limit)))
            }
        },
    };
    if let Some(metrics) = &attempt.metrics {
        metrics.ran(started.elapsed());
    }
    outcome
}

async fn silence(attempt: &Attempt, limit: Duration) {
    attempt.port.pulse.beat();
    loop {
        let end = attempt.port.pulse.last() + limit;
        if Instant::now() >= end {
            return;
        }
        tokio::time::sleep_until(end).await;
    }
}

fn shown(limit: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(limit)
}

/// The handler, on the handlers' threads: one that never yields takes a thread with it, but
/// neither its slot nor anybody's lease.
pub(crate) async fn handle(attempt: Arc<Attempt>) -> Result<Outcome, Infallible> {
    if attempt.is_canary() {
        return Ok(Outcome::Completed(serde_json::Value::Null));
    }
    if let Some(reason) = attempt.reserved.deferred_failure() {
        return Ok(Outcome::Deferred(reason.to_owned()));
    }
    let Some(entry) = &attempt.entry else {
        let known: Vec<&str> = attempt.engine.registry.entries().map(|e| e.kind).collect();
        return Ok(Outcome::Undecodable(format!(
            "no handler for kind `{}`; this worker knows {}",
            attempt.info.kind,
            known.join(", ")
        )));
    };
    let cx = JobContext::new(
        Arc::clone(&attempt.info),
        attempt.engine.effects.clone(),
        attempt.cancel.clone(),
        Arc::clone(&attempt.port) as Arc<dyn roadie_jobs::JobPort>,
    );
    if attempt.user().await != Standing::Here {
        let erased = JobError::erased();
        return Ok(Outcome::Failed { decision: erased.decision(), chain: erased.chain() });
    }
    let running = match entry.run(attempt.reserved.payload(), cx) {
        Ok(running) => running,
        Err(undecodable) => return Ok(Outcome::Undecodable(undecodable.to_string())),
    };
    // Jobs that were reserved together are handed over together: one by one, each would wake a thread.
    tokio::task::yield_now().await;
    let running = urgency::of_priority(attempt.reserved.priority_asked(), panics::caught(running));
    let task = attempt.engine.handlers.spawn(running.in_current_span());
    Ok(match attempt.engine.stuck.watch(task).await {
        Ok(Ok(Ok(value))) => Outcome::Completed(value),
        Ok(Ok(Err(error))) => Outcome::Failed { decision: error.decision(), chain: error.chain() },
        Ok(Err(panic)) => Outcome::Panicked(panic),
        Err(error) => Outcome::Panicked(error.to_string()),
    })
}
