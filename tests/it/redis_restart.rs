//! Redis dies and comes back: the process stays, its jobs go on.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use roadie::observe::logs::error_line;
use roadie::queue::NewJob;
use roadie_jobs::effects::Clock;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::fleet::full;
use super::support::photos;
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::{Stage, user};

const SCANS: &str = "photo-processing";
const REHEARSALS: &str = "rehearsals";

#[tokio::test]
async fn a_scan_survives_the_death_of_redis() {
    const PHOTOS: usize = 2_000;
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let redis = Arc::new(need!(RedisServer::start(&durable)));
    let stage = Stage::on(Arc::clone(&redis)).with_short_leases();
    let folder = stage.folder("photos");
    photos::write_many(&folder, PHOTOS);
    let stage = stage.set("folders.roots", folder.display());
    let mut process = Process::serving(&stage).await;
    let user = user();
    let payload = json!({ "userId": user, "path": folder, "batchSize": 20 });
    let id = stage.add(SCANS, "scan-folder", payload.clone()).await;
    let far = |checkpoint: &Value| checkpoint["counts"]["processed"].as_u64() >= Some(100);
    let seen = stage.checkpoint(SCANS, &id, far).await;
    redis.kill();
    let done = seen["counts"]["processed"].as_u64().unwrap();
    assert!(done < 1_900, "over before the kill: {seen}");
    redis.restart();

    let result = stage.returned(SCANS, &id).await;
    assert_eq!(result["totalPhotos"], PHOTOS);
    let photos = stage.catalogue().await.photos(user, None, 10_000).await.unwrap();
    let names: HashSet<&str> = photos.iter().map(|photo| photo.name.as_str()).collect();
    assert_eq!((photos.len(), names.len()), (PHOTOS, PHOTOS));
    assert_eq!(stage.completed(SCANS, &id).await.failed_reason(), "");

    let again = stage.add(SCANS, "scan-folder", payload).await;
    assert_eq!(stage.returned(SCANS, &again).await["skipped"], PHOTOS);
    assert!(process.runs(), "{}", process.log());
    process.kill().await;
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the pauses are what readers ask for")]
async fn work_goes_on_with_its_first_answers() {
    const JOBS: usize = 3_000;
    // What is promised of a free machine, which `CHAOS=full` needs.
    const RESUMES_WITHIN: i64 = 2_000;
    let redis = Arc::new(need!(RedisServer::start(&["--appendonly", "yes"])));
    let stage = Stage::on(Arc::clone(&redis)).with_rehearsals(8);
    let queues = stage.queues().await;
    let add = async || {
        let payload = json!({ "act": "steps", "steps": 1, "stepMs": 5 });
        queues
            .add(REHEARSALS, NewJob { kind: "rehearse".to_owned(), payload, ..NewJob::default() })
            .await
    };
    for _ in 0..JOBS {
        add().await.unwrap();
    }
    let mut process = Process::serving(&stage).await;
    let completed = format!("{}:{REHEARSALS}:completed", stage.prefix);
    for outage in 1..=2 {
        eventually("jobs are done", async || {
            let done: i64 = redis.ask(&format!("ZCARD {completed}")).unwrap();
            if done > outage * 300 { Ok(()) } else { Err(done.to_string()) }
        })
        .await;
        redis.kill();
        let error = add().await.unwrap_err();
        assert!(error.to_string().contains("add a job: Redis is not reachable"), "{error:?}");
        // For as long as a supervisor needs to start it again.
        tokio::time::sleep(Duration::from_secs(3)).await;
        redis.restart();
        let back = Clock::System.now_ms();
        eventually("a producer may add again", async || add().await.map_err(|e| error_line(&e)))
            .await;
        let added = Clock::System.now_ms() - back;
        let first = eventually("a job is done", async || {
            let later: Vec<String> = redis
                .ask(&format!("ZRANGEBYSCORE {completed} {back} +inf WITHSCORES LIMIT 0 1"))
                .unwrap();
            later.get(1).map(|at| at.parse::<i64>().unwrap()).ok_or_else(|| "none".to_owned())
        })
        .await;
        eprintln!(
            "outage {outage}: first job done after {} ms, added after {added} ms",
            first - back
        );
        if full() {
            assert!(first - back <= RESUMES_WITHIN && added <= RESUMES_WITHIN);
        }
    }
    assert!(process.runs(), "{}", process.log());
    process.kill().await;
}
