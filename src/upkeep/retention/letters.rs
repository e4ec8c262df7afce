//! A failed job leaves Redis only when the catalogue has it as a dead letter.

use roadie_jobs::effects::catalogue::{FailedAttempt, NewDeadLetter};
use serde_json::Value;

use super::decide::cause;
use crate::outcome::fingerprint;
use crate::queue::finished::{Finished, Remains};
use crate::worker::Engine;

/// Buries those of the failed jobs that are not buried yet: other clients' workers bury nothing.
/// Answers the jobs that may go.
pub(super) async fn ensure(
    engine: &Engine,
    queue: &str,
    jobs: Vec<Finished>,
) -> anyhow::Result<Vec<Finished>> {
    let deaths: Vec<(&str, i64)> =
        jobs.iter().map(|(id, ended)| (id.as_str(), ended.parse().unwrap_or(0))).collect();
    let catalogue = &engine.effects.catalogue;
    let buried = catalogue.are_buried(queue, &deaths).await?;
    let lacking: Vec<(&str, i64)> =
        deaths.iter().zip(buried).filter(|(_, buried)| !buried).map(|(death, _)| *death).collect();
    let ids: Vec<&str> = lacking.iter().map(|(id, _)| *id).collect();
    let remains = engine.queues.remains(queue, &ids).await?;
    for ((id, ended), remains) in lacking.into_iter().zip(remains) {
        // An id without a job has nothing to be kept.
        if let Some(remains) = remains {
            catalogue.bury(&letter(queue, id, ended, remains)).await?;
        }
    }
    Ok(jobs)
}

fn letter(queue: &str, id: &str, ended: i64, remains: Remains) -> NewDeadLetter {
    let Remains { kind, payload, options, error, attempts, timeline, worker } = remains;
    let asked = serde_json::from_str::<Value>(&options).ok();
    let asked = asked.and_then(|options| u32::try_from(options["attempts"].as_u64()?).ok());
    let reason = cause(&error, attempts, asked.unwrap_or(1));
    let mut attempts_known: Vec<FailedAttempt> =
        timeline.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if attempts_known.is_empty() {
        attempts_known.push(FailedAttempt { attempt: attempts, at: ended, error: error.clone() });
    }
    NewDeadLetter {
        queue: queue.to_owned(),
        job_id: id.to_owned(),
        fingerprint: fingerprint(&kind, reason.as_str(), &error),
        kind,
        payload,
        reason,
        error_chain: vec![error.clone()],
        error,
        attempts,
        timeline: attempts_known,
        worker,
        // Which version it was, only the worker itself knew.
        worker_version: String::new(),
        died_at: ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadie_jobs::effects::catalogue::DeadReason;

    #[test]
    fn a_letter_says_what_the_job_left() {
        let remains = Remains {
            kind: "optimize".to_owned(),
            payload: r#"{"a":1}"#.to_owned(),
            options: r#"{"attempts":2}"#.to_owned(),
            error: "out of film".to_owned(),
            attempts: 2,
            timeline: String::new(),
            worker: "node-1".to_owned(),
        };
        let letter = letter("q", "7", 99, remains);
        assert_eq!((letter.reason, letter.died_at), (DeadReason::Exhausted, 99));
        assert_eq!(letter.timeline.len(), 1);
        assert_eq!((letter.timeline[0].attempt, letter.timeline[0].at), (2, 99));
        assert_eq!(letter.error_chain, ["out of film"]);
    }
}
