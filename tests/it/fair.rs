//! On a queue that is marked fair, users take turns.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::play::{PLAYS, part};
use crate::support::stage::Stage;
use crate::support::worker::Worker;
use crate::support::{SOON, eventually};

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
async fn one_user_with_thousands_of_jobs_does_not_keep_another_waiting() {
    let stage = fair(need!(Stage::new()).with_plays(4));
    let (starts, mut started) = tokio::sync::mpsc::unbounded_channel();
    let nap = part(move |_, user| {
        starts.send(user).unwrap();
        async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(Value::Null)
        }
    });
    add(&stage, "many", &nap, 5_000).await;
    let worker = Worker::start(&stage).await;
    for _ in 0..20 {
        tokio::time::timeout(SOON, started.recv()).await.unwrap();
    }
    add(&stage, "few", &nap, 10).await;
    let (mut few, mut many) = (0, 0);
    while few < 10 {
        match tokio::time::timeout(SOON, started.recv()).await.unwrap().unwrap().as_str() {
            Some("few") => few += 1,
            _ => many += 1,
        }
    }
    // Turn and turn about, once the newcomer's jobs were seen.
    assert!(many < 200, "{many} jobs of the other user ran before the ten");
    worker.stop().await;
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
