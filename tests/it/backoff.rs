//! How long a failed job rests, by whoever has a say in it.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use bullmq::JobOptions;
use bullmq::types::BackoffStrategy;
use roadie_jobs::{JobContext, JobError};

use super::support::play::{PLAYS, call, part};
use super::support::stage::Stage;
use super::support::worker::Worker;
use super::support::{Missing, next};

/// A queue is looked after within this, however busy the machine is.
const SLACK: Duration = Duration::from_millis(2_500);
const MS: fn(u64) -> Duration = Duration::from_millis;

/// Pauses between the attempts of a job that fails each time.
async fn pauses(
    kind_base: &str,
    options: JobOptions,
    error: fn() -> JobError,
) -> Result<Vec<Duration>, Missing> {
    let stage = Stage::new()?
        .with_plays(1)
        .set("kinds.play.backoff_base", kind_base)
        .set("kinds.play.backoff_cap", kind_base);
    let worker = Worker::start(&stage).await;
    let (calls, mut called) = tokio::sync::mpsc::unbounded_channel();
    let part = part(move |_: JobContext, _| {
        calls.send(Instant::now()).unwrap();
        async move { Err(error()) }
    });
    let attempts = options.attempts.unwrap_or(3);
    let id = stage.add_with(PLAYS, "play", call(&part, 0), options).await;
    let mut last = next(&mut called).await;
    let mut pauses = Vec::new();
    for _ in 1..attempts {
        let this = next(&mut called).await;
        pauses.push(this - last);
        last = this;
    }
    stage.failed(PLAYS, &id).await;
    worker.stop().await;
    Ok(pauses)
}

fn asks(attempts: u32, backoff: Option<BackoffStrategy>) -> JobOptions {
    JobOptions { attempts: Some(attempts), backoff, ..JobOptions::default() }
}

fn fails() -> JobError {
    JobError::retry(anyhow!("fails"))
}

fn assert_pauses(pauses: &[Duration], expected: &[u64]) {
    assert_eq!(pauses.len(), expected.len());
    for (pause, &expected) in pauses.iter().zip(expected) {
        let expected = MS(expected);
        assert!(*pause >= expected && *pause < expected + SLACK, "{pauses:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fixed_backoff_is_the_same_each_time() {
    let options = asks(3, Some(BackoffStrategy::Fixed(400)));
    assert_pauses(&need!(pauses("1h", options, fails).await), &[400, 400]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exponential_backoff_doubles() {
    let options = asks(4, Some(BackoffStrategy::Exponential(300)));
    assert_pauses(&need!(pauses("1h", options, fails).await), &[300, 600, 1_200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_backoff_a_producer_gets_its_attempts_at_once() {
    let pauses = need!(pauses("1h", asks(3, None), fails).await);
    assert_pauses(&pauses, &[0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_says_nothing_gets_the_backoff_of_the_kind() {
    // Full jitter: anything up to the base, so only the upper bound is certain.
    let options = JobOptions::default();
    assert_pauses(&need!(pauses("50ms", options, fails).await), &[0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_failing_system_is_heard_first() {
    let options = asks(2, Some(BackoffStrategy::Fixed(3_600_000)));
    let error = || JobError::retry_after(MS(700), anyhow!("429: come back later"));
    assert_pauses(&need!(pauses("1h", options, error).await), &[700]);
}
