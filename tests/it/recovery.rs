//! A worker that dies takes no job with it, and a job that kills workers is stopped.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bullmq::JobState;
use redis::AsyncCommands as _;
use roadie_jobs::effects::catalogue::DeadLetterFilter;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::{Notify, Semaphore};

use super::support::fleet::now_ms;
use super::support::play::{PLAYS, call, part};
use super::support::process::Process;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;
use super::support::{SOON, eventually, next, photos};

const SCANS: &str = "photo-processing";

#[tokio::test]
async fn a_scan_whose_worker_was_killed_goes_on_in_another() {
    const PHOTOS: usize = 3_000;
    const BATCH: u64 = 20;
    let stage = need!(Stage::new()).with_short_leases();
    let folder = stage.folder("photos");
    photos::write_many(&folder, PHOTOS);
    let stage = stage.set("folders.roots", folder.display());
    // The first one makes the schema; both would do it, one after the other.
    let mut fleet = vec![Process::serving(&stage).await];
    fleet.push(Process::serving(&stage).await);
    let user = user();
    let payload = json!({ "userId": user, "path": folder, "batchSize": BATCH });
    let id = stage.add(SCANS, "scan-folder", payload).await;
    let far = |checkpoint: &Value| checkpoint["counts"]["processed"].as_u64() >= Some(5 * BATCH);
    stage.checkpoint(SCANS, &id, far).await;

    let job = stage.reached(SCANS, &id, JobState::Active).await;
    let by = job.processed_by().unwrap().to_owned();
    let holds = |process: &Process| by.contains(&format!("-{}-", process.pid()));
    let victim = fleet.iter().position(holds).unwrap();
    fleet.remove(victim).kill().await;
    let (job, place) = stage.queues().await.job(SCANS, &id).await.unwrap();
    assert_eq!((place, job.attempts_made()), (JobState::Active, 0), "over before the kill");

    let result = stage.returned(SCANS, &id).await;
    let job = stage.completed(SCANS, &id).await;
    assert_eq!((job.attempts_started(), job.attempts_made()), (2, 1));
    assert_ne!(job.processed_by(), Some(by.as_str()));
    // The page that was under way may be known already; a scan from the start would know five.
    assert_eq!(result["totalPhotos"], PHOTOS);
    assert!(result["skipped"].as_u64() <= Some(BATCH), "{result}");
    let photos = stage.catalogue().await.photos(user, None, 10_000).await.unwrap();
    let names: HashSet<&str> = photos.iter().map(|photo| photo.name.as_str()).collect();
    assert_eq!((photos.len(), names.len()), (PHOTOS, PHOTOS));
    assert!(photos.iter().all(|photo| photo.created_at == photo.updated_at));
    for process in fleet {
        assert!(process.log().contains("goes on from its checkpoint"));
        process.kill().await;
    }
}

#[tokio::test]
async fn a_job_that_takes_its_worker_down_again_and_again_is_a_dead_letter() {
    let stage =
        need!(Stage::new()).with_rehearsals(2).with_short_leases().set("worker.max_crashes", 2);
    let payload = json!({ "act": "crash" });
    let id = stage.add("rehearsals", "rehearse", payload.clone()).await;
    let crash_twice = async || {
        for _ in 0..2 {
            let mut process = Process::start(&stage);
            assert_eq!(process.exit(SOON).await, -1, "{}", process.log());
        }
    };
    crash_twice().await;
    let mut survivor = Process::serving(&stage).await;
    let job = stage.failed("rehearsals", &id).await;
    assert_eq!(job.failed_reason(), "job stalled more than allowable limit");
    let letter = stage.letter(&id).await;
    assert_eq!((letter.reason.as_str(), letter.kind.as_str()), ("crash-loop", "rehearse"));
    assert_eq!(letter.attempts, 2);
    assert_eq!(serde_json::from_str::<Value>(&letter.payload).unwrap(), payload);
    assert!(survivor.runs());
    survivor.kill().await;

    // A retry forgives: it takes as many crashes again.
    let queues = stage.queues().await;
    queues.retry("rehearsals", &id).await.unwrap();
    crash_twice().await;
    let survivor = Process::serving(&stage).await;
    stage.failed("rehearsals", &id).await;
    assert_eq!(stage.letter(&id).await.times, 2);
    survivor.kill().await;
}

