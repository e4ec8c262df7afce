//! Redis dies and comes back: the process stays, its jobs go on.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::support::photos;
use super::support::process::Process;
use super::support::redis::RedisServer;
use super::support::stage::{Stage, user};

const SCANS: &str = "photo-processing";

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
