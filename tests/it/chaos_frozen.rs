//! A worker that was frozen for longer than its leases changes nothing when it thaws.
//!
//! `CHAOS=full` freezes it for 45 s, with the default lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::{Value, json};

use super::support::fleet::{self, full};
use super::support::http;
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::within;

const QUEUE: &str = "rehearsals";

#[tokio::test]
async fn a_frozen_worker_that_thaws_changes_nothing() {
    // While the first one is frozen its handlers' sleep runs out. The second one begins when the
    // lease has run out, so it still sleeps when the first one is back.
    let (lease, sleep, frozen_for) = if full() { (15, 43, 45) } else { (15, 17, 18) };
    let server = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(server)
        .with_rehearsals(9)
        .set("worker.slots", 10)
        .set("worker.lease", format!("{lease}s"))
        .set("worker.recovery_scan", "1s")
        .set("kinds.rehearse.timeout", "5m");
    let frozen = Process::serving(&stage).await;
    let acts = [
        json!({ "act": "return", "value": "of whom?" }),
        json!({ "act": "fail" }),
        json!({ "act": "discard" }),
        json!({ "act": "postpone", "afterMs": 60_000 }),
        json!({ "act": "panic" }),
        json!({ "act": "steps", "steps": 100, "stepMs": 100 }),
        json!({ "act": "insist" }),
        json!({ "act": "insist" }),
        json!({ "act": "hang" }),
    ];
    let payloads = acts.into_iter().map(|mut act| {
        act["sleepMs"] = json!(sleep * 1_000);
        act["trace"] = json!(true);
        act
    });
    let ids = stage.add_many(QUEUE, "rehearse", payloads).await;
    let began = async |times: usize, limit: u64| {
        let what = format!("run {times} of every job begins");
        within(Duration::from_secs(limit), &what, async || {
            let runs = fleet::runs(&stage, QUEUE, &ids).await;
            let begun = runs.values().filter(|runs| runs.len() == times).count();
            if begun == ids.len() { Ok(()) } else { Err(format!("{runs:?}")) }
        })
        .await;
    };
    began(1, 15).await;
    frozen.signal("STOP");
    let thaws = tokio::time::Instant::now() + Duration::from_secs(frozen_for);
    let other = Process::serving(&stage).await;
    began(2, lease + 6).await;
    let before = everything(&stage, &ids).await;
    tokio::time::sleep_until(thaws).await;
    let changed = changes(&before, &everything(&stage, &ids).await);
    assert!(changed.is_empty(), "too slow a machine: the second worker is done: {changed:#?}");

    frozen.signal("CONT");
    // Every handler is cancelled.
    let active = "roadie_jobs_active{queue=\"rehearsals\"}";
    http::counted(frozen.http(), active, |jobs| jobs == Some(0.0)).await;
    let changed = changes(&before, &everything(&stage, &ids).await);
    assert!(changed.is_empty(), "the frozen worker changed something: {changed:#?}");
    // The result of each of the nine; progress that was refused is counted, too.
    let rejected = "roadie_stale_results_rejected_total{queue=\"rehearsals\"}";
    http::counted(frozen.http(), rejected, |results| results >= Some(9.0)).await;

    // And the second one goes on: its own result is the one that counts.
    let value = stage.returned(QUEUE, &ids[0]).await;
    assert_eq!(value, "of whom?");
    let insisted = stage.returned(QUEUE, &ids[6]).await;
    assert_eq!(insisted, json!({ "checkpoint": true }));
    other.kill().await;
    frozen.kill().await;
}

type State = BTreeMap<String, Value>;

/// All that a late worker could change: the jobs, their logs and leases, the queue's lists and sets,
/// its events.
async fn everything(stage: &Stage, ids: &[String]) -> State {
    let mut redis = stage.queues().await.redis();
    let base = format!("{}:{QUEUE}", stage.prefix);
    let mut all = State::new();
    for id in ids {
        let job: BTreeMap<String, String> = redis.hgetall(format!("{base}:{id}")).await.unwrap();
        let log: Vec<String> = redis.lrange(format!("{base}:{id}:logs"), 0, -1).await.unwrap();
        let lease: Option<String> = redis.get(format!("{base}:{id}:lock")).await.unwrap();
        all.insert(id.clone(), json!({ "job": job, "log": log, "lease": lease }));
    }
    for list in ["wait", "active", "paused"] {
        let ids: Vec<String> = redis.lrange(format!("{base}:{list}"), 0, -1).await.unwrap();
        all.insert(list.to_owned(), json!(ids));
    }
    for set in ["delayed", "prioritized", "waiting-children", "completed", "failed"] {
        let ids: Vec<(String, f64)> =
            redis.zrange_withscores(format!("{base}:{set}"), 0, -1).await.unwrap();
        all.insert(set.to_owned(), json!(ids));
    }
    let events: Vec<(String, Vec<String>)> = redis::cmd("XRANGE")
        .arg(format!("{base}:events"))
        .arg("-")
        .arg("+")
        .query_async(&mut redis)
        .await
        .unwrap();
    all.extend(events.into_iter().map(|(id, event)| (format!("event {id}"), json!(event))));
    all
}

/// What differs, before and after.
fn changes(before: &State, after: &State) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = names.into_iter().filter(|&name| before.get(name) != after.get(name));
    changed.map(|name| format!("{name}: {:?} → {:?}", before.get(name), after.get(name))).collect()
}