#[tokio::test]
async fn a_job_on_its_last_chance_that_was_put_aside_need_not_queue_again() {
    let stage = need!(Stage::new()).with_plays(2);
    let (tell, mut told) = unbounded_channel();
    let goes = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&goes);
    let part = part(move |_, line| {
        let (tell, gate) = (tell.clone(), Arc::clone(&gate));
        async move {
            tell.send(line.as_u64().unwrap()).unwrap();
            gate.acquire().await.unwrap().forget();
            Ok(line)
        }
    });
    let ids = stage.add_many(PLAYS, "play", (0..20).map(|line| call(&part, line))).await;
    let mut redis = stage.queues().await.redis();
    let base = format!("{}:{PLAYS}", stage.prefix);
    for id in &ids[..2] {
        redis.hset::<_, _, _, ()>(format!("{base}:{id}"), "stc", 2).await.unwrap();
    }
    let worker = Worker::start(&stage).await;
    let mut begun = HashSet::from([next(&mut told).await, next(&mut told).await]);
    assert!(!begun.contains(&1), "two that may take their worker down, at once");
    // The one that ends may still be counted while the next ones are taken.
    for _ in 0..2 {
        let due: Option<i64> = redis.zscore(format!("{base}:delayed"), &ids[1]).await.unwrap();
        eventually("it may run", async || match now_ms() {
            now if due.is_none_or(|due| due / 4096 < now) => Ok(()),
            now => Err(now.to_string()),
        })
        .await;
        goes.add_permits(2);
        begun.extend([next(&mut told).await, next(&mut told).await]);
    }
    assert!(begun.contains(&1), "{begun:?}");
    goes.add_permits(ids.len());
    for id in &ids {
        stage.completed(PLAYS, id).await;
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_late_result_of_a_lost_lease_changes_nothing() {
    let stage = need!(Stage::new()).with_plays(1).with_short_leases();
    let (tell, mut told) = unbounded_channel();
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    // The first one is told that its lease is lost, and answers all the same.
    let part = part(move |cx, _| {
        let (tell, gate) = (tell.clone(), Arc::clone(&gate));
        async move {
            if cx.resume::<bool>().await?.is_none() {
                cx.checkpoint(&true).await?;
                tell.send("first began").unwrap();
                cx.cancelled().await;
                assert!(cx.checkpoint(&false).await.is_err(), "it holds the job still");
                tell.send("first was told").unwrap();
                return Ok(json!("late"));
            }
            tell.send("second began").unwrap();
            gate.notified().await;
            Ok(json!("second"))
        }
    });
    let one = Worker::start(&stage).await;
    let id = stage.add(PLAYS, "play", call(&part, 0)).await;
    assert_eq!(next(&mut told).await, "first began");
    let other = Worker::start(&stage).await;
    let lock = format!("{}:{PLAYS}:{id}:lock", stage.prefix);
    redis::cmd("DEL").arg(lock).query_async::<()>(&mut stage.queues().await.redis()).await.unwrap();
    let mut heard = [next(&mut told).await, next(&mut told).await];
    heard.sort_unstable();
    assert_eq!(heard, ["first was told", "second began"]);
    // Its result has been refused by now: the slot is free, the job is still the second one's.
    let outcome = "roadie_jobs_finished_total{queue=\"plays\",kind=\"play\",outcome=\"lost\"}";
    one.counted(outcome, 1).await;
    let (job, place) = stage.queues().await.job(PLAYS, &id).await.unwrap();
    assert_eq!((place, job.returnvalue(), job.attempts_made()), (JobState::Active, "", 0));
    go.notify_one();
    assert_eq!(stage.returned(PLAYS, &id).await, "second");
    let job = stage.completed(PLAYS, &id).await;
    assert_eq!((job.attempts_made(), job.failed_reason()), (1, ""));
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_result_of_a_job_that_was_taken_unnoticed_is_no_dead_letter() {
    // The lease is renewed so rarely that the handler ends before anybody notices its loss.
    let stage = need!(Stage::new()).with_plays(1).set("worker.lease", "60s");
    let (tell, mut told) = unbounded_channel();
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let part = part(move |_, _| {
        let (tell, gate) = (tell.clone(), Arc::clone(&gate));
        async move {
            tell.send("began").unwrap();
            gate.notified().await;
            // Longer than a lease is taken for fresh.
            tokio::time::sleep(Duration::from_millis(600)).await;
            Ok(json!("late"))
        }
    });
    let quick = super::support::play::part(|_, _| async { Ok(json!("next")) });
    let worker = Worker::start(&stage).await;
    let id = stage.add(PLAYS, "play", call(&part, 0)).await;
    assert_eq!(next(&mut told).await, "began");
    let lock = format!("{}:{PLAYS}:{id}:lock", stage.prefix);
    let mut redis = stage.queues().await.redis();
    redis::cmd("SET").arg(lock).arg("other").query_async::<()>(&mut redis).await.unwrap();
    go.notify_one();
    // The only slot is free again: the result has been refused by now.
    let other = stage.add(PLAYS, "play", call(&quick, 0)).await;
    assert_eq!(stage.returned(PLAYS, &other).await, "next");
    let (job, place) = stage.queues().await.job(PLAYS, &id).await.unwrap();
    assert_eq!((place, job.returnvalue(), job.failed_reason()), (JobState::Active, "", ""));
    let letters = stage.catalogue().await.dead_letters(&DeadLetterFilter::default()).await.unwrap();
    assert!(letters.is_empty(), "a job that runs elsewhere is no dead letter: {letters:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_process_whose_threads_are_all_held_ends_itself() {
    let stage = need!(Stage::new())
        .with_rehearsals(4)
        .set("worker.handler_threads", "1")
        .set("kinds.rehearse.timeout", "300ms");
    let mut process = Process::serving(&stage).await;
    stage.add("rehearsals", "rehearse", json!({ "act": "spin" })).await;
    process.logged("never yield hold every handler thread").await;
    assert_eq!(process.exit(Duration::from_secs(40)).await, 70);
}

#[tokio::test]
async fn a_frozen_worker_that_thaws_finds_its_job_taken() {
    let stage = need!(Stage::new()).with_rehearsals(1).with_short_leases();
    let frozen = Process::serving(&stage).await;
    let steps = json!({ "act": "steps", "steps": 200, "stepMs": 50 });
    let id = stage.add("rehearsals", "rehearse", steps).await;
    let begun = |checkpoint: &Value| checkpoint.as_u64() >= Some(3);
    stage.checkpoint("rehearsals", &id, begun).await;
    frozen.signal("STOP");
    let other = Process::serving(&stage).await;
    let result = stage.returned("rehearsals", &id).await;
    assert!(result["resumedAt"].as_u64() >= Some(3), "{result}");
    frozen.signal("CONT");
    frozen.logged("lease lost").await;
    let job = stage.completed("rehearsals", &id).await;
    assert_eq!((job.attempts_started(), job.attempts_made()), (2, 1));
    assert_eq!(stage.returned("rehearsals", &id).await, result);
    other.kill().await;
    frozen.kill().await;
}
