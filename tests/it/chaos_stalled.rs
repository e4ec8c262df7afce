//! Tens of thousands of jobs lose their leases at once: they come back, and the others hardly notice.
//!
//! `CHAOS=full` holds it to its figures, which needs a quiet machine: Redis and the workers are measured
//! by the clock. Otherwise they are only told.

use std::sync::Arc;
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::support::fleet::{figures, full, now_ms};
use super::support::process::Process;
use super::support::redis::{RedisServer, slow_scripts};
use super::support::stage::Stage;

const STALLED: usize = 30_000;
/// The queue that they are in, and one beside it that the same workers serve.
const QUEUES: [&str; 2] = ["rehearsals", "others"];
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The longest script, in microseconds.
const LONGEST: u64 = 10_000;
/// How long the normal pace is watched.
const WATCH: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_thousand_lost_leases_do_not_stop_the_others() {
    // Until all are recovered, and the part of their pace that other jobs keep meanwhile.
    let (minutes, share) = if full() { (1, 0.8) } else { (4, 0.0) };
    let recovered_within = Duration::from_mins(minutes);
    let watched = ["--slowlog-log-slower-than", "10000", "--slowlog-max-len", "1000"];
    let redis = Arc::new(need!(RedisServer::start(&watched)));
    let stage = Stage::on(redis)
        .with_rehearsals(8)
        .set("queues.others.slots", 8)
        .set("worker.slots", 17)
        .set("log.level", "warn,roadie::daemon=info");
    let queues = stage.queues().await;
    let mut redis = queues.redis();
    let base = format!("{}:{}", stage.prefix, QUEUES[0]);
    let job = json!({ "act": "return", "sleepMs": 50 });

    // Reserved once, and not among those that wait.
    let stalled = stage.add_many(QUEUES[0], "rehearse", vec![job.clone(); STALLED]).await;
    let _: u64 = redis.del(format!("{base}:wait")).await.unwrap();
    for chunk in stalled.chunks(1_000) {
        let mut pipe = redis::pipe();
        for id in chunk {
            pipe.hset(format!("{base}:{id}"), "ats", 1).ignore();
        }
        pipe.query_async::<()>(&mut redis).await.unwrap();
    }
    for queue in QUEUES {
        // More than are done meanwhile.
        stage.add_many(queue, "rehearse", vec![job.clone(); 25_000]).await;
    }
    let workers = [Process::serving(&stage).await, Process::serving(&stage).await];
    let of = async |queue, state| queues.depth(queue, now_ms()).await.unwrap().of(state);
    let done = async || [of(QUEUES[0], "completed").await, of(QUEUES[1], "completed").await];
    #[expect(clippy::cast_precision_loss, reason = "counts of jobs")]
    let pace = async |before: [u64; 2], since: Instant| {
        let (now, time) = (done().await, since.elapsed().as_secs_f64());
        [0, 1].map(|queue| (now[queue] - before[queue]) as f64 / time)
    };
    while done().await.iter().any(|&done| done < 500) {
        sleep(LOOK_EVERY).await;
    }
    let (before, since) = (done().await, Instant::now());
    sleep(WATCH).await;
    let normal = pace(before, since).await;

    redis::cmd("SLOWLOG").arg("RESET").query_async::<()>(&mut redis).await.unwrap();
    // As a fleet leaves them that died as a whole: active, and no lease left.
    for chunk in stalled.chunks(1_000) {
        let _: u64 = redis.rpush(format!("{base}:active"), chunk).await.unwrap();
    }
    let (before, since) = (done().await, Instant::now());
    let recovered = loop {
        let active = of(QUEUES[0], "active").await;
        // What is left are the slots.
        if active <= 16 {
            break since.elapsed();
        }
        assert!(since.elapsed() < recovered_within, "{active} are active still");
        sleep(LOOK_EVERY).await;
    };
    let meanwhile = pace(before, since).await;
    let slow = slow_scripts(&mut redis).await;
    figures(&format!(
        "{STALLED} lost leases: recovered after {recovered:.1?}; jobs/s of their queue and of another: \
         {normal:.0?} before, {meanwhile:.0?} meanwhile; scripts above 10 ms, in µs: {slow:?}"
    ));
    if full() {
        assert!(slow.iter().all(|&(_, micros)| micros <= LONGEST), "scripts took long: {slow:?}");
    }
    for queue in [0, 1] {
        let (normal, meanwhile) = (normal[queue], meanwhile[queue]);
        assert!(meanwhile > share * normal, "{meanwhile:.0} jobs/s instead of {normal:.0}");
        assert!(of(QUEUES[queue], "waiting").await > 0, "it ended too soon to tell");
    }
    for worker in workers {
        worker.kill().await;
    }
}
