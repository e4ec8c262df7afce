//! A bucket becomes rows, and little of it travels.

use std::collections::BTreeMap;

use roadie::lifecycle::Exit;
use roadie_jobs::effects::catalogue::{OutcomeStatus, Provider};
use serde_json::{Value, json};

use super::support::eventually;
use super::support::photos::{PHONE, Shot};
use super::support::s3::{Asked, S3Server};
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";

async fn scan(stage: &Stage, payload: Value) -> Value {
    let id = stage.add(SCANS, "scan-s3", payload).await;
    stage.returned(SCANS, &id).await
}

/// The ranges that were asked for, by path.
fn ranges(asked: &[Asked]) -> BTreeMap<&str, Vec<(u64, u64)>> {
    let mut ranges: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for asked in asked.iter().filter(|asked| asked.is_object()) {
        let range = asked.range.expect("objects are read in ranges only");
        ranges.entry(&asked.path).or_default().push(range);
    }
    ranges
}

on_both_databases!(only_the_heads_of_large_photos_are_fetched);

async fn only_the_heads_of_large_photos_are_fetched(stage: Stage) {
    const LARGE: usize = 3_000_000;
    let server = S3Server::start(&stage).await;
    let large = Shot { bytes: LARGE, ..PHONE };
    for number in 0..5 {
        let key = format!("2019/IMG_{number}.jpg");
        server.put("photos", &key, &large.jpeg());
    }
    server.put("photos", "2019/words.jpg", b"no picture");
    server.put("photos", "2019/notes.txt", b"left alone");
    server.put("photos", "2020/other.jpg", &PHONE.jpeg());
    let stage = server.on(stage);
    let worker = Worker::start(&stage).await;
    let user = user();
    let payload = json!({ "userId": user, "bucket": "photos", "prefix": "2019/" });
    let result = scan(&stage, payload.clone()).await;
    assert_eq!((&result["scanType"], &result["totalPhotos"]), (&json!("s3"), &json!(6)));
    assert_eq!((&result["catalogued"], &result["refused"]), (&json!(5), &json!(1)));

    let asked = server.asked();
    let ranges = ranges(&asked);
    assert_eq!(ranges.len(), 6, "{ranges:?}");
    for (path, ranges) in &ranges {
        let bytes: u64 = ranges.iter().map(|(first, last)| last + 1 - first).sum();
        assert!(bytes <= 64 * 1024, "{path}: {ranges:?}");
    }
    let photos = stage.catalogue().await.photos(user, None, 100).await.unwrap();
    assert_eq!(photos.len(), 5);
    for photo in &photos {
        assert_eq!(photo.key.provider, Provider::S3);
        assert!(photo.key.file_id.starts_with("photos/2019/IMG_"), "{photo:?}");
        let facts = &photo.facts;
        assert!(facts.bytes > Some(LARGE as u64), "{facts:?}");
        assert_eq!((facts.width, facts.height), (Some(4_032), Some(3_024)));
        assert_eq!((facts.orientation, facts.taken_offset_minutes), (Some(3), Some(120)));
        assert!(facts.place.is_some_and(|(lat, lon)| lat > 52.3 && lon > 4.9));
    }
    let outcomes = stage.catalogue().await.photo_outcomes(user, None, 100).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(
        (outcomes[0].name.as_str(), outcomes[0].status),
        ("words.jpg", OutcomeStatus::Refused)
    );

    // What is known is not even fetched.
    let before = server.asked().len();
    let result = scan(&stage, payload).await;
    assert_eq!((&result["processed"], &result["skipped"]), (&json!(0), &json!(6)));
    assert!(self::ranges(&server.asked()[before..]).is_empty());
    let again = stage.catalogue().await.photos(user, None, 100).await.unwrap();
    assert_eq!(again, photos);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_many_pages_is_read_to_its_end() {
    const OBJECTS: usize = 1_100;
    let stage = need!(Stage::new());
    let server = S3Server::start(&stage).await;
    let photo = PHONE.jpeg();
    for number in 0..OBJECTS {
        server.put("photos", &format!("IMG_{number:05}.jpg"), &photo);
    }
    let stage = server.on(stage);
    let worker = Worker::start(&stage).await;
    let user = user();
    let payload = json!({ "userId": user, "bucket": "photos", "batchSize": 1_000 });
    let result = scan(&stage, payload).await;
    assert_eq!((&result["processed"], &result["catalogued"]), (&json!(OBJECTS), &json!(OBJECTS)));
    let ids = stage.catalogue().await.photos(user, None, 5_000).await.unwrap();
    assert_eq!(ids.len(), OBJECTS);
    let asked = server.asked();
    assert!(ranges(&asked).values().all(|ranges| ranges.len() == 1), "read twice");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_scan_goes_on_after_its_last_page() {
    const OBJECTS: usize = 30;
    const BATCH: usize = 10;
    let stage = need!(Stage::new());
    // Nothing is handed out once the second page is under way.
    let server = S3Server::meddled(&stage, |asked, shut| {
        if asked.path.ends_with("IMG_15.jpg") {
            shut.send_replace(true);
        }
    })
    .await;
    for number in 0..OBJECTS {
        server.put("photos", &format!("IMG_{number:02}.jpg"), &PHONE.jpeg());
    }
    let stage = server
        .on(stage)
        .set("photos.read_ahead", 1)
        .set("worker.grace_period", "0s")
        .set("worker.stop_within", "200ms");
    let user = user();
    let first = Worker::start(&stage).await;
    let payload = json!({ "userId": user, "bucket": "photos", "batchSize": BATCH });
    let id = stage.add(SCANS, "scan-s3", payload).await;
    eventually("the second page is under way", async || {
        let read = server.asked().into_iter().map(|asked| asked.path);
        let read: Vec<String> = read.filter(|path| path.ends_with("IMG_15.jpg")).collect();
        if read.is_empty() { Err(format!("{read:?}")) } else { Ok(()) }
    })
    .await;
    assert_eq!(first.drain().await, Exit::Released);
    let kept = stage.checkpoint(SCANS, &id, |_| true).await;
    assert_eq!(kept["counts"]["processed"], BATCH, "{kept}");

    let before = server.asked().len();
    // `shut` is shut again by IMG_15, which is read a second time: open it for good.
    let second = Worker::start(&stage).await;
    let opener = eventually("the second page is read again", async || {
        let asked = server.asked();
        let again = asked[before..].iter().any(|asked| asked.path.ends_with("IMG_15.jpg"));
        server.shut(false);
        if again { Ok(()) } else { Err(format!("{:?}", asked.last())) }
    });
    opener.await;
    let result = stage.returned(SCANS, &id).await;
    assert_eq!((&result["processed"], &result["skipped"]), (&json!(OBJECTS), &json!(0)));
    let asked = server.asked();
    let first_page = ranges(&asked).into_iter().take(BATCH);
    for (path, ranges) in first_page {
        assert_eq!(ranges.len(), 1, "{path} was read again");
    }
    let photos = stage.catalogue().await.photos(user, None, 100).await.unwrap();
    assert_eq!(photos.len(), OBJECTS);
    second.stop().await;
}
