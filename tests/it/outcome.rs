//! What becomes of a job: completed, retried, postponed, discarded, and what is kept of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use bullmq::{JobOptions, JobState};
use roadie_jobs::{JobContext, JobError};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::support::next;
use super::support::play::{PLAYS, call, part};
use super::support::stage::Stage;
use super::support::worker::Worker;

/// A part that counts its runs and fails those up to `failures`.
fn failing(failures: u32) -> (String, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let part = part(move |cx: JobContext, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let attempt = cx.info().attempt;
        async move {
            if attempt <= failures {
                let cause = anyhow!("no seats left in row {attempt}");
                return Err(JobError::retry(cause.context("cannot book")));
            }
            Ok(json!(attempt))
        }
    });
    (part, runs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completed_job_keeps_its_return_value() {
    let stage = need!(Stage::new()).with_plays(4);
    let worker = Worker::start(&stage).await;
    let part = part(async |_, line: Value| Ok(json!({ "heard": line })));
    let id = stage.add(PLAYS, "play", call(&part, "hello")).await;
    let job = stage.completed(PLAYS, &id).await;
    assert_eq!(job.returnvalue(), r#"{"heard":"hello"}"#);
    assert_eq!((job.attempts_made(), job.failed_reason()), (1, ""));
    assert!(job.finished_on() >= job.processed_on(), "{job:?}");
    let all = roadie_jobs::effects::catalogue::DeadLetterFilter::default();
    let letters = stage.catalogue().await.dead_letters(&all).await.unwrap();
    assert_eq!(letters, []);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_every_time_is_a_dead_letter_with_its_whole_history() {
    let stage = need!(Stage::new()).with_plays(4);
    let worker = Worker::start(&stage).await;
    let (part, runs) = failing(u32::MAX);
    let id = stage.add(PLAYS, "play", call(&part, 7)).await;

    let job = stage.failed(PLAYS, &id).await;
    // The kind says 3, the producer nothing.
    assert_eq!((job.attempts_made(), runs.load(Ordering::SeqCst)), (3, 3));
    assert_eq!(job.failed_reason(), "cannot book: no seats left in row 3");
    let traces = stage.field(PLAYS, &id, "stacktrace").await.unwrap();
    let traces: Vec<String> = serde_json::from_str(&traces).unwrap();
    assert_eq!(traces.len(), 3, "{traces:?}");
    for (row, trace) in (1..).zip(&traces) {
        let cause = format!("caused by: no seats left in row {row}");
        assert!(trace.starts_with("cannot book") && trace.contains(&cause), "{trace}");
    }

    let letter = stage.letter(&id).await;
    assert_eq!((letter.queue.as_str(), letter.kind.as_str()), (PLAYS, "play"));
    assert_eq!((letter.reason.as_str(), letter.attempts), ("exhausted", 3));
    assert_eq!(letter.error, "cannot book");
    assert_eq!(letter.error_chain, ["cannot book", "no seats left in row 3"]);
    let payload: Value = serde_json::from_str(&letter.payload).unwrap();
    assert_eq!(payload, call(&part, 7));
    let timeline: Vec<_> = letter.timeline.iter().map(|t| (t.attempt, t.error.as_str())).collect();
    assert_eq!(
        timeline,
        [
            (1, "cannot book: no seats left in row 1"),
            (2, "cannot book: no seats left in row 2"),
            (3, "cannot book: no seats left in row 3"),
        ]
    );
    assert!(letter.timeline.is_sorted_by_key(|t| t.at), "{letter:?}");
    assert_eq!(letter.worker_version, env!("CARGO_PKG_VERSION"));
    assert!(letter.worker.contains(&std::process::id().to_string()), "{letter:?}");
    assert_eq!((letter.times, letter.retried_at), (1, None));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_producer_decides_over_attempts() {
    let stage = need!(Stage::new()).with_plays(4);
    let worker = Worker::start(&stage).await;
    for attempts in [1, 5] {
        let (part, runs) = failing(u32::MAX);
        let options = JobOptions { attempts: Some(attempts), ..JobOptions::default() };
        let id = stage.add_with(PLAYS, "play", call(&part, 0), options).await;
        let job = stage.failed(PLAYS, &id).await;
        assert_eq!((job.attempts_made(), runs.load(Ordering::SeqCst)), (attempts, attempts));
        assert_eq!(stage.letter(&id).await.attempts, attempts);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_succeeds_at_last_is_no_dead_letter() {
    let stage = need!(Stage::new()).with_plays(4);
    let worker = Worker::start(&stage).await;
    let (part, runs) = failing(2);
    let id = stage.add(PLAYS, "play", call(&part, 0)).await;
    let job = stage.completed(PLAYS, &id).await;
    assert_eq!((job.returnvalue(), job.attempts_made()), ("3", 3));
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    let counts = stage.catalogue().await.dead_letter_counts().await.unwrap();
    assert_eq!(counts, []);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postponed_job_comes_back_and_no_attempt_is_counted() {
    const PAUSE: Duration = Duration::from_millis(600);
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let (calls, mut called) = tokio::sync::mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let part = part(move |cx: JobContext, _| {
        let (calls, gate) = (calls.clone(), Arc::clone(&gate));
        async move {
            calls.send((cx.info().attempt, Instant::now())).unwrap();
            if cx.resume::<bool>().await?.is_none() {
                cx.checkpoint(&true).await?;
                return Err(JobError::postpone(PAUSE, anyhow!("the budget is spent")));
            }
            gate.notified().await;
            Ok(Value::Null)
        }
    });
    let only = JobOptions { attempts: Some(1), ..JobOptions::default() };
    let id = stage.add_with(PLAYS, "play", call(&part, 0), only).await;
    let (first, left) = next(&mut called).await;
    let (second, back) = next(&mut called).await;
    assert_eq!((first, second), (1, 1));
    assert!(back - left >= PAUSE, "{:?}", back - left);
    let job = stage.reached(PLAYS, &id, JobState::Active).await;
    assert_eq!((job.attempts_made(), job.failed_reason()), (0, ""));
    assert_eq!(stage.events(PLAYS, "delayed").await, [id.as_str()]);
    go.notify_one();
    assert_eq!(stage.completed(PLAYS, &id).await.attempts_made(), 1);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discarded_job_is_a_dead_letter_at_once() {
    let stage = need!(Stage::new()).with_plays(4);
    let worker = Worker::start(&stage).await;
    let (calls, mut called) = tokio::sync::mpsc::unbounded_channel();
    let part = part(move |_, _| {
        calls.send(()).unwrap();
        async { Err(JobError::discard(anyhow!("that night never happened"))) }
    });
    let id = stage.add(PLAYS, "play", call(&part, 0)).await;
    let job = stage.failed(PLAYS, &id).await;
    assert_eq!(job.failed_reason(), "that night never happened");
    let letter = stage.letter(&id).await;
    assert_eq!((letter.reason.as_str(), letter.attempts), ("discarded", 1));
    next(&mut called).await;
    assert!(called.try_recv().is_err(), "it ran more than once");
    worker.stop().await;
}
