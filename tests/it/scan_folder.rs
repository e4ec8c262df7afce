//! A folder becomes rows of photos and words about what is wrong, once and for all.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, NaiveDateTime};
use roadie_jobs::effects::catalogue::{CataloguedPhoto, OutcomeStatus, PhotoOutcome};
use serde_json::{Value, json};

use super::support::photos::{PHONE, Shot};
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";

const SYDNEY: (i32, i32) = (-121_885, 544_374);

/// Seven photos, of which one is cut off and two are none, and things to leave alone.
fn fill(folder: &Path) {
    for inner in ["down/under", "Takeout", ".hidden"] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    let south = Shot {
        taken: Some("2020:02:29 19:30:00"),
        place: Some(SYDNEY),
        size: (640, 480),
        ..Shot::default()
    };
    let bare = Shot { size: (40, 30), ..Shot::default() };
    let clean = PHONE.jpeg();
    let sidecar = json!({
        "title": "IMG_1.jpg",
        "photoTakenTime": { "timestamp": "1546300800" },
        "geoData": { "latitude": 39.665, "longitude": -105.205, "altitude": 0.0 },
    });
    let sidecar = sidecar.to_string();
    for (name, bytes) in [
        ("clean.jpg", &clean[..]),
        ("cut.jpg", &clean[..clean.len() - 100]),
        ("text.jpg", b"no picture at all, just words"),
        ("empty.JPG", b""),
        ("down/under/south.jpeg", &south.jpeg()),
        ("Takeout/IMG_1.jpg", &bare.jpeg()),
        ("Takeout/IMG_1.jpg.supplemental-metadata.json", sidecar.as_bytes()),
        ("bare.jpg", &bare.jpeg()),
        ("notes.txt", b"left alone"),
        (".hidden/photo.jpg", &clean),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// All that the catalogue says of a user, by file name.
async fn said(
    stage: &Stage,
    user: i64,
) -> (BTreeMap<String, CataloguedPhoto>, BTreeMap<String, PhotoOutcome>) {
    let catalogue = stage.catalogue().await;
    let photos = catalogue.photos(user, None, 10_000).await.unwrap();
    let outcomes = catalogue.photo_outcomes(user, None, 10_000).await.unwrap();
    (
        photos.into_iter().map(|p| (p.name.clone(), p)).collect(),
        outcomes.into_iter().map(|o| (o.name.clone(), o)).collect(),
    )
}

async fn scan(stage: &Stage, user: i64, folder: &Path) -> Value {
    let payload = json!({ "userId": user, "path": folder, "batchSize": 3 });
    let id = stage.add(SCANS, "scan-folder", payload).await;
    stage.returned(SCANS, &id).await
}

/// A folder below the only root.
fn rooted(stage: Stage) -> (Stage, std::path::PathBuf) {
    let folder = stage.folder("photos");
    fill(&folder);
    (stage.set("folders.roots", folder.display()), folder)
}

fn assert_counts(result: &Value, expected: &Value) {
    for (name, count) in expected.as_object().unwrap() {
        assert_eq!(&result[name], count, "{name} of {result}");
    }
}

fn at(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
}

on_both_databases!(a_folder_becomes_rows, what_is_known_is_not_read_again);

async fn a_folder_becomes_rows(stage: Stage) {
    let (stage, folder) = rooted(stage);
    let worker = Worker::start(&stage).await;
    let user = user();
    let result = scan(&stage, user, &folder).await;
    assert_counts(
        &result,
        &json!({
            "scanType": "folder", "totalPhotos": 7, "processed": 7, "skipped": 0,
            "catalogued": 5, "flawed": 1, "refused": 2, "failed": 0,
            "linked": 0, "newConcerts": 0, "unmatched": 0,
        }),
    );
    let (photos, outcomes) = said(&stage, user).await;
    let names: Vec<&str> = photos.keys().map(String::as_str).collect();
    assert_eq!(names, ["IMG_1.jpg", "bare.jpg", "clean.jpg", "cut.jpg", "south.jpeg"]);

    let clean = &photos["clean.jpg"];
    assert_eq!(clean.key.file_id, folder.join("clean.jpg").display().to_string());
    let facts = &clean.facts;
    assert_eq!((facts.width, facts.height), (Some(4_032), Some(3_024)));
    assert_eq!((facts.format.as_deref(), facts.orientation), (Some("JPEG"), Some(3)));
    assert_eq!(facts.bytes, Some(fs::metadata(folder.join("clean.jpg")).unwrap().len()));
    assert_eq!(facts.taken_local, Some(at("2019-07-20 21:14:05")));
    assert_eq!(facts.taken_offset_minutes, Some(120));
    assert_eq!(facts.taken_at.map(|at| at.naive_utc()), Some(at("2019-07-20 19:14:05")));
    assert_eq!(facts.camera_model.as_deref(), Some("Pixel 3"));
    assert_near(facts.place, PHONE.place.unwrap());

    let south = &photos["south.jpeg"].facts;
    assert_near(south.place, SYDNEY);
    assert_eq!(south.taken_local, Some(at("2020-02-29 19:30:00")));
    // Nobody knows the zone, so nobody knows the instant.
    assert_eq!((south.taken_offset_minutes, south.taken_at), (None, None));
    assert_eq!(south.orientation, None);

    let takeout = &photos["IMG_1.jpg"].facts;
    assert_eq!(takeout.taken_at, DateTime::from_timestamp(1_546_300_800, 0));
    assert_eq!(takeout.place, Some((39.665, -105.205)));
    let sources = (takeout.taken_source.as_deref(), takeout.place_source.as_deref());
    assert_eq!(sources, (Some("takeout"), Some("takeout")));

    let bare = &photos["bare.jpg"].facts;
    assert_eq!((bare.taken_local, bare.taken_at, bare.place), (None, None, None));

    let reasons: Vec<_> = outcomes.values().map(|o| (o.name.as_str(), o.status)).collect();
    let (flawed, refused) = (OutcomeStatus::Flawed, OutcomeStatus::Refused);
    assert_eq!(reasons, [("cut.jpg", flawed), ("empty.JPG", refused), ("text.jpg", refused)]);
    for (name, reason) in [
        ("cut.jpg", "ends before the picture does"),
        ("empty.JPG", "the file is empty"),
        ("text.jpg", "this is not a picture"),
    ] {
        let note = &outcomes[name].note;
        assert!(note.reason.contains(reason), "{note:?}");
        assert!(note.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{note:?}");
    }
    worker.stop().await;
}

fn assert_near(place: Option<(f64, f64)>, seconds: (i32, i32)) {
    let (lat, lon) = place.unwrap();
    let far = |degrees: f64, seconds: i32| (degrees * 3_600.0 - f64::from(seconds)).abs() > 1e-4;
    assert!(!far(lat, seconds.0) && !far(lon, seconds.1), "{place:?}, {seconds:?}");
}

async fn what_is_known_is_not_read_again(stage: Stage) {
    let (stage, folder) = rooted(stage);
    let worker = Worker::start(&stage).await;
    let user = user();
    scan(&stage, user, &folder).await;
    let before = said(&stage, user).await;
    let result = scan(&stage, user, &folder).await;
    assert_counts(&result, &json!({ "totalPhotos": 7, "processed": 0, "skipped": 7 }));
    assert_eq!(said(&stage, user).await, before);

    // One is new, one has changed, one is mended, one is gone.
    let late = Shot { taken: Some("2021:01:01 00:00:01"), size: (80, 60), ..Shot::default() };
    fs::write(folder.join("late.jpg"), late.jpeg()).unwrap();
    fs::write(folder.join("bare.jpg"), late.jpeg()).unwrap();
    fs::write(folder.join("cut.jpg"), PHONE.jpeg()).unwrap();
    fs::remove_file(folder.join("text.jpg")).unwrap();
    let result = scan(&stage, user, &folder).await;
    assert_counts(&result, &json!({ "totalPhotos": 7, "processed": 3, "skipped": 4, "flawed": 0 }));
    let (photos, outcomes) = said(&stage, user).await;
    assert_eq!(photos.len(), 6);
    for name in ["late.jpg", "bare.jpg"] {
        assert_eq!(photos[name].facts.taken_local, Some(at("2021-01-01 00:00:01")));
    }
    assert!(photos["bare.jpg"].updated_at > before.0["bare.jpg"].updated_at);
    assert_eq!(photos["clean.jpg"], before.0["clean.jpg"]);
    assert!(!outcomes.contains_key("cut.jpg"), "{outcomes:?}");
    // Another user's scan of the same folder has rows of its own.
    let other = super::support::stage::user();
    assert_counts(&scan(&stage, other, &folder).await, &json!({ "skipped": 0, "catalogued": 6 }));
    assert_eq!(said(&stage, user).await.0, photos);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_samples_are_scanned_as_they_were_made() {
    let stage = need!(Stage::new());
    let folder = stage.folder("samples");
    let made = roadie_jobs::samples::write(&folder, 240).unwrap();
    let stage = stage.set("folders.roots", folder.display());
    let worker = Worker::start(&stage).await;
    let user = user();
    let result = scan(&stage, user, &folder).await;
    assert_counts(&result, &json!({ "totalPhotos": made, "processed": made, "failed": 0 }));
    // One in forty is broken, in a way of its own: cut, text, empty, off the globe, misnamed, cut.
    assert_counts(&result, &json!({ "flawed": 4, "refused": 2, "catalogued": made - 2 }));
    let summary = stage.catalogue().await.summary(user, 10).await.unwrap();
    assert_eq!(summary.photos, i64::try_from(made - 2).unwrap());
    assert!(summary.with_time > 150 && summary.with_place > 100, "{summary:?}");
    worker.stop().await;
}
