//! From a folder of photos to concerts: a scan reads them, jobs match them, and the scan tells what came of
//! it.

use std::path::Path;

use roadie::stand_in::{Service, StandIns, Trouble};
use serde_json::{Value, json};

use super::stand_ins::world;
use super::support::eventually;
use super::support::photos::Shot;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";
pub(super) const MATCHING: &str = "concert-matching";
/// Seconds of arc: at the club, and a hundred kilometres away.
pub(super) const CLUB: (i32, i32) = (140_104, -277_285);
const HOME: (i32, i32) = (143_704, -277_285);

/// Asks these services, as fast as it likes.
pub(super) fn asking(stage: Stage, stand_ins: &StandIns) -> Stage {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let services = stand_ins.services();
    ["setlist_fm", "overpass", "nominatim"]
        .into_iter()
        .fold(stage, |stage, service| {
            stage
                .set(&format!("budgets.{service}.rate"), 0.0)
                .set(&format!("budgets.{service}.per_day"), 0)
                .set(&format!("budgets.{service}.reserve"), 0)
                .set(&format!("budgets.{service}.concurrent"), 0)
        })
        .set("services.setlist_fm", &services.setlist_fm)
        .set("services.setlist_fm_key", &services.setlist_fm_key)
        .set("services.overpass", &services.overpass)
        .set("services.nominatim", &services.nominatim)
        .set("queues.concert-matching.weight", 1)
        .set("kinds.match-concert.backoff_base", "20ms")
        .set("kinds.detect-venue.backoff_base", "20ms")
}

/// A photo of a phone, so many minutes after nine in the evening.
pub(super) fn take(folder: &Path, day: u32, minute: u32, place: (i32, i32)) {
    let taken = format!("2019:06:{day:02} 21:{minute:02}:00");
    let shot = Shot {
        taken: Some(&taken),
        offset: Some("-04:00"),
        place: Some(place),
        model: Some("Pixel 3"),
        size: (40, 30),
        ..Shot::default()
    };
    std::fs::write(folder.join(format!("DSC_{day:02}{minute:02}.jpg")), shot.jpeg()).unwrap();
}

/// Six photos at the show, three at home.
async fn at_work(stage: Stage) -> (Stage, StandIns, std::path::PathBuf) {
    let (stand_ins, _) = world(&stage.folder("world")).await;
    let folder = stage.folder("photos");
    (0..6).for_each(|number| take(&folder, 14, 5 * number, CLUB));
    (0..3).for_each(|number| take(&folder, 15, 5 * number, HOME));
    (asking(stage, &stand_ins).set("folders.roots", folder.display()), stand_ins, folder)
}

async fn scan(stage: &Stage, user: i64, folder: &Path) -> Value {
    let id = stage.add(SCANS, "scan-folder", json!({ "userId": user, "path": folder })).await;
    stage.returned(SCANS, &id).await
}

async fn polled(stage: &Stage, user: i64) -> Value {
    let text: String = redis::cmd("GET")
        .arg(format!("scan:progress:{user}"))
        .query_async(&mut stage.queues().await.redis())
        .await
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

fn counts(result: &Value) -> [&Value; 4] {
    ["linked", "unmatched", "newConcerts", "matchedLater"].map(|name| &result[name])
}

/// Waits until so many jobs of matching have completed; there are no more.
async fn matched(stage: &Stage, jobs: usize) {
    eventually("all are matched", async || {
        let ended = stage.events(MATCHING, "completed").await;
        if ended.len() == jobs { Ok(()) } else { Err(format!("{ended:?}")) }
    })
    .await;
}

on_both_databases!(a_scan_finds_concerts_and_counts_them);

async fn a_scan_finds_concerts_and_counts_them(stage: Stage) {
    let (stage, stand_ins, folder) = at_work(stage).await;
    let worker = Worker::start(&stage).await;
    let user = user();
    let mut redis = stage.queues().await.redis();
    let cached = format!("concerts:user:{user}");
    redis::cmd("SET").arg(&cached).arg("old").exec_async(&mut redis).await.unwrap();
    let result = scan(&stage, user, &folder).await;
    assert_eq!(counts(&result), [6, 3, 1, 0], "{result}");
    assert_eq!(result["matching"], "done");
    let shown = polled(&stage, user).await;
    assert_eq!((&shown["isScanning"], &shown["currentStatus"]), (&json!(false), &json!("done")));
    assert_eq!(counts(&shown)[..3], [6, 3, 1], "{shown}");
    assert_eq!((&shown["processed"], &shown["totalPhotos"]), (&json!(9), &json!(9)));
    let place = ["currentVenue", "currentCity", "currentArtist"].map(|name| &shown[name]);
    assert_eq!(place, ["9:30 Club", "Washington", "artist 44"]);
    let left: i32 = redis::cmd("EXISTS").arg(&cached).query_async(&mut redis).await.unwrap();
    assert_eq!(left, 0, "what the web tier has cached is dropped");
    // Two sessions, two jobs each. A scan ends with the last match, whose job ends a moment later.
    matched(&stage, 4).await;

    // One more photo of the show: its session is matched again, and nothing else is.
    take(&folder, 14, 50, CLUB);
    let asked = stand_ins.asked(Service::SetlistFm);
    let result = scan(&stage, user, &folder).await;
    assert_eq!(counts(&result), [1, 0, 0, 0], "{result}");
    matched(&stage, 6).await;
    assert_eq!(stand_ins.asked(Service::SetlistFm), asked, "answers are kept");
    // Nothing new: nothing is matched.
    let result = scan(&stage, user, &folder).await;
    assert_eq!(counts(&result), [0, 0, 0, 0], "{result}");
    assert_eq!(stage.events(MATCHING, "completed").await.len(), 6);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_off_keeps_no_scan_waiting() {
    let (stage, stand_ins, folder) = at_work(need!(Stage::new())).await;
    stand_ins.troubles(Service::SetlistFm).always(Some(Trouble::Forbidden));
    let worker = Worker::start(&stage).await;
    let user = user();
    for _ in 0..2 {
        let result = scan(&stage, user, &folder).await;
        assert_eq!(counts(&result), [0, 0, 0, 2], "{result}");
        assert_eq!(result["matching"], "goes on");
    }
    let shown = polled(&stage, user).await;
    assert_eq!(shown["isScanning"], false, "{shown}");
    let queues = stage.queues().await;
    let late = stage.events(MATCHING, "delayed").await;
    assert!(!late.is_empty());
    for id in late {
        let (job, reached) = queues.job(MATCHING, &id).await.unwrap();
        assert_eq!((reached, job.attempts_made()), (bullmq::JobState::Delayed, 0), "{job:?}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_stumble_are_asked_again() {
    let (stage, stand_ins, folder) = at_work(need!(Stage::new())).await;
    for service in [Service::SetlistFm, Service::Overpass, Service::Nominatim] {
        stand_ins.troubles(service).once(Trouble::Broken);
        stand_ins.troubles(service).once(Trouble::CutOff);
    }
    let worker = Worker::start(&stage).await;
    let user = user();
    let result = scan(&stage, user, &folder).await;
    let later = result["matchedLater"].as_u64().unwrap();
    // What was left, if it took its time, is done without the scan.
    eventually("all is matched", async || {
        let ended = stage.events(MATCHING, "completed").await.len();
        if ended == 4 { Ok(()) } else { Err(format!("{ended} jobs, {later} later")) }
    })
    .await;
    let again = scan(&stage, user, &folder).await;
    assert_eq!(again["matching"], "done");
    assert!(stage.events(MATCHING, "failed").await.is_empty());
    worker.stop().await;
}
