//! A job that takes every worker down is stopped; those that ran beside it are not blamed.
//!
//! `CHAOS=full` runs it with the default lease.

use std::sync::Arc;
use std::time::Duration;

use roadie_jobs::effects::catalogue::DeadLetterFilter;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::fleet::{self, Fleet, Recovery, figures, now_ms};
use super::support::redis::RedisServer;
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";
const SLOTS: usize = 8;
const CRASHES: usize = 3;
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_poison_job_among_good_ones_dies_alone() {
    let good = (0..2_000).map(|_| json!({ "act": "return", "sleepMs": fastrand::u32(5..=50) }));
    let mut payloads: Vec<Value> = good.collect();
    payloads.insert(300, json!({ "act": "crash", "trace": true }));
    dies_alone(2, payloads, 300).await;
}

/// The same few jobs share the worker with the poison each time, and none is over when it acts.
#[tokio::test]
async fn the_neighbours_of_a_poison_job_are_not_blamed() {
    let mut payloads = vec![json!({ "act": "return", "sleepMs": 1_500 }); SLOTS - 1];
    payloads.push(json!({ "act": "crash", "sleepMs": 500, "trace": true }));
    dies_alone(1, payloads, SLOTS - 1).await;
}

/// Ends when all jobs but the poison are done, and the poison is the only dead letter.
async fn dies_alone(workers: usize, payloads: Vec<Value>, poison: usize) {
    let recovery = Recovery::of_this_run();
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = recovery.set(Stage::on(redis).with_rehearsals(SLOTS));
    let mut fleet = Fleet::serving(&stage, workers).await;
    let started = Instant::now();
    let ids = stage.add_many(QUEUE, "rehearse", payloads).await;
    let (mut crashes, queues) = (0, stage.queues().await);
    let limit = Duration::from_mins(1) + 5 * recovery.promised();
    let depth = loop {
        crashes += fleet.replace_ended();
        let depth = queues.depth(QUEUE, now_ms()).await.unwrap();
        if depth.of("completed") + depth.of("failed") == ids.len() as u64 {
            break depth;
        }
        assert!(started.elapsed() < limit, "not done within {limit:?}: {depth:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let took = started.elapsed();
    // It is given up by another process than the one that it took down last.
    crashes += fleet.replace_ended();
    let letter = stage.letter(&ids[poison]).await;
    assert_eq!((letter.reason.as_str(), letter.attempts), ("crash-loop", 3));
    let letters = stage.catalogue().await.dead_letters(&DeadLetterFilter::default()).await.unwrap();
    assert_eq!(letters.len(), 1, "others were blamed: {letters:?}");
    assert_eq!((depth.of("completed"), depth.of("failed")), (ids.len() as u64 - 1, 1));
    let runs = fleet::runs(&stage, QUEUE, &ids[poison..=poison]).await;
    assert_eq!((runs[&ids[poison]].len(), crashes), (CRASHES, CRASHES), "crashes");
    fleet.end().await;
    figures(&format!(
        "poison: {} good jobs done beside it in {took:.1?}, dead letter after {crashes} crashes",
        ids.len() - 1
    ));
}
