//! What a web tier sees of a scan while it runs and after.

use std::collections::BTreeMap;

use bullmq::JobProgress;
use redis::streams::StreamRangeReply;
use serde_json::{Value, json};

use super::support::photos::write_many;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";
const FIELDS: [&str; 18] = [
    "currentArtist",
    "currentCity",
    "currentCountry",
    "currentFileName",
    "currentPhoto",
    "currentState",
    "currentStatus",
    "currentVenue",
    "elapsedTime",
    "isScanning",
    "linked",
    "newConcerts",
    "processed",
    "skipped",
    "startedAt",
    "totalPhotos",
    "unmatched",
    "userId",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_has_the_fields_that_are_polled_and_is_thinned_out() {
    const PHOTOS: usize = 3_000;
    let stage = need!(Stage::new());
    let folder = stage.folder("photos");
    write_many(&folder, PHOTOS);
    let stage = stage.set("folders.roots", folder.display());
    let worker = Worker::start(&stage).await;
    let user = user();
    let payload = json!({ "userId": user, "path": folder, "batchSize": 50 });
    let id = stage.add(SCANS, "scan-folder", payload).await;
    let job = stage.completed(SCANS, &id).await;

    let mut redis = stage.queues().await.redis();
    let key = format!("scan:progress:{user}");
    let mirror: String = redis::cmd("GET").arg(&key).query_async(&mut redis).await.unwrap();
    let mirror: Value = serde_json::from_str(&mirror).unwrap();
    let last: BTreeMap<String, Value> = serde_json::from_value(mirror.clone()).unwrap();
    let fields: Vec<&str> = last.keys().map(String::as_str).collect();
    assert_eq!(fields, FIELDS);
    assert_eq!(last["userId"], user);
    assert_eq!((&last["isScanning"], &last["currentStatus"]), (&json!(false), &json!("done")));
    for field in ["currentPhoto", "totalPhotos", "processed"] {
        assert_eq!(last[field], PHOTOS, "{field}");
    }
    for field in ["linked", "newConcerts", "unmatched", "skipped"] {
        assert_eq!(last[field], 0, "{field}");
    }
    let lifetime: i64 = redis::cmd("TTL").arg(&key).query_async(&mut redis).await.unwrap();
    assert!((3_500..=3_600).contains(&lifetime), "{lifetime}");
    // Boards see the same.
    let JobProgress::Object(shown) = job.progress() else {
        panic!("{:?}", job.progress());
    };
    assert_eq!(shown, &mirror);

    let reports = reports(&stage, &id).await;
    let elapsed_ms = last["elapsedTime"].as_u64().unwrap();
    // Four a second, the first and the last, and one for a clock that is read a little late.
    let most = elapsed_ms / 250 + 3;
    assert!(reports.len() as u64 <= most, "{} in {elapsed_ms} ms", reports.len());
    let done = |report: &Value| report["currentPhoto"].as_u64().unwrap();
    assert!(reports.is_sorted_by_key(done), "{reports:?}");
    let (ending, running) = reports.split_last().unwrap();
    assert_eq!(ending, &mirror);
    assert!(!running.is_empty(), "only the end was reported");
    assert!(running.iter().all(|report| report["isScanning"] == true), "{running:?}");
    worker.stop().await;
}

/// What `QueueEvents` tells, oldest first.
async fn reports(stage: &Stage, id: &str) -> Vec<Value> {
    let events: StreamRangeReply = redis::cmd("XRANGE")
        .arg(format!("{}:{SCANS}:events", stage.prefix))
        .arg("-")
        .arg("+")
        .query_async(&mut stage.queues().await.redis())
        .await
        .unwrap();
    let field = |event: &redis::streams::StreamId, name: &str| event.get::<String>(name);
    events
        .ids
        .iter()
        .filter(|event| field(event, "event").as_deref() == Some("progress"))
        .filter(|event| field(event, "jobId").as_deref() == Some(id))
        .map(|event| serde_json::from_str(&field(event, "data").unwrap()).unwrap())
        .collect()
}
