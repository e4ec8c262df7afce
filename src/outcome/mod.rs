//! 3 · Result → completed | retried | postponed | released | dead.
//!
//! - [`mod@decide`]: outcome → transition, pure;
//! - [`backoff`]: how long a failed job rests, pure;
//! - [`dead_letter`]: what is kept of a job that died;
//! - [`mod@cancel`]: ends a job because somebody wants it to end;
//! - here: the one place that carries a decision out, counts it and logs it.

pub mod backoff;
pub mod cancel;
mod dead_letter;
mod decide;

use std::sync::Arc;

use roadie_jobs::Decision;
use roadie_jobs::effects::catalogue::{DeadReason, FailedAttempt, Standing};

use crate::observe::logs;
use crate::queue::QueueError;
use crate::queue::cancel::Wish;
use crate::queue::transition::{Settled, Transition};
use crate::worker::attempt::Attempt;
use crate::worker::patience::patiently;
pub use dead_letter::fingerprint;
pub use decide::{Decided, Facts, Label, Outcome, decide};

/// Carries out what becomes of an attempt. Returns when the queue has taken it, or when the lease
/// is lost and the job is somebody else's.
pub(crate) async fn settle(attempt: &Arc<Attempt>, outcome: Outcome) {
    let mut decided = judge(attempt, outcome).await;
    let mut settled = carry_out(attempt, &decided).await;
    if let Some(unfinished) = unfinished(settled) {
        decided = judge(attempt, unfinished).await;
        settled = carry_out(attempt, &decided).await;
    }
    if decided.dead == Some(DeadReason::Cancelled) {
        // Looking at the wish forgets it, now that the job has ended; or somebody else will look.
        let _ = wished(attempt).await;
    }
    let label = if settled == Settled::Done { decided.label } else { Label::Lost };
    if settled == Settled::Done {
        attempt.engine.moving.prove(attempt.reserved.queue(), attempt.port.pulse.age());
    }
    // A canary has none, and nothing to say.
    if let Some(metrics) = &attempt.metrics {
        metrics.finished(label);
        log(&decided, label);
    }
}

async fn judge(attempt: &Attempt, outcome: Outcome) -> Decided {
    let cancelled = match outcome {
        // Too late for anybody's wish.
        Outcome::Completed(_) => None,
        _ => insist(attempt, || wished(attempt)).await.flatten().map(|wish| wish.chain()),
    };
    let facts = Facts {
        attempts_made: attempt.reserved.attempts_made(),
        producer: attempt.reserved.retry_options(),
        attempts: attempt.info.max_attempts,
        backoff: attempt.backoff(),
        random: fastrand::f64(),
        cancelled,
        user: match outcome {
            Outcome::Completed(_) => Standing::Here,
            _ => attempt.user().await,
        },
    };
    decide(outcome, attempt.cancel.reason(), &facts)
}

/// Somebody's wish that the job ends.
async fn wished(attempt: &Attempt) -> Result<Option<Wish>, QueueError> {
    let job = &attempt.reserved;
    Ok(job.queues().wished(job.queue(), job.id()).await?.1)
}

/// A job whose children are not all done cannot complete, whatever its handler answered.
fn unfinished(settled: Settled) -> Option<Outcome> {
    let (decision, what) = match settled {
        Settled::ChildrenPending => {
            (Decision::Retry { after: None }, "the handler ended before the job's children did")
        }
        Settled::ChildrenFailed => {
            (Decision::Discard, "cannot complete: a child that the job depends on failed")
        }
        Settled::Done | Settled::LeaseLost => return None,
    };
    Some(Outcome::Failed { decision, chain: vec![what.to_owned()] })
}

async fn carry_out(attempt: &Arc<Attempt>, decided: &Decided) -> Settled {
    let transition = &decided.transition;
    if matches!(transition, Transition::Retry { .. } | Transition::Bury { .. }) {
        // Once, so that a repeated note is known as the same.
        let at = u64::try_from(attempt.engine.effects.clock.now_ms()).unwrap_or(0);
        let noted = insist(attempt, || attempt.reserved.note_failure(transition, at)).await;
        match noted.flatten() {
            None => return abandon(attempt).await,
            Some(timeline) => {
                if let (Some(reason), Transition::Bury { chain, .. }) = (decided.dead, transition) {
                    let timeline = parse_timeline(&timeline);
                    dead_letter::bury(attempt, reason, chain, timeline).await;
                }
            }
        }
    }
    let attempts = attempt.info.max_attempts;
    match insist(attempt, || attempt.reserved.settle(transition, attempts)).await {
        Some(settled) => settled,
        None => abandon(attempt).await,
    }
}

/// Lets go of a job that is not ours any more.
async fn abandon(attempt: &Attempt) -> Settled {
    // Only frees its slot; nothing is sent.
    let _ = attempt.reserved.settle(&Transition::Abandon, 0).await;
    Settled::LeaseLost
}

/// Repeats an operation while Redis does not answer; none: the lease was lost meanwhile.
async fn insist<T, F: Future<Output = Result<T, QueueError>>>(
    attempt: &Attempt,
    operation: impl Fn() -> F,
) -> Option<T> {
    let lost = || attempt.cancel.reason() == Some(roadie_jobs::CancelReason::LeaseLost);
    patiently(lost, operation)
        .await
        .inspect_err(|error| {
            if !lost() {
                let error = logs::error_line(error);
                tracing::error!(error, "the queue cannot take this job back; its lease runs out");
            }
        })
        .ok()
}

/// The attempts that failed, oldest first; lines that are not ours are skipped.
fn parse_timeline(text: &str) -> Vec<FailedAttempt> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A failure is logged here and nowhere else.
fn log(decided: &Decided, label: Label) {
    match (label, &decided.transition) {
        (Label::Lost, _) => {
            tracing::warn!("lease lost; the job is left to the worker that holds it now");
        }
        // Thousands a second at times: metrics count them.
        (_, Transition::Complete(_)) => tracing::debug!("job completed"),
        (_, Transition::Retry { delay, reason, .. }) => {
            let delay_ms = u64::try_from(delay.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(delay_ms, error = %reason, "attempt failed; the job will be retried");
        }
        (_, Transition::Postpone { delay, reason }) => {
            tracing::info!(delay_s = delay.as_secs(), reason, "job postponed");
        }
        (_, Transition::Release) => tracing::info!("job released"),
        (_, Transition::AwaitChildren) => tracing::debug!("job waits for its children"),
        (_, Transition::Bury { reason, .. }) => {
            let why = decided.dead.map_or("", |dead| dead.as_str());
            tracing::error!(reason = why, error = %reason, "job is a dead letter");
        }
        (_, Transition::Erase { .. }) => tracing::info!("job ended; its user was erased"),
        (_, Transition::Abandon) => {}
    }
}
