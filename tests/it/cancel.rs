//! A cancelled job that runs ends soon, wherever it runs, and never comes back. `CHAOS=full` holds that to a second.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use bullmq::types::RemoveOnFinish;
use bullmq::{JobOptions, JobState};
use roadie::outcome::cancel::Cancelled;
use roadie_jobs::JobError;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;

use super::support::fleet::{figures, full};
use super::support::next;
use super::support::operator::{Operator, ended};
use super::support::play::{PLAYS, call, part};
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::worker::Worker;

const QUEUE: &str = "rehearsals";

/// Handlers that await, cut off or not, over two processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_in_hand_elsewhere_end_soon() {
    const ROUNDS: usize = 12;
    const AT_ONCE: usize = 20;
    let stage = need!(Stage::new()).with_rehearsals(AT_ONCE / 2);
    let fleet = [Process::serving(&stage).await, Process::serving(&stage).await];
    let operator = Operator::of(&stage).await;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let mut ids = Vec::new();
        for i in 0..AT_ONCE {
            let waits = json!({ "act": "steps", "steps": 1, "stepMs": 60_000 });
            let payload = if i % 2 == 0 { json!({ "act": "hang" }) } else { waits };
            ids.push(stage.add(QUEUE, "rehearse", payload).await);
        }
        for id in &ids {
            stage.reached(QUEUE, id, JobState::Active).await;
        }
        let mut asked = Vec::new();
        for id in &ids {
            asked.push(operator.now().await);
            assert_eq!(operator.cancel(QUEUE, id).await, Cancelled::Asked);
        }
        for (id, asked) in ids.iter().zip(asked) {
            let job = stage.failed(QUEUE, id).await;
            assert_eq!(job.failed_reason(), "cancelled by ann: wrong folder");
            took.push(job.finished_on().unwrap().saturating_sub(asked));
        }
    }
    took.sort_unstable();
    let at = |share: usize| took[took.len() * share / 100];
    let (half, most) = (at(50), at(99));
    figures(&format!("{} running jobs cancelled: p50 {half} ms, p99 {most} ms", took.len()));
    // Next to other tests a machine may be too busy to keep what is promised of a free one.
    if full() {
        assert!(most <= 1_000, "p99 {most} ms: {took:?}");
    }
    operator.has_no_wishes(&stage).await;
    for process in fleet {
        process.kill().await;
    }
}

#[tokio::test]
async fn a_handler_that_never_yields_loses_its_job_all_the_same() {
    let stage = need!(Stage::new()).with_rehearsals(2);
    let process = Process::serving(&stage).await;
    let id = stage.add(QUEUE, "rehearse", json!({ "act": "spin" })).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    assert_eq!(Operator::of(&stage).await.cancel(QUEUE, &id).await, Cancelled::Asked);
    ended(&stage, QUEUE, &id).await;
    let other = stage.add(QUEUE, "rehearse", json!({ "act": "return", "value": 7 })).await;
    assert_eq!(stage.returned(QUEUE, &other).await, 7);
    process.kill().await;
}

#[tokio::test]
async fn the_job_of_a_dead_worker_does_not_begin_again() {
    let stage = need!(Stage::new()).with_rehearsals(1).with_short_leases();
    let victim = Process::serving(&stage).await;
    let steps = json!({ "act": "steps", "steps": 1_000, "stepMs": 20 });
    let id = stage.add(QUEUE, "rehearse", steps).await;
    stage.checkpoint(QUEUE, &id, |step| step.as_u64() >= Some(2)).await;
    victim.kill().await;
    let operator = Operator::of(&stage).await;
    let reached = operator.queues.checkpoint(QUEUE, &id).await.unwrap();
    assert_eq!(operator.cancel(QUEUE, &id).await, Cancelled::Asked);
    let heir = Process::serving(&stage).await;
    ended(&stage, QUEUE, &id).await;
    assert_eq!(operator.queues.checkpoint(QUEUE, &id).await.unwrap(), reached, "it ran again");
    heir.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_meanwhile_is_not_tried_again() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let operator = Operator::of(&stage).await;
    let (tell, mut told) = unbounded_channel();
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let part = part(move |_, _| {
        let (tell, gate) = (tell.clone(), Arc::clone(&gate));
        async move {
            tell.send(()).unwrap();
            gate.notified().await;
            Err::<Value, _>(JobError::retry(anyhow!("no seats left")))
        }
    });
    let id = stage.add(PLAYS, "play", call(&part, 0)).await;
    next(&mut told).await;
    // Sooner than the worker looks.
    assert_eq!(operator.cancel(PLAYS, &id).await, Cancelled::Asked);
    go.notify_one();
    ended(&stage, PLAYS, &id).await;
    assert!(told.try_recv().is_err(), "it ran again");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_added_anew_is_another_job() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let process = Process::serving(&stage).await;
    let operator = Operator::of(&stage).await;
    let named = || JobOptions {
        job_id: Some("nightly".to_owned()),
        remove_on_fail: Some(RemoveOnFinish::Bool(true)),
        ..JobOptions::default()
    };
    let add = async |act: Value| stage.add_with(QUEUE, "rehearse", act, named()).await;
    let id = add(json!({ "act": "hang" })).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    assert_eq!(operator.cancel(QUEUE, &id).await, Cancelled::Asked);
    stage.gone(QUEUE, &id).await;
    // A moment for whoever believes what it has read before.
    add(json!({ "act": "steps", "steps": 5, "stepMs": 100 })).await;
    stage.completed(QUEUE, &id).await;

    // A wish that was left over by somebody who died.
    let forgotten = r#"{"by":"ann","reason":"","nonce":"of long ago"}"#;
    redis::cmd("HSET")
        .arg(format!("{}:roadie:cancels", stage.prefix))
        .arg(format!("{QUEUE}:later"))
        .arg(forgotten)
        .query_async::<()>(&mut operator.queues.redis())
        .await
        .unwrap();
    let later = JobOptions { job_id: Some("later".to_owned()), ..JobOptions::default() };
    let steps = json!({ "act": "steps", "steps": 20, "stepMs": 100 });
    stage.add_with(QUEUE, "rehearse", steps, later).await;
    stage.completed(QUEUE, "later").await;
    operator.has_no_wishes(&stage).await;
    process.kill().await;
}

#[tokio::test]
async fn a_cancel_reaches_its_job_through_a_restart_of_redis() {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let redis = Arc::new(need!(RedisServer::start(&durable)));
    let stage = Stage::on(Arc::clone(&redis)).with_rehearsals(1).set("worker.lease", "30s");
    let process = Process::serving(&stage).await;
    let id = stage.add(QUEUE, "rehearse", json!({ "act": "hang" })).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    // Frozen, it cannot hear of it before.
    process.signal("STOP");
    assert_eq!(Operator::of(&stage).await.cancel(QUEUE, &id).await, Cancelled::Asked);
    redis.kill();
    process.signal("CONT");
    tokio::time::sleep(Duration::from_millis(300)).await;
    redis.restart();
    ended(&stage, QUEUE, &id).await;
    process.kill().await;
}
