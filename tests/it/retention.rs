//! What the queue keeps of finished jobs is the producer's choice.

use anyhow::anyhow;
use bullmq::JobOptions;
use bullmq::types::{KeepJobs, RemoveOnFinish};
use roadie_jobs::JobError;
use serde_json::Value;

use super::support::eventually;
use super::support::play::{PLAYS, call, part};
use super::support::stage::Stage;
use super::support::worker::Worker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_producer_decides_what_the_queue_keeps() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let part = part(async |_, line: Value| match line.as_bool() {
        Some(true) => Ok(line),
        _ => Err(JobError::discard(anyhow!("rained off"))),
    });
    let vanish = JobOptions {
        remove_on_complete: Some(RemoveOnFinish::Bool(true)),
        remove_on_fail: Some(RemoveOnFinish::Bool(true)),
        ..JobOptions::default()
    };
    let [completes, fails] = [true, false].map(|works| call(&part, works));
    let id = stage.add_with(PLAYS, "play", completes, vanish.clone()).await;
    stage.gone(PLAYS, &id).await;
    let id = stage.add_with(PLAYS, "play", fails.clone(), vanish).await;
    stage.gone(PLAYS, &id).await;
    // What the queue has dropped is kept all the same.
    assert_eq!(stage.letter(&id).await.reason, "discarded");

    let two = RemoveOnFinish::Options(KeepJobs { age: None, count: Some(2), limit: None });
    let keep = JobOptions { remove_on_fail: Some(two), ..JobOptions::default() };
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(stage.add_with(PLAYS, "play", fails.clone(), keep.clone()).await);
    }
    for id in &ids {
        stage.letter(id).await;
    }
    let queue = stage.queues().await.queue(PLAYS).await.unwrap();
    eventually("two failed jobs are left", async || {
        let failed = queue.get_failed(0, -1).await.unwrap();
        let mut left: Vec<String> = failed.iter().map(|job| job.id().to_owned()).collect();
        left.sort();
        if left == ids[2..] { Ok(()) } else { Err(format!("{left:?} of {ids:?}")) }
    })
    .await;
    worker.stop().await;
}
