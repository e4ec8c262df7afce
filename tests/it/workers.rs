//! Who serves the queues, and with what in hand.

use bullmq::JobState;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::process::{Process, run};
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";

async fn workers(stage: &Stage) -> Vec<Value> {
    let said = run(stage, &["workers", "--json"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

/// Waits until the workers are as wanted.
async fn until(stage: &Stage, what: &str, fits: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(what, async || {
        let workers = workers(stage).await;
        if fits(&workers) { Ok(workers) } else { Err(format!("{workers:?}")) }
    })
    .await
}

#[tokio::test]
async fn every_process_is_shown_until_it_is_gone() {
    let stage = need!(Stage::new()).with_rehearsals(3);
    let none = run(&stage, &["workers"]).await;
    assert!(none.out.starts_with("no worker serves a queue"), "{none:?}");
    let mut fleet = [Process::serving(&stage).await, Process::serving(&stage).await];
    let id = stage.add(QUEUE, "rehearse", json!({ "act": "hang" })).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    let in_hand = |worker: &Value| {
        let queues = worker["queues"].as_array().unwrap();
        queues.iter().map(|queue| queue["jobs"].as_u64().unwrap()).sum::<u64>()
    };
    let found = until(&stage, "two workers, one at work", |workers| {
        workers.len() == 2 && workers.iter().map(in_hand).sum::<u64>() == 1
    })
    .await;
    for process in &fleet {
        let pid = json!(process.pid());
        let worker = found.iter().find(|worker| worker["pid"] == pid).unwrap();
        assert_eq!(
            (&worker["version"], &worker["draining"]),
            (&json!(env!("CARGO_PKG_VERSION")), &json!(false))
        );
        let named = format!("-{pid}-");
        assert!(worker["name"].as_str().unwrap().contains(&named), "{worker}");
        assert!(!worker["host"].as_str().unwrap().is_empty(), "{worker}");
        assert!(worker["heartbeatAgeMs"].as_u64() < Some(15_000), "{worker}");
        let age =
            roadie_jobs::effects::Clock::System.now_ms() - worker["startedAt"].as_i64().unwrap();
        assert!((0..600_000).contains(&age), "{worker}");
        let served = worker["queues"].as_array().unwrap();
        let slots = served.iter().find(|served| served["queue"] == QUEUE).unwrap()["slots"].clone();
        assert_eq!(slots, 3);
    }
    let table = run(&stage, &["workers"]).await.out;
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains(" serving ") && table.contains("rehearsals 1/3"), "{table}");

    // The one with the job in hand says at once that it is stopping.
    let busy = found.iter().find(|worker| in_hand(worker) == 1).unwrap()["pid"].clone();
    let index = fleet.iter().position(|process| json!(process.pid()) == busy).unwrap();
    fleet[index].signal("TERM");
    until(&stage, "one is draining", |workers| {
        workers.iter().any(|worker| worker["pid"] == busy && worker["draining"] == true)
    })
    .await;
    // One that has stopped is gone at once, one that was killed when it has been silent for a while.
    fleet[1 - index].signal("TERM");
    assert_eq!(fleet[1 - index].exit(super::support::SOON).await, 0);
    until(&stage, "one is left", |workers| workers.len() == 1).await;
    let [a, b] = fleet;
    (if index == 0 { a } else { b }).kill().await;
    until(&stage, "nobody is left", <[Value]>::is_empty).await;
}
