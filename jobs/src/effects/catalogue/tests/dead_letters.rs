//! Burying and retrying dead letters.

use super::databases::Database;
use super::*;
use crate::effects::catalogue::{DeadReason, FailedAttempt, NewDeadLetter};

on_both!(
    a_buried_letter_is_read_back_whole,
    the_same_death_reported_twice_counts_once,
    dying_again_after_a_retry_counts_and_waits_again,
    hostile_letters_are_kept,
);

pub(super) fn letter(job_id: &str) -> NewDeadLetter {
    let failed = |attempt: u32| FailedAttempt {
        attempt,
        at: NOW - 1_000 * i64::from(3 - attempt),
        error: format!("attempt {attempt}: the mail server is asleep"),
    };
    NewDeadLetter {
        queue: "notifications".into(),
        job_id: job_id.into(),
        kind: "send-email".into(),
        payload: r#"{"userId":42,"template":"milestone","value":100}"#.into(),
        reason: DeadReason::Exhausted,
        error: "the mail server is asleep".into(),
        error_chain: vec!["send mail".into(), "the mail server is asleep".into()],
        fingerprint: "send-email/exhausted/asleep".into(),
        attempts: 3,
        timeline: (1..=3).map(failed).collect(),
        worker: "worker-1".into(),
        worker_version: "0.1.0".into(),
        died_at: NOW,
    }
}

async fn a_buried_letter_is_read_back_whole(database: Database) {
    let catalogue = database.catalogue().await;
    let new = letter("7");
    let id = catalogue.bury(&new).await.unwrap();
    let stored = catalogue.dead_letter(&id).await.unwrap().unwrap();
    assert_eq!((stored.id.as_str(), id.len()), (id.as_str(), 32));
    assert_eq!((stored.queue, stored.job_id, stored.kind), (new.queue, new.job_id, new.kind));
    assert_eq!((stored.payload, stored.reason.as_str()), (new.payload, "exhausted"));
    assert_eq!((stored.error, stored.error_chain), (new.error, new.error_chain));
    assert_eq!((stored.fingerprint, stored.attempts), (new.fingerprint, 3));
    assert_eq!(stored.timeline, new.timeline);
    assert_eq!((stored.worker, stored.worker_version), (new.worker, new.worker_version));
    assert_eq!((stored.first_seen_at, stored.last_seen_at, stored.times), (NOW, NOW, 1));
    assert_eq!(stored.retried_at, None);
}

async fn the_same_death_reported_twice_counts_once(database: Database) {
    let catalogue = database.catalogue().await;
    let first = catalogue.bury(&letter("7")).await.unwrap();
    let second = catalogue.bury(&letter("7")).await.unwrap();
    assert_eq!(first, second);
    let stored = catalogue.dead_letter(&first).await.unwrap().unwrap();
    assert_eq!((stored.times, stored.last_seen_at), (1, NOW));

    // Reported once more, late, when somebody has put the job back already.
    assert!(catalogue.mark_retried(&first, NOW + 5_000).await.unwrap());
    catalogue.bury(&letter("7")).await.unwrap();
    let stored = catalogue.dead_letter(&first).await.unwrap().unwrap();
    assert_eq!((stored.times, stored.retried_at), (1, Some(NOW + 5_000)));
}

async fn dying_again_after_a_retry_counts_and_waits_again(database: Database) {
    let catalogue = database.catalogue().await;
    let id = catalogue.bury(&letter("7")).await.unwrap();
    assert!(catalogue.mark_retried(&id, NOW + 5_000).await.unwrap());
    let again = NewDeadLetter {
        reason: DeadReason::CrashLoop,
        attempts: 1,
        died_at: NOW + 9_000,
        ..letter("7")
    };
    assert_eq!(catalogue.bury(&again).await.unwrap(), id);
    let stored = catalogue.dead_letter(&id).await.unwrap().unwrap();
    assert_eq!((stored.times, stored.retried_at, stored.attempts), (2, None, 1));
    assert_eq!((stored.first_seen_at, stored.last_seen_at), (NOW, NOW + 9_000));
    assert_eq!(stored.reason, "crash-loop");
    assert!(!catalogue.mark_retried("0123", NOW).await.unwrap(), "no such letter");

    // Retried by somebody who told only the queue: still another death.
    catalogue.bury(&NewDeadLetter { died_at: NOW + 20_000, ..again }).await.unwrap();
    assert_eq!(catalogue.dead_letter(&id).await.unwrap().unwrap().times, 3);
}

async fn hostile_letters_are_kept(database: Database) {
    let catalogue = database.catalogue().await;
    let huge = "x\0\u{1F3B8}".repeat(10_000);
    let failed = FailedAttempt { attempt: u32::MAX, at: NOW, error: huge.clone() };
    let new = NewDeadLetter {
        queue: format!("queue\0{huge}"),
        job_id: format!("id\0{huge}"),
        payload: format!("not JSON\0{huge}"),
        error: huge.clone(),
        error_chain: vec![huge.clone(); 100],
        fingerprint: huge.clone(),
        attempts: u32::MAX,
        timeline: vec![failed; 200],
        ..letter("7")
    };
    let id = catalogue.bury(&new).await.unwrap();
    assert_eq!(catalogue.bury(&new).await.unwrap(), id);
    let stored = catalogue.dead_letter(&id).await.unwrap().unwrap();
    assert_eq!(stored.payload, new.payload.replace('\0', ""), "never shortened");
    assert_eq!((stored.error_chain.len(), stored.timeline.len()), (32, 50));
    assert!(stored.error.chars().count() <= 4_000 && !stored.error.contains('\0'));
    assert_eq!(stored.attempts, 2_147_483_647);
    let other = NewDeadLetter { job_id: format!("id\0{huge}!"), ..new };
    assert_ne!(catalogue.bury(&other).await.unwrap(), id, "long ids stay distinct");
}
