//! Ready means that jobs move, not that a connection stands.

use std::sync::Arc;
use std::time::Duration;

use bullmq::JobState;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::http::{get, ready, sample};
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";
/// Of the quick clockwork of these tests.
const WITHIN: Duration = Duration::from_secs(6);

fn quick(stage: Stage, slots: usize) -> Stage {
    stage.with_rehearsals(slots).set("canary.every", "200ms").set("canary.within", "6s")
}

/// The state of the process, as probes see it, and what is said of the queue.
async fn seen(process: &Process) -> (u16, Value) {
    let (status, body) = get(process.http(), "/readyz").await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    let name = format!("queue {QUEUE}");
    let checks = answer["checks"].as_array().unwrap();
    (status, checks.iter().find(|check| check["name"] == name).unwrap().clone())
}

async fn moving(process: &Process) -> Option<f64> {
    let (_, scrape) = get(process.http(), "/metrics").await;
    sample(&scrape, &format!("roadie_queue_moving{{queue=\"{QUEUE}\"}}"))
}

/// Looks for longer than it takes to turn red.
async fn stays_ready(process: &Process, note: &Value) {
    let end = tokio::time::Instant::now() + WITHIN * 3 / 2;
    while tokio::time::Instant::now() < end {
        // A busy machine may answer late for another reason.
        let (_, check) = seen(process).await;
        assert_eq!(check["ok"], true, "{check}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (_, check) = seen(process).await;
    assert_eq!(&check["note"], note, "{check}");
    assert_eq!(moving(process).await, Some(1.0));
}

#[tokio::test]
async fn a_quiet_queue_is_proven_and_nobody_sees_how() {
    let stage = quick(need!(Stage::new()), 2);
    let process = Process::serving(&stage).await;
    stays_ready(&process, &Value::Null).await;
    let mut redis = stage.queues().await.redis();
    let base = format!("{}:{QUEUE}", stage.prefix);
    for list in ["wait", "paused", "delayed", "prioritized", "completed", "failed", "id", "limiter"]
    {
        let there: bool = redis::cmd("EXISTS")
            .arg(format!("{base}:{list}"))
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!(!there, "{list}");
    }
    let events: u64 =
        redis::cmd("XLEN").arg(format!("{base}:events")).query_async(&mut redis).await.unwrap();
    assert_eq!(events, 0);
    let (_, scrape) = get(process.http(), "/metrics").await;
    for line in scrape.lines().filter(|line| line.starts_with("roadie_jobs_")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
    assert!(!process.log().contains("canary"), "{}", process.log());
    process.kill().await;
}

#[tokio::test]
async fn a_process_that_is_connected_but_takes_no_jobs_is_not_ready() {
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let admin = Stage::on(Arc::clone(&redis));
    let mut connection = admin.queues().await.redis();
    let mut acl = async |rules: &[&str]| {
        redis::cmd("ACL")
            .arg("SETUSER")
            .arg("crew")
            .arg(rules)
            .exec_async(&mut connection)
            .await
            .unwrap();
    };
    acl(&["on", ">stage", "~*", "&*", "+@all"]).await;
    let url = format!("{}?user=crew&pass=stage", redis.url());
    let stage = quick(Stage::on(redis), 2).set("redis.url", url);
    let process = Process::serving(&stage).await;
    ready(process.http()).await;
    // Commands go on, the scripts that reserve and end jobs do not.
    acl(&["-evalsha", "-eval"]).await;
    let check = eventually("not ready", async || match seen(&process).await {
        (503, check) if check["ok"] == false => Ok(check),
        other => Err(format!("{other:?}")),
    })
    .await;
    let reason = check["reason"].as_str().unwrap();
    assert!(
        reason.contains("a canary was not reserved") && reason.contains("restarting"),
        "{reason}"
    );
    assert_eq!(moving(&process).await, Some(0.0));
    acl(&["+evalsha", "+eval"]).await;
    ready(process.http()).await;
    assert_eq!(moving(&process).await, Some(1.0));
    process.kill().await;
}

#[tokio::test]
async fn a_queue_that_may_not_give_jobs_is_no_fault() {
    let stage = quick(need!(Stage::new()), 2);
    let process = Process::serving(&stage).await;
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    queue.pause().await.unwrap();
    stays_ready(&process, &json!("paused")).await;
    queue.resume().await.unwrap();
    eventually("it moves again", async || match seen(&process).await {
        (200, check) if check["note"].is_null() => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;

    // A rate limit: the canaries take nothing of it away.
    queue.set_global_rate_limit(1, 3_600_000).await.unwrap();
    let first = stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
    stage.completed(QUEUE, &first).await;
    let second = stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
    stays_ready(&process, &json!("its rate limit is reached")).await;
    stage.reached(QUEUE, &second, JobState::Waiting).await;
    queue.remove_global_rate_limit().await.unwrap();
    stage.completed(QUEUE, &second).await;
    process.kill().await;
}

#[tokio::test]
async fn jobs_that_hold_all_slots_are_no_fault() {
    let stage = quick(need!(Stage::new()), 1);
    let process = Process::serving(&stage).await;
    let long = json!({ "act": "steps", "steps": 100, "stepMs": 200 });
    let id = stage.add(QUEUE, "rehearse", long).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    stays_ready(&process, &json!("all slots run jobs")).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    stage.completed(QUEUE, &id).await;
    stays_ready(&process, &Value::Null).await;
    process.kill().await;
}

#[tokio::test]
async fn a_producers_job_of_that_name_is_a_job() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let process = Process::serving(&stage).await;
    let id = stage.add(QUEUE, "canary", json!({})).await;
    assert_eq!(stage.letter(&id).await.reason, "undecodable");
    process.kill().await;
}
