//! A Redis that answers but takes no writes: said aloud, lost nothing, and over by itself.

use std::sync::Arc;
use std::time::Duration;

use roadie::queue::NewJob;
use serde_json::json;

use super::support::eventually;
use super::support::http::{get, ready};
use super::support::process::{Process, run};
use super::support::redis::{RedisServer, complete};
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";
/// A queue that nobody serves.
const PILE: &str = "pile";
const IN_HAND: usize = 4;
/// They run for two seconds, and each step keeps a checkpoint.
const STEPS: u64 = 20;

/// A server with jobs in hand of a process that serves it.
struct Scene {
    redis: Arc<RedisServer>,
    stage: Stage,
    process: Process,
    jobs: Vec<String>,
}

impl Scene {
    async fn set(redis: RedisServer) -> Self {
        let redis = Arc::new(redis);
        let stage = Stage::on(Arc::clone(&redis)).with_rehearsals(IN_HAND);
        let process = Process::serving(&stage).await;
        let mut jobs = Vec::new();
        for _ in 0..IN_HAND {
            let payload = json!({ "act": "steps", "steps": STEPS, "stepMs": 100 });
            jobs.push(stage.add(QUEUE, "rehearse", payload).await);
        }
        for job in &jobs {
            stage.checkpoint(QUEUE, job, |_| true).await;
        }
        Self { redis, stage, process, jobs }
    }

    fn tell(&self, command: &str) {
        self.redis.ask::<()>(command).unwrap();
    }

    /// While Redis refuses writes: readiness and producers say so, with these words.
    async fn refused(&self, why: &str) {
        let http = self.process.http();
        eventually("not ready, with the reason", async || {
            let (status, body) = get(http, "/readyz").await;
            let said = body.contains("Redis refuses writes") && body.contains(why);
            if status == 503 && said { Ok(()) } else { Err(body) }
        })
        .await;
        assert_eq!(get(http, "/livez").await.0, 200);
        // At the brim, a job may slip in.
        eventually("a producer is told", async || {
            let job = ["enqueue", QUEUE, "rehearse", r#"{"act":"return"}"#];
            let said = run(&self.stage, &job).await;
            let told = said.err.contains("Redis refuses writes") && said.err.contains(why);
            if said.code == 1 && told { Ok(()) } else { Err(format!("{said:?}")) }
        })
        .await;
    }

    /// Once it takes them again: ready, and what was in hand is done as if nothing had happened.
    async fn goes_on(mut self) {
        let http = self.process.http();
        ready(http).await;
        for id in &self.jobs {
            let job = self.stage.completed(QUEUE, id).await;
            assert_eq!((job.attempts_made(), job.failed_reason()), (1, ""), "{job:?}");
        }
        let next = self.stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
        self.stage.completed(QUEUE, &next).await;
        assert!(self.process.runs(), "{}", self.process.log());
        self.process.kill().await;
    }
}

#[tokio::test]
async fn a_full_redis() {
    need!(complete());
    let scene = Scene::set(need!(RedisServer::start(&["--maxmemory", "8mb"]))).await;
    let queues = scene.stage.queues().await;
    let large = || NewJob {
        kind: "rehearse".to_owned(),
        payload: json!({ "act": "return", "value": "x".repeat(50_000) }),
        ..NewJob::default()
    };
    let refused = eventually("an error", async || match queues.add(PILE, large()).await {
        Ok(id) => Err(id),
        Err(error) => Ok(error.to_string()),
    })
    .await;
    let said = "add a job: Redis refuses writes: its memory is full (maxmemory is reached)";
    assert!(refused.starts_with(said), "{refused}");
    // Buffers come and go: whatever room they make is taken at once.
    let producer = {
        let queues = queues.clone();
        tokio::spawn(async move {
            loop {
                if queues.add(PILE, NewJob { payload: json!(0), ..large() }).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        })
    };
    scene.refused("maxmemory").await;
    producer.abort();
    scene.tell("CONFIG SET maxmemory 64mb");
    queues.add(PILE, large()).await.unwrap();
    scene.goes_on().await;
}

#[tokio::test]
async fn a_master_without_enough_replicas() {
    need!(complete());
    let scene = Scene::set(need!(RedisServer::start(&[]))).await;
    scene.tell("CONFIG SET min-replicas-to-write 1");
    scene.refused("min-replicas-to-write").await;
    // Longer than the jobs in hand need.
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.tell("CONFIG SET min-replicas-to-write 0");
    scene.goes_on().await;
}

#[tokio::test]
async fn a_redis_that_cannot_write_to_its_disk() {
    need!(complete());
    let saving = ["--save", "3600 1000000", "--enable-protected-configs", "yes"];
    let scene = Scene::set(need!(RedisServer::start(&saving))).await;
    let dir: Vec<String> = scene.redis.ask("CONFIG GET dir").unwrap();
    // Nobody can write there.
    scene.tell("CONFIG SET dir /proc");
    scene.tell("BGSAVE");
    scene.refused("disk").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    scene.tell(&format!("CONFIG SET dir {}", dir[1]));
    scene.tell("BGSAVE");
    scene.goes_on().await;
}
