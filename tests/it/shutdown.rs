//! Stopping a process costs no job an attempt, and takes no longer than was asked for.

use std::time::{Duration, Instant};

use bullmq::JobState;
use serde_json::{Value, json};

use super::support::SOON;
use super::support::process::Process;
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";
/// What is said when a signal is heeded.
const STOPPING: &str = "no new jobs";

fn steps(steps: u64, step_ms: u64) -> Value {
    json!({ "act": "steps", "steps": steps, "stepMs": step_ms })
}

fn at_least(step: u64) -> impl Fn(&Value) -> bool {
    move |checkpoint| checkpoint.as_u64() >= Some(step)
}

#[tokio::test]
async fn a_short_job_is_finished_and_nothing_new_is_begun() {
    let stage = need!(Stage::new()).with_rehearsals(4);
    let mut process = Process::serving(&stage).await;
    let running = stage.add(QUEUE, "rehearse", steps(15, 100)).await;
    stage.checkpoint(QUEUE, &running, at_least(1)).await;
    process.signal("TERM");
    process.logged(STOPPING).await;
    let late = stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
    assert_eq!(process.exit(SOON).await, 0);

    let job = stage.reached(QUEUE, &running, JobState::Completed).await;
    assert_eq!(job.attempts_started(), 1);
    let late = stage.reached(QUEUE, &late, JobState::Waiting).await;
    assert_eq!(late.attempts_started(), 0, "reserved after the signal");
}

#[tokio::test]
async fn a_job_longer_than_the_grace_period_goes_on_elsewhere_from_its_checkpoint() {
    const GRACE: Duration = Duration::from_millis(700);
    let stage = need!(Stage::new()).with_rehearsals(4).set("worker.grace_period", "700ms");
    let mut process = Process::serving(&stage).await;
    let id = stage.add(QUEUE, "rehearse", steps(60, 50)).await;
    stage.checkpoint(QUEUE, &id, at_least(5)).await;
    let signalled = Instant::now();
    process.signal("TERM");
    let code = process.exit(SOON).await;
    let took = signalled.elapsed();
    assert_eq!(code, 75);
    assert!(took >= GRACE, "the grace period was cut short: {took:?}");
    // The default is 25 s.
    assert!(took < Duration::from_secs(20), "{took:?}");

    // At once: no lease has to run out first.
    let queues = stage.queues().await;
    let (job, place) = queues.job(QUEUE, &id).await.unwrap();
    assert_eq!((place, job.attempts_made()), (JobState::Waiting, 0));
    let kept = queues.checkpoint(QUEUE, &id).await.unwrap();
    let kept = kept.and_then(|step| step.as_u64()).unwrap();
    assert!((5..60).contains(&kept), "{kept}");

    let second = Process::serving(&stage).await;
    let result = stage.returned(QUEUE, &id).await;
    assert_eq!(result, json!({ "steps": 60, "resumedAt": kept }));
    assert_eq!(stage.field(QUEUE, &id, "stc").await, None, "counted as a crash");
    second.kill().await;
}

#[tokio::test]
async fn a_handler_that_ignores_the_stop_is_cut_off_and_its_job_released() {
    let stage = need!(Stage::new())
        .with_rehearsals(4)
        .set("worker.grace_period", "300ms")
        .set("worker.stop_within", "300ms");
    let mut process = Process::serving(&stage).await;
    let mut ids = Vec::new();
    for act in ["hang", "spin"] {
        let id = stage.add(QUEUE, "rehearse", json!({ "act": act })).await;
        stage.reached(QUEUE, &id, JobState::Active).await;
        ids.push(id);
    }
    process.signal("TERM");
    assert_eq!(process.exit(SOON).await, 75);
    for id in ids {
        let (job, place) = stage.queues().await.job(QUEUE, &id).await.unwrap();
        assert_eq!((place, job.attempts_made()), (JobState::Waiting, 0));
    }
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let stage = need!(Stage::new()).with_rehearsals(4);
    let mut process = Process::serving(&stage).await;
    let id = stage.add(QUEUE, "rehearse", json!({ "act": "hang" })).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    process.signal("INT");
    process.logged(STOPPING).await;
    assert!(process.runs(), "it should wait for its job");
    process.signal("TERM");
    assert_eq!(process.exit(SOON).await, 130);
}

#[tokio::test]
async fn an_idle_process_stops_at_once() {
    let stage = need!(Stage::new()).with_rehearsals(4);
    let mut process = Process::serving(&stage).await;
    process.signal("TERM");
    assert_eq!(process.exit(SOON).await, 0);
}
