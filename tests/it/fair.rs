//! On a queue that is marked fair, users take turns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use redis::AsyncCommands as _;
use serde_json::{Value, json};

use crate::support::fleet::{self, figures, now_ms};
use crate::support::play::{PLAYS, part};
use crate::support::process::Process;
use crate::support::redis::{RedisServer, slow_scripts};
use crate::support::stage::Stage;
use crate::support::worker::Worker;
use crate::support::{SOON, eventually};

const REHEARSALS: &str = "rehearsals";

fn fair(stage: Stage) -> Stage {
    stage.set("queues.plays.fair", true)
}

/// Adds jobs of one user in one go; each runs `part`.
async fn add(stage: &Stage, user: &str, part: &str, jobs: usize) {
    let queue = stage.queues().await.queue(PLAYS).await.unwrap();
    let payload = json!({ "part": part, "userId": user, "line": user });
    let jobs = (0..jobs).map(|_| bullmq::BulkJob::new("play", payload.clone())).collect();
    queue.add_bulk(jobs).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_holds_no_more_than_its_share_while_others_wait_and_all_slots_alone() {
    let stage = fair(need!(Stage::new()).with_plays(8)).set("queues.plays.fair_share", 0.5);
    let running: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (held, opens) = (Arc::clone(&running), Arc::clone(&gate));
    let wait = part(move |_, user| {
        let (held, opens) = (Arc::clone(&held), Arc::clone(&opens));
        async move {
            let user = user.as_str().unwrap().to_owned();
            *held.lock().unwrap().entry(user.clone()).or_default() += 1;
            opens.acquire().await.unwrap().forget();
            *held.lock().unwrap().get_mut(&user).unwrap() -= 1;
            Ok(Value::Null)
        }
    });
    let seen = |user: &str| running.lock().unwrap().get(user).copied().unwrap_or(0);
    add(&stage, "greedy", &wait, 100).await;
    let worker = Worker::start(&stage).await;
    eventually("all slots of the only user", async || match seen("greedy") {
        8 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    add(&stage, "patient", &wait, 100).await;
    eventually("both waiting in turn", async || {
        let depth = stage.queues().await.depth(PLAYS, 0).await.unwrap();
        if depth.of("waiting") == 0 { Ok(()) } else { Err(format!("{depth:?}")) }
    })
    .await;
    gate.add_permits(8);
    eventually("half of the slots each", async || match (seen("greedy"), seen("patient")) {
        (4, 4) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    gate.add_permits(200);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heavier_user_gets_more_turns() {
    let stage = fair(need!(Stage::new()).with_plays(1))
        .set("queues.plays.fair_share", 1.0)
        .set("queues.plays.user_weights.heavy", 3.0);
    let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
    let told = part(move |_, user| {
        starts.send(user).unwrap();
        async { Ok(Value::Null) }
    });
    let queues = stage.queues().await;
    queues.queue(PLAYS).await.unwrap().pause().await.unwrap();
    let worker = Worker::start(&stage).await;
    add(&stage, "light", &told, 40).await;
    add(&stage, "heavy", &told, 40).await;
    eventually("all in turn", async || {
        let depth = queues.depth(PLAYS, 0).await.unwrap();
        if depth.of("prioritized") == 80 { Ok(()) } else { Err(format!("{depth:?}")) }
    })
    .await;
    queues.queue(PLAYS).await.unwrap().resume().await.unwrap();
    let mut heavy = 0;
    for _ in 0..40 {
        let user = tokio::time::timeout(SOON, started.recv()).await.unwrap().unwrap();
        heavy += usize::from(user == "heavy");
    }
    assert!((28..=32).contains(&heavy), "{heavy} of 40 turns");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_with_a_priority_take_turns_within_it() {
    let stage = fair(need!(Stage::new()).with_plays(1)).set("queues.plays.fair_share", 1.0);
    let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
    let told = part(move |_, user| {
        starts.send(user).unwrap();
        async { Ok(Value::Null) }
    });
    let queues = stage.queues().await;
    let queue = queues.queue(PLAYS).await.unwrap();
    queue.pause().await.unwrap();
    for (user, priority, jobs) in [("a", 10, 300), ("b", 10, 3), ("c", 1, 3), ("d", 0, 3)] {
        let payload = json!({ "part": told, "userId": user, "line": user });
        let options = bullmq::JobOptions { priority: Some(priority), ..Default::default() };
        let job = || bullmq::BulkJob::new("play", payload.clone()).options(options.clone());
        queue.add_bulk((0..jobs).map(|_| job()).collect()).await.unwrap();
    }
    let worker = Worker::start(&stage).await;
    eventually("all in turn", async || {
        let mut redis = queues.redis();
        let indexed: usize = redis::cmd("HLEN")
            .arg(format!("{}:{PLAYS}:roadie:user_of", stage.prefix))
            .query_async(&mut redis)
            .await
            .unwrap();
        if indexed == 309 { Ok(()) } else { Err(indexed.to_string()) }
    })
    .await;
    queue.resume().await.unwrap();
    let mut users = String::new();
    for _ in 0..14 {
        let user = tokio::time::timeout(SOON, started.recv()).await.unwrap().unwrap();
        users += user.as_str().unwrap();
    }
    assert_eq!(&users[..6], "dddccc", "priorities come first");
    assert_eq!(users[6..12].matches('b').count(), 3, "{users}: then turn and turn about");
    worker.stop().await;
}

fn jobs(user: u32, count: usize) -> Vec<Value> {
    vec![json!({ "act": "return", "userId": user, "sleepMs": 50, "trace": true }); count]
}

/// Slots that each user holds now.
async fn held(stage: &Stage) -> HashMap<u64, usize> {
    let mut redis = stage.queues().await.redis();
    let base = format!("{}:{REHEARSALS}", stage.prefix);
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
    let stage = Stage::on(redis).with_rehearsals(8).set("queues.rehearsals.fair", true);
    let worker = Process::serving(&stage).await;
    stage.add_many(REHEARSALS, "rehearse", jobs(1, 20_000)).await;
    eventually("alone, a user gets all slots", async || {
        let held = held(&stage).await;
        if held.get(&1) == Some(&8) { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
    let added = now_ms();
    let ten = stage.add_many(REHEARSALS, "rehearse", jobs(2, 10)).await;
    // Thousands wait before them, and each takes 50 ms of a slot.
    let started = eventually("all ten have started", async || {
        let runs = fleet::runs(&stage, REHEARSALS, &ten).await;
        let started: Vec<i64> = runs.values().filter_map(|runs| Some(runs.first()?.at)).collect();
        if started.len() == ten.len() { Ok(started) } else { Err(format!("{started:?}")) }
    })
    .await;
    let last = started.into_iter().max().unwrap() - added;
    let slow = slow_scripts(&mut stage.queues().await.redis()).await;
    figures(&format!(
        "fairness: ten jobs behind 20,000 of another user started within {last} ms; scripts above 10 ms, \
         in µs: {slow:?}"
    ));
    worker.kill().await;
}
