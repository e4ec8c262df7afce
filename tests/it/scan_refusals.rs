//! Scans that must not run, and what their users are told.

use std::path::PathBuf;

use bullmq::JobOptions;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::photos::{Shot, write_many};
use super::support::s3::S3Server;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";

/// A root with a folder of three photos in it, and a folder outside.
fn rooted(stage: Stage) -> (Stage, PathBuf) {
    let root = stage.folder("root");
    std::fs::create_dir(root.join("photos")).unwrap();
    write_many(&root.join("photos"), 3);
    stage.folder("outside");
    (stage.set("folders.roots", root.display()), root)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_may_not_be_scanned_is_named() {
    let (stage, root) = rooted(need!(Stage::new()));
    let outside = stage.folder("outside");
    std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
    let worker = Worker::start(&stage).await;
    let absolute = outside.display().to_string();
    let missing = root.join("missing").display().to_string();
    let file = root.join("photos/IMG_00000.jpg").display().to_string();
    for (path, why) in [
        (absolute.as_str(), "outside the folders that may be scanned"),
        ("../outside", "outside the folders that may be scanned"),
        ("/etc/nowhere", "outside the folders that may be scanned"),
        ("link", "outside the folders that may be scanned"),
        (&missing, "cannot be opened"),
        (&file, "is a file"),
    ] {
        let payload = json!({ "userId": user(), "path": path });
        let id = stage.add(SCANS, "scan-folder", payload).await;
        let job = stage.failed(SCANS, &id).await;
        let reason = job.failed_reason();
        assert!(reason.contains(why) && reason.contains(path), "{reason}");
        let letter = stage.letter(&id).await;
        assert_eq!((letter.reason.as_str(), letter.attempts), ("discarded", 1));
        assert!(letter.error.contains(path), "{letter:?}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_roots_no_folder_is_scanned() {
    let stage = need!(Stage::new());
    let worker = Worker::start(&stage).await;
    let payload = json!({ "userId": user(), "path": "/" });
    let id = stage.add(SCANS, "scan-folder", payload).await;
    let job = stage.failed(SCANS, &id).await;
    assert!(job.failed_reason().contains("folders.roots is empty"), "{job:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_one_scan_at_a_time_and_other_users_are_not_held_up() {
    let (stage, root) = rooted(need!(Stage::new()));
    let server = S3Server::start(&stage).await;
    let shot = Shot { size: (40, 30), ..Shot::default() };
    server.put("photos", "one.jpg", &shot.jpeg());
    let stage = server.on(stage);
    let worker = Worker::start(&stage).await;
    let (user, other) = (user(), user());
    let folder = |user: i64| json!({ "userId": user, "path": root.join("photos") });

    // The first scan hangs on its only object.
    server.shut(true);
    let bucket = json!({ "userId": user, "bucket": "photos" });
    let options = JobOptions { job_id: Some("matinee".to_owned()), ..JobOptions::default() };
    let first = stage.add_with(SCANS, "scan-s3", bucket, options).await;
    eventually("the first scan reads its object", async || {
        let asked = server.asked();
        asked
            .iter()
            .find(|asked| asked.range.is_some())
            .map(drop)
            .ok_or_else(|| format!("{asked:?}"))
    })
    .await;
    let progress = eventually("the first scan shows", async || {
        let progress = progress(&stage, user).await;
        if progress["totalPhotos"] == 1 { Ok(progress) } else { Err(progress.to_string()) }
    })
    .await;
    assert_eq!((&progress["isScanning"], &progress["currentPhoto"]), (&json!(true), &json!(0)));

    let second = stage.add(SCANS, "scan-folder", folder(user)).await;
    let job = stage.failed(SCANS, &second).await;
    let reason = job.failed_reason();
    let holder = format!("{SCANS}/{first}");
    assert!(reason.contains(&format!("user {user} ")) && reason.contains(&holder), "{reason}");
    assert_eq!(stage.letter(&second).await.reason, "discarded");
    // What the running one shows is not overwritten.
    assert_eq!(self::progress(&stage, user).await["isScanning"], true);

    let foreign = stage.add(SCANS, "scan-folder", folder(other)).await;
    assert_eq!(stage.returned(SCANS, &foreign).await["catalogued"], 3);

    server.shut(false);
    assert_eq!(stage.returned(SCANS, &first).await["catalogued"], 1);
    let third = stage.add(SCANS, "scan-folder", folder(user)).await;
    assert_eq!(stage.returned(SCANS, &third).await["catalogued"], 3);
    worker.stop().await;
}

async fn progress(stage: &Stage, user: i64) -> Value {
    let text: Option<String> = redis::cmd("GET")
        .arg(format!("scan:progress:{user}"))
        .query_async(&mut stage.queues().await.redis())
        .await
        .unwrap();
    text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
}
