//! A deploy under load costs nothing: workers are replaced one after the other as the runbook says, and no
//! job fails or loses an attempt.

use std::collections::HashMap;
use std::time::Duration;

use bullmq::JobState;
use redis::AsyncCommands as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::support::fleet::{self, Fleet, figures, now_ms};
use super::support::stage::{Stage, user};
use super::support::{photos, within};

const QUEUE: &str = "rehearsals";
const SCANS: &str = "photo-processing";
const WORKERS: usize = 4;
/// Longer than the grace period, so that they are released and go on elsewhere, several times.
const LONG: (usize, u64, u64) = (40, 240, 25);
const LIMIT: Duration = Duration::from_mins(3);

/// Short jobs keep coming until it is enough; answers their ids.
async fn load(stage: &Stage, enough: CancellationToken) -> Vec<String> {
    let mut ids = Vec::new();
    while !enough.is_cancelled() {
        let short = (0..20)
            .map(|_| json!({ "act": "return", "sleepMs": fastrand::u32(1..=50), "trace": true }));
        ids.extend(stage.add_many(QUEUE, "rehearse", short).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ids
}

/// How many jobs have these numbers in these fields; a field that is not there is 0.
async fn numbers<const N: usize>(
    stage: &Stage,
    queue: &str,
    ids: &[String],
    fields: [&str; N],
) -> HashMap<[u32; N], usize> {
    let mut redis = stage.queues().await.redis();
    let mut numbers = HashMap::new();
    for chunk in ids.chunks(1_000) {
        let mut pipe = redis::pipe();
        for id in chunk {
            let key = format!("{}:{queue}:{id}", stage.prefix);
            pipe.cmd("HMGET").arg(key).arg(&fields);
        }
        let found: Vec<[Option<u32>; N]> = pipe.query_async(&mut redis).await.unwrap();
        for values in found {
            *numbers.entry(values.map(|value| value.unwrap_or(0))).or_default() += 1;
        }
    }
    numbers
}

/// Attempts that counted, and crashes that the job was blamed for, of each job that completed.
async fn costs(stage: &Stage, queue: &str, ids: &[String]) -> HashMap<[u32; 2], usize> {
    let mut redis = stage.queues().await.redis();
    let completed: usize =
        redis.zcard(format!("{}:{queue}:completed", stage.prefix)).await.unwrap();
    assert_eq!(completed, ids.len());
    numbers(stage, queue, ids, ["atm", "stc"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replacing_workers_under_load_fails_no_job_and_counts_no_attempt() {
    let stage = need!(Stage::new()).with_rehearsals(12).set("worker.grace_period", "3s");
    let folder = stage.folder("photos");
    photos::write_many(&folder, 40);
    let stage = stage.set("folders.roots", folder.display());
    let mut fleet = Fleet::serving(&stage, WORKERS).await;
    let (jobs, steps, step_ms) = LONG;
    let long = (0..jobs).map(|_| json!({ "act": "steps", "steps": steps, "stepMs": step_ms }));
    let long = stage.add_many(QUEUE, "rehearse", long).await;
    // More than three workers hold: whoever is replaced first has some.
    for id in &long {
        stage.reached(QUEUE, id, JobState::Active).await;
    }
    let scans = (0..20).map(|_| json!({ "userId": user(), "path": folder }));
    let scans = stage.add_many(SCANS, "scan-folder", scans).await;

    let enough = CancellationToken::new();
    let (short, codes) = tokio::join!(load(&stage, enough.clone()), async {
        let codes = fleet.restart_one_by_one().await;
        enough.cancel();
        codes
    });
    let queues = stage.queues().await;
    let all = long.len() + short.len();
    within(LIMIT, "every job has ended", async || {
        let (rehearsed, scanned) = (
            queues.depth(QUEUE, now_ms()).await.unwrap(),
            queues.depth(SCANS, now_ms()).await.unwrap(),
        );
        let ended = |depth: &roadie::queue::Depth| depth.of("completed") + depth.of("failed");
        let done = (ended(&rehearsed), ended(&scanned)) == (all as u64, scans.len() as u64);
        if done { Ok(()) } else { Err(format!("{rehearsed:?} {scanned:?}")) }
    })
    .await;
    fleet.end().await;

    assert!(codes.iter().all(|code| [0, 75].contains(code)), "{codes:?}");
    // Each job completed with the one attempt that counts a success, and was blamed for nothing.
    let rehearsed: Vec<String> = long.iter().chain(&short).cloned().collect();
    assert_eq!(costs(&stage, QUEUE, &rehearsed).await, HashMap::from([([1, 0], all)]));
    assert_eq!(costs(&stage, SCANS, &scans).await, HashMap::from([([1, 0], scans.len())]));
    // What fits into the grace period ran once; what does not went on from its checkpoint.
    let runs = fleet::runs(&stage, QUEUE, &short).await;
    assert!(runs.values().all(|runs| runs.len() == 1), "a short job ran twice");
    // Those that were on their way to a worker that stopped were given back as they had been.
    let started = numbers(&stage, QUEUE, &short, ["ats"]).await;
    assert_eq!(started, HashMap::from([([1], short.len())]));
    let mut resumed = 0;
    for id in &long {
        let result: Value = stage.returned(QUEUE, id).await;
        assert_eq!(result["steps"], steps);
        resumed += usize::from(result["resumedAt"].as_u64() > Some(0));
    }
    assert!(resumed > 0, "no long job was released and went on elsewhere");
    figures(&format!(
        "{WORKERS} workers replaced under load: {all} jobs and {} scans, 0 failed, 0 attempts; exit codes \
         {codes:?}; {resumed} of {jobs} long jobs went on elsewhere from their checkpoints",
        scans.len()
    ));
}
