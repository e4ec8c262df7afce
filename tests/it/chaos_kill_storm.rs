//! Workers are killed while they work: every job runs to its end, soon, and none is blamed.
//!
//! `CHAOS=full` runs it at full length.

use std::sync::Arc;
use std::time::Duration;

use roadie_jobs::effects::catalogue::DeadLetterFilter;
use serde_json::json;
use tokio::time::Instant;

use super::support::fleet::{
    self, Fleet, Killed, Recovery, Storm, figures, full, now_ms, percentile,
};
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::within;

const QUEUE: &str = "rehearsals";
const WORKERS: usize = 4;
const SLOTS: usize = 8;
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_kills_loses_no_job_and_blames_none() {
    let (jobs, kill_every) = if full() { (20_000, 3) } else { (5_000, 1) };
    let kill_every = Duration::from_secs(kill_every);
    let recovery = Recovery::of_this_run();
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = recovery.set(Stage::on(redis).with_rehearsals(SLOTS));
    // Where the machine kills as fast as it works, chance has the same job in hand three times.
    let stage = if full() { stage } else { stage.set("worker.max_crashes", 9) };
    let payloads = (0..jobs)
        .map(|_| json!({ "act": "return", "sleepMs": fastrand::u32(5..=50), "trace": true }));
    let ids = stage.add_many(QUEUE, "rehearse", payloads).await;
    let mut fleet = Fleet::serving(&stage, WORKERS).await;

    let started = Instant::now();
    let (mut kills, queues) = (Vec::new(), stage.queues().await);
    let limit = Duration::from_millis(jobs * 30) + 2 * recovery.promised();
    let mut storm = Storm::new(kill_every, jobs / 50);
    loop {
        let depth = queues.depth(QUEUE, now_ms()).await.unwrap();
        let ended = depth.of("completed") + depth.of("failed");
        if ended == jobs {
            break;
        }
        assert!(started.elapsed() < limit, "not done within {limit:?}: {depth:?}");
        if let Some(killed) = fleet.strike(&mut storm, ended).await {
            let held = fleet::held_by(&stage, QUEUE, killed.pid).await;
            kills.push((killed, held));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let took = started.elapsed();
    fleet.end().await;

    let depth = queues.depth(QUEUE, now_ms()).await.unwrap();
    assert_eq!(depth.of("completed"), jobs, "{depth:?}");
    let letters = stage.catalogue().await.dead_letters(&DeadLetterFilter::default()).await.unwrap();
    assert!(letters.is_empty(), "{letters:?}");
    let runs = fleet::runs(&stage, QUEUE, &ids).await;
    let never = runs.values().filter(|runs| runs.is_empty()).count();
    assert_eq!(never, 0, "jobs that completed and never ran");
    let again: usize = runs.values().map(|runs| runs.len() - 1).sum();
    assert!(again <= kills.len() * SLOTS, "{again} second runs after {} kills", kills.len());

    let mut waits = Vec::new();
    for (Killed { pid, at }, held) in &kills {
        for id in held {
            // One that was reserved and had not begun has no run of the process that was killed.
            match runs[id].iter().find(|run| run.at >= *at && run.process != *pid) {
                Some(next) => waits.push(next.at - at),
                // Its result was on the way to Redis when its process died, and arrived.
                None => assert!(runs[id].iter().any(|run| run.process == *pid), "{id} never ran"),
            }
        }
    }
    assert!(kills.len() > 1 && !waits.is_empty(), "no storm: {kills:?}");
    let p99 = percentile(&mut waits, 0.99);
    figures(&format!(
        "kill storm: {jobs} jobs in {took:.1?}, {} kills, {} orphans, {again} second runs, 0 lost, 0 dead; \
         an orphan ran again after {} ms (median), {p99} ms (p99), {} ms (longest)",
        kills.len(),
        waits.len(),
        percentile(&mut waits, 0.5),
        percentile(&mut waits, 1.0),
    ));
    // Next to other tests a machine may be too busy to keep what is promised of a free one.
    if full() {
        assert!(p99 <= millis(recovery.promised()), "orphans waited {p99} ms (p99): {waits:?}");
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

/// An idle fleet is the harder case: nothing but the clockwork finds the orphan.
#[tokio::test]
async fn an_orphan_of_an_idle_fleet_runs_again_as_soon() {
    let recovery = Recovery::of_this_run();
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = recovery.set(Stage::on(redis).with_rehearsals(SLOTS));
    let mut fleet = Fleet::serving(&stage, 1).await;
    let payload = json!({ "act": "return", "sleepMs": 3_600_000, "trace": true });
    let ids = stage.add_many(QUEUE, "rehearse", [payload]).await;
    let limit = fleet::promised(recovery.promised());
    let ran = async |times: usize| {
        within(limit, &format!("run {times} begins"), async || {
            let runs = fleet::runs(&stage, QUEUE, &ids).await;
            let runs = &runs[&ids[0]];
            runs.get(times - 1).cloned().ok_or(format!("{runs:?}"))
        })
        .await
    };
    ran(1).await;
    let killed = fleet.kill_any().await;
    let waited = ran(2).await.at - killed.at;
    figures(&format!("the orphan of an idle fleet ran again after {waited} ms"));
    fleet.end().await;
}
