//! 3 · Result → completed | retried | postponed | released | dead.
//!
//! - [`mod@decide`]: outcome → transition, pure;
//! - [`backoff`]: how long a failed job rests, pure;
//! - [`dead_letter`]: what is kept of a job that died;
//! - here: the one place that carries a decision out, counts it and logs it.

pub mod backoff;
mod dead_letter;
mod decide;

use std::sync::Arc;
use std::time::Duration;

use roadie_jobs::effects::catalogue::FailedAttempt;

use crate::observe::metrics;
use crate::queue::QueueError;
use crate::queue::transition::{RetryOptions, Settled, Transition};
use crate::worker::attempt::Attempt;
use crate::worker::patience::patiently;
pub(crate) use dead_letter::bury_unseen;
pub use dead_letter::fingerprint;
pub use decide::{Decided, Facts, Label, Outcome, decide};

/// A lease that was taken this recently cannot have run out.
const PROOF_AFTER: Duration = Duration::from_millis(500);

/// Carries out what becomes of an attempt. Returns when the queue has taken it, or when the lease
/// is lost and the job is somebody else's.
pub(crate) async fn settle(attempt: &Arc<Attempt>, outcome: Outcome) {
    let producer = match outcome {
        Outcome::Completed(_) => RetryOptions::default(),
        _ => insist(attempt, || attempt.reserved.retry_options()).await.unwrap_or_default(),
    };
    let facts = Facts {
        attempts_made: attempt.reserved.attempts_made(),
        producer,
        attempts: attempt.info.max_attempts,
        backoff: attempt.backoff(),
        random: fastrand::f64(),
    };
    let decided = decide(outcome, attempt.cancel.reason(), &facts);
    let settled = carry_out(attempt, &decided).await;
    let label = if settled == Settled::Done { decided.label } else { Label::Lost };
    metrics::job_finished(attempt.reserved.queue(), attempt.kind_label(), label);
    log(&decided, label);
}

async fn carry_out(attempt: &Arc<Attempt>, decided: &Decided) -> Settled {
    let transition = &decided.transition;
    let now = || u64::try_from(attempt.engine.effects.clock.now_ms()).unwrap_or(0);
    if matches!(transition, Transition::Retry { .. } | Transition::Bury { .. }) {
        // Once, so that a repeated note is known as the same.
        let at = now();
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
    // The crate acknowledges once and forgets about errors, and takes a lost lease for a failure. A job
    // that has run for a while proves its lease first, which also waits for a Redis that is away.
    if matches!(transition, Transition::Complete(_)) && attempt.port.pulse.age() >= PROOF_AFTER {
        let lease = attempt.engine.config.worker.lease;
        if insist(attempt, || attempt.reserved.extend(lease)).await != Some(true) {
            return abandon(attempt).await;
        }
    }
    match insist(attempt, || attempt.reserved.settle(transition, now())).await {
        Some(settled) => settled,
        None => abandon(attempt).await,
    }
}

/// Lets go of a job that is not ours any more.
async fn abandon(attempt: &Attempt) -> Settled {
    // Only tells our own worker to forget it; nothing is sent.
    let _ = attempt.reserved.settle(&Transition::Abandon, 0).await;
    Settled::LeaseLost
}

/// Repeats an operation while Redis does not answer; none: the lease was lost meanwhile.
async fn insist<T, F: Future<Output = Result<T, QueueError>>>(
    attempt: &Attempt,
    operation: impl Fn() -> F,
) -> Option<T> {
    let lost = || attempt.cancel.reason() == Some(roadie_jobs::CancelReason::LeaseLost);
    patiently(lost, operation).await.ok()
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
        (_, Transition::Complete(_)) => tracing::info!("job completed"),
        (_, Transition::Retry { delay, reason, .. }) => {
            let delay_ms = u64::try_from(delay.unwrap_or_default().as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(delay_ms, error = %reason, "attempt failed; the job will be retried");
        }
        (_, Transition::Postpone { delay }) => {
            tracing::info!(delay_s = delay.as_secs(), "job postponed");
        }
        (_, Transition::Release) => tracing::info!("job released"),
        (_, Transition::Bury { reason, .. }) => {
            let why = decided.dead.map_or("", |dead| dead.as_str());
            tracing::error!(reason = why, error = %reason, "job is a dead letter");
        }
        (_, Transition::Abandon) => {}
    }
}
