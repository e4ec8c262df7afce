//! Redis is killed under load and comes back: what it acknowledged is done, and work goes on at once.

use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep};

use super::support::fleet::{self, Recovery, figures, promised};
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::{SOON, eventually, next, within};

const QUEUE: &str = "rehearsals";
const DOWN: Duration = Duration::from_secs(3);
/// What is promised of a free machine.
const RESUMES: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_loses_nothing_and_work_resumes_at_once() {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let redis = Arc::new(need!(RedisServer::start(&durable)));
    let stage = Recovery::of_this_run().set(Stage::on(Arc::clone(&redis)).with_rehearsals(8));
    let mut workers = [Process::serving(&stage).await, Process::serving(&stage).await];
    let job = || json!({ "act": "return", "sleepMs": fastrand::u32(5..=50) });
    let mut ids = stage.add_many(QUEUE, "rehearse", (0..2_000).map(|_| job())).await;

    // A producer that adds one by one, and remembers what Redis has acknowledged.
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    let (tell, mut acknowledged) = unbounded_channel();
    let producer = tokio::spawn(async move {
        loop {
            match queue.add("rehearse", job()).await {
                Ok(added) => tell.send(added.id().to_owned()).unwrap(),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    });
    let completed = async || {
        let client = redis::Client::open(redis.url()).unwrap();
        let mut redis =
            client.get_multiplexed_async_connection().await.map_err(|e| e.to_string())?;
        let key = format!("{}:{QUEUE}:completed", stage.prefix);
        redis.zcard::<_, u64>(key).await.map_err(|e| e.to_string())
    };
    let more_than = async |done: u64, limit: Duration| {
        within(limit, &format!("more than {done} jobs are done"), async || {
            let seen = completed().await?;
            if seen > done { Ok(()) } else { Err(seen.to_string()) }
        })
        .await;
    };
    for _ in 0..200 {
        ids.push(next(&mut acknowledged).await);
    }
    more_than(200, SOON).await;
    redis.kill();
    sleep(DOWN).await;
    // Returns as soon as it answers.
    redis.restart();
    let answered = Instant::now();
    let before = completed().await.unwrap();
    more_than(before, promised(RESUMES)).await;
    let resumed = answered.elapsed();
    ids.push(next(&mut acknowledged).await);
    producer.abort();
    while let Ok(id) = acknowledged.try_recv() {
        ids.push(id);
    }

    let queues = stage.queues().await;
    let all = ids.len() as u64;
    let limit = Duration::from_mins(1) + Recovery::of_this_run().promised();
    // Beside those, some may have been added without their acknowledgement having come through.
    within(limit, "every acknowledged job is done", async || {
        let mut pipe = redis::pipe();
        for id in &ids {
            pipe.hexists(format!("{}:{QUEUE}:{id}", stage.prefix), "finishedOn");
        }
        let done: Vec<bool> =
            pipe.query_async(&mut queues.redis()).await.map_err(|e| e.to_string())?;
        let open: Vec<_> = ids.iter().zip(done).filter(|(_, done)| !done).collect();
        if open.is_empty() { Ok(()) } else { Err(format!("{open:?}")) }
    })
    .await;
    for worker in &mut workers {
        assert!(worker.runs(), "a worker ended: {}", worker.log());
    }
    figures(&format!("Redis restart: {all} acknowledged jobs done, resumed after {resumed:.1?}"));
    for worker in workers {
        worker.kill().await;
    }
}

/// Leases run out by Redis' clock also while it is away; that is nobody's crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_longer_than_the_leases_restarts_nothing_that_runs() {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let redis = Arc::new(need!(RedisServer::start(&durable)));
    let stage = Stage::on(Arc::clone(&redis))
        .with_rehearsals(4)
        .set("worker.lease", "3s")
        .set("worker.recovery_scan", "500ms");
    let workers = [Process::serving(&stage).await, Process::serving(&stage).await];
    let job = json!({ "act": "return", "sleepMs": 12_000, "trace": true });
    let ids = stage.add_many(QUEUE, "rehearse", vec![job; 8]).await;
    let began = async || {
        let runs = fleet::runs(&stage, QUEUE, &ids).await;
        if runs.values().all(|runs| !runs.is_empty()) { Ok(()) } else { Err(format!("{runs:?}")) }
    };
    eventually("all have begun", began).await;
    redis.kill();
    sleep(Duration::from_secs(5)).await;
    redis.restart();
    for id in &ids {
        stage.completed(QUEUE, id).await;
        let crashes = stage.field(QUEUE, id, "stc").await;
        assert_eq!(crashes, None, "an outage counts as a crash of job {id}");
    }
    let runs = fleet::runs(&stage, QUEUE, &ids).await;
    assert!(runs.values().all(|runs| runs.len() == 1), "jobs ran again: {runs:?}");
    for worker in workers {
        worker.kill().await;
    }
}
