//! Requests to erase somebody that are odd: two at once, about nobody, about a token that nobody takes back.

use bullmq::JobState;
use roadie::stand_in::drive::DriveFault;
use serde_json::{Value, json};

use super::support::drive::of_one;
use super::support::history::concerts;
use super::support::neighbours::{PRIVACY, SHELF, rows_of};
use super::support::stage::{Stage, user};
use super::support::traces::tables;
use super::support::worker::Worker;

fn erasing(stage: Stage) -> Stage {
    stage.set("queues.privacy.slots", 2).set("kinds.delete-user.backoff_base", "20ms")
}

fn request(name: &str, user: i64) -> Value {
    json!({ "requestId": name, "userId": user })
}

/// How many rows a receipt tells of, from all tables.
fn rows_told(receipt: &Value) -> u64 {
    let tables = receipt["removed"]["catalogue"].as_object().unwrap();
    tables.values().map(|rows| rows.as_u64().unwrap()).sum()
}

/// How many rows there are of a user, but for tombstones.
async fn rows_kept(stage: &Stage, user: i64) -> u64 {
    let mut rows = rows_of(&tables(stage).await, user);
    rows.remove("erased_users");
    // Everybody's, whose names begin with the number of whoever has made them.
    for shared in ["venues", "artists", "event_nights", "setlists"] {
        rows.remove(shared);
    }
    rows.values().map(|rows| rows.len() as u64).sum()
}

on_both_databases!(two_requests_at_once_and_one_about_nobody);

async fn two_requests_at_once_and_one_about_nobody(stage: Stage) {
    let stage = erasing(stage);
    let (one, nobody) = (user(), user());
    concerts(&stage, one, 50).await;
    for _ in 0..9 {
        stage.add(SHELF, "scan-folder", json!({ "userId": one, "path": "/x" })).await;
    }
    let before = rows_kept(&stage, one).await;
    assert!(before > 100, "{before}");
    let requests = [request("r-1", one), request("r-2", one), request("r-3", nobody)];
    let ids = stage.add_many(PRIVACY, "delete-user", requests).await;
    let worker = Worker::start(&stage).await;
    let mut receipts = Vec::new();
    for id in &ids {
        receipts.push(stage.returned(PRIVACY, id).await);
    }
    let [first, second, third] = &receipts[..] else { panic!("{receipts:?}") };
    assert_eq!(rows_kept(&stage, one).await, 0);
    // Whichever of them has removed a row has counted it.
    assert_eq!(rows_told(first) + rows_told(second), before, "{first} {second}");
    let jobs = |receipt: &Value| receipt["removed"]["queues"][SHELF].as_u64().unwrap_or(0);
    assert_eq!(jobs(first) + jobs(second), 9, "{first} {second}");
    assert_eq!(rows_told(third), 0, "{third}");
    assert_eq!(third["removed"]["queues"], Value::Null, "{third}");
    assert_ne!(third["doneAt"], Value::Null);
    worker.stop().await;
}

on_both_databases!(a_token_that_is_not_taken_back_is_told_of);

async fn a_token_that_is_not_taken_back_is_told_of(stage: Stage) {
    let (drive, stage, _, user) = of_one(erasing(stage).set("privacy.revoke_within", "1ms")).await;
    for fault in [DriveFault::Broken, DriveFault::PageToken, DriveFault::Unauthorized] {
        drive.break_next("revoke", fault);
    }
    let worker = Worker::start(&stage).await;
    let id = stage.add(PRIVACY, "delete-user", request("r-1", user)).await;
    // Postponed, while nothing counts against it.
    let waiting = stage.reached(PRIVACY, &id, JobState::Delayed).await;
    assert_eq!(waiting.attempts_made(), 0);
    assert_eq!(rows_of(&tables(&stage).await, user)["provider_accounts"].len(), 1);
    let queue = stage.queues().await.queue(PRIVACY).await.unwrap();
    queue.get_job(&id).await.unwrap().unwrap().promote().await.unwrap();
    let receipt = stage.returned(PRIVACY, &id).await;
    let told = json!({ "drive: not revoked, Google did not take it back": 1 });
    assert_eq!(receipt["removed"]["accounts"], told, "{receipt}");
    assert_eq!(rows_kept(&stage, user).await, 0);
    worker.stop().await;
}
