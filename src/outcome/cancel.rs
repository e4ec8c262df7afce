//! Ends a job because somebody wants it to end.

use roadie_jobs::effects::Clock;
use roadie_jobs::effects::catalogue::{Catalogue, DeadReason, NewDeadLetter};

use super::{dead_letter, parse_timeline};
use crate::observe::logs::one_line;
use crate::queue::cancel::{Whereabouts, Wish};
use crate::queue::take::Taken;
use crate::queue::{QueueError, Queues};

/// A job that is taken by a worker at the same moment is found where it went.
const LOOKS: usize = 3;

/// What cancelling a job came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It runs, and was asked to stop. It may still end otherwise, if it is done before it hears of it.
    Asked,
    /// It waited, and is a dead letter now.
    Ended,
    /// It had ended before: `completed` or `failed`.
    Already(&'static str),
    /// The queue has no such job.
    Missing,
}

/// Cancels a job, wherever it is.
pub async fn cancel(
    queues: &Queues,
    catalogue: &Catalogue,
    queue: &str,
    id: &str,
    wish: &Wish,
) -> Result<Cancelled, QueueError> {
    match queues.wish(queue, id, wish).await? {
        Whereabouts::Missing => Ok(Cancelled::Missing),
        Whereabouts::Completed => Ok(Cancelled::Already("completed")),
        Whereabouts::Failed => Ok(Cancelled::Already("failed")),
        Whereabouts::Running => Ok(Cancelled::Asked),
        Whereabouts::Waiting => end(queues, catalogue, queue, id, &wish.by).await,
    }
}

/// Ends a job that waited when somebody wanted it to end. `worker` is who does.
pub(crate) async fn end(
    queues: &Queues,
    catalogue: &Catalogue,
    queue: &str,
    id: &str,
    worker: &str,
) -> Result<Cancelled, QueueError> {
    for _ in 0..LOOKS {
        let (place, wish) = queues.wished(queue, id).await?;
        let wish = match (place, wish) {
            (Whereabouts::Running, _) => return Ok(Cancelled::Asked),
            (Whereabouts::Completed, _) => return Ok(Cancelled::Already("completed")),
            (Whereabouts::Waiting, Some(wish)) => wish,
            // Somebody else was faster.
            _ => return Ok(Cancelled::Ended),
        };
        let now = Clock::System.now_ms();
        let (chain, now_ms) = (wish.chain(), u64::try_from(now).unwrap_or(0));
        let reason = one_line(&chain);
        let taken = queues.take_to_fail(queue, id, worker, &reason, now_ms).await?;
        let Some(taken) = taken else { continue };
        // First, so that no job fails without one.
        dead_letter::store(catalogue, &letter(queue, id, worker, chain, &taken, now)).await;
        if taken.fail().await? {
            let by = &wish.by;
            tracing::info!(job.queue = queue, job.id = id, by, "job cancelled before it ran");
            // Looking forgets the wish.
            queues.wished(queue, id).await?;
            return Ok(Cancelled::Ended);
        }
    }
    Ok(Cancelled::Asked)
}

fn letter(
    queue: &str,
    id: &str,
    worker: &str,
    chain: Vec<String>,
    Taken { record, timeline, .. }: &Taken<'_>,
    died_at: i64,
) -> NewDeadLetter {
    let error = chain.first().cloned().unwrap_or_default();
    NewDeadLetter {
        queue: queue.to_owned(),
        job_id: id.to_owned(),
        kind: record.kind().to_owned(),
        payload: record.payload().to_owned(),
        reason: DeadReason::Cancelled,
        fingerprint: dead_letter::fingerprint(
            record.kind(),
            DeadReason::Cancelled.as_str(),
            &error,
        ),
        error,
        error_chain: chain,
        attempts: record.attempts_made(),
        timeline: parse_timeline(timeline),
        worker: worker.to_owned(),
        worker_version: env!("CARGO_PKG_VERSION").to_owned(),
        died_at,
    }
}
