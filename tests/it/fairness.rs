//! On a queue that is marked fair, a user with a backlog keeps nobody waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::support::fleet::{self, figures, now_ms};
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::{Missing, SOON, eventually, within};

const QUEUE: &str = "rehearsals";
const SLOTS: usize = 8;

fn fair() -> Result<Stage, Missing> {
    Ok(Stage::new()?
        .with_rehearsals(SLOTS)
        .set("worker.slots", SLOTS + 1)
        .set("queues.rehearsals.fair", true))
}

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

#[tokio::test]
async fn a_share_bounds_a_user_while_others_wait_and_leaves_no_slot_idle() {
    // By its weight the first one would hold seven of eight.
    let stage = need!(fair())
        .set("queues.rehearsals.fair_share", "0.5")
        .set("queues.rehearsals.user_weights.1", "10.0");
    for user in [1, 2] {
        stage.add_many(QUEUE, "rehearse", jobs(user, 400, 50)).await;
    }
    let worker = Process::serving(&stage).await;
    let queues = stage.queues().await;
    // What the first one took before the other's jobs had turns runs to its end.
    eventually("turns have been dealt", async || {
        let held = held(&stage).await;
        let bounded = held.get(&1).is_none_or(|most| *most <= SLOTS / 2);
        if held.len() == 2 && bounded { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
    let (mut looks, mut full) = (0, 0);
    let deadline = Instant::now() + SOON;
    // The second one has jobs waiting for all that time.
    while queues.depth(QUEUE, now_ms()).await.unwrap().of("completed") < 400 {
        assert!(Instant::now() < deadline, "too slow to tell");
        let held = held(&stage).await;
        let most = held.get(&1).copied().unwrap_or(0);
        assert!(most <= SLOTS / 2, "the first user holds {most} slots: {held:?}");
        looks += 1;
        full += usize::from(held.values().sum::<usize>() == SLOTS);
        sleep(Duration::from_millis(10)).await;
    }
    assert!(full * 2 > looks, "slots idle: all were held in {full} of {looks} looks");
    worker.kill().await;
}

#[tokio::test]
async fn users_have_turns_by_their_weights() {
    let stage = need!(fair())
        .set("queues.rehearsals.fair_share", "1.0")
        .set("queues.rehearsals.user_weights.1", "3.0");
    let mut ids = HashMap::new();
    for user in [1, 2] {
        ids.insert(user, stage.add_many(QUEUE, "rehearse", jobs(user, 300, 10)).await);
    }
    let worker = Process::serving(&stage).await;
    let queues = stage.queues().await;
    eventually("half of the jobs are done", async || {
        let done = queues.depth(QUEUE, now_ms()).await.unwrap().of("completed");
        if done >= 300 { Ok(()) } else { Err(done.to_string()) }
    })
    .await;
    let mut starts: Vec<(i64, u32)> = Vec::new();
    for (user, ids) in &ids {
        let runs = fleet::runs(&stage, QUEUE, ids).await;
        starts.extend(runs.values().filter_map(|runs| Some((runs.first()?.at, *user))));
    }
    starts.sort_unstable();
    let first = starts.iter().take(200).filter(|(_, user)| *user == 1).count();
    assert!((140..=160).contains(&first), "{first} of the first 200 turns, not three of four");
    worker.kill().await;
}
