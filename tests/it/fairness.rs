//! On a queue that is marked fair, a user with a backlog keeps nobody waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::{Value, json};

use super::support::fleet::{self, figures, now_ms};
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::{eventually, within};

const QUEUE: &str = "rehearsals";
const SLOTS: usize = 8;

fn jobs(user: u32, count: usize, sleep_ms: u32) -> Vec<Value> {
    vec![json!({ "act": "return", "userId": user, "sleepMs": sleep_ms, "trace": true }); count]
}

/// Slots that each user holds now.
async fn held(stage: &Stage) -> HashMap<u64, usize> {
    let mut redis = stage.queues().await.redis();
    let base = format!("{}:{QUEUE}", stage.prefix);
    let active: Vec<String> = redis.lrange(format!("{base}:active"), 0, -1).await.unwrap();
    let mut held = HashMap::new();
    for id in active {
        // A job may have ended since.
        let data: Option<String> = redis.hget(format!("{base}:{id}"), "data").await.unwrap();
        let Some(data) = data else { continue };
        let payload: Value = serde_json::from_str(&data).unwrap();
        *held.entry(payload["userId"].as_u64().unwrap()).or_default() += 1;
    }
    held
}

#[tokio::test]
async fn ten_jobs_of_one_user_do_not_wait_for_twenty_thousand_of_another() {
    let watched = ["--slowlog-log-slower-than", "10000", "--slowlog-max-len", "1000"];
    let redis = Arc::new(need!(RedisServer::start(&watched)));
    let stage = Stage::on(redis).with_rehearsals(SLOTS).set("queues.rehearsals.fair", true);
    let worker = Process::serving(&stage).await;
    stage.add_many(QUEUE, "rehearse", jobs(1, 20_000, 50)).await;
    eventually("alone, a user gets all slots", async || {
        let held = held(&stage).await;
        if held.get(&1) == Some(&SLOTS) { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
    let added = now_ms();
    let ten = stage.add_many(QUEUE, "rehearse", jobs(2, 10, 50)).await;
    // Thousands wait before them, and each takes 50 ms of a slot.
    let started = within(Duration::from_secs(10), "all ten have started", async || {
        let runs = fleet::runs(&stage, QUEUE, &ten).await;
        let started: Vec<i64> = runs.values().filter_map(|runs| Some(runs.first()?.at)).collect();
        if started.len() == ten.len() { Ok(started) } else { Err(format!("{started:?}")) }
    })
    .await;
    let last = started.into_iter().max().unwrap() - added;
    let slow = super::support::redis::slow_scripts(&mut stage.queues().await.redis()).await;
    figures(&format!(
        "fairness: ten jobs behind 20,000 of another user started within {last} ms; scripts above 10 ms, \
         in µs: {slow:?}"
    ));
    worker.kill().await;
}
