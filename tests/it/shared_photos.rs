//! Real photos from beside the repository, with what exiftool says of them.

use std::collections::HashMap;
use std::path::Path;

use chrono::NaiveDateTime;
use roadie_jobs::effects::catalogue::{CataloguedPhoto, OutcomeStatus};
use serde_json::json;

use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";

type Row = HashMap<String, String>;

/// Splits a line at commas outside of quotes.
fn fields(line: &str) -> Vec<String> {
    let mut quoted = false;
    let mut fields = vec![String::new()];
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => fields.last_mut().unwrap().push(letter),
        }
    }
    fields
}

fn rows(manifest: &str) -> Vec<Row> {
    let mut lines = manifest.lines().map(fields);
    let names = lines.next().unwrap();
    lines.map(|line| names.iter().cloned().zip(line).collect()).collect()
}

/// In which ways the catalogue differs from the manifest.
fn differences(row: &Row, photo: &CataloguedPhoto) -> Vec<String> {
    let facts = &photo.facts;
    let number = |field: &str| row[field].parse::<f64>().ok();
    let near = |ours: Option<f64>, theirs: Option<f64>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < 1e-6,
        (ours, theirs) => ours == theirs,
    };
    let taken = NaiveDateTime::parse_from_str(&row["datetime"], "%Y:%m:%d %H:%M:%S").ok();
    let checks = [
        ("width", facts.width == row["width"].parse().ok()),
        ("height", facts.height == row["height"].parse().ok()),
        ("bytes", facts.bytes == row["bytes"].parse().ok()),
        ("datetime", facts.taken_local == taken),
        ("lat", near(facts.place.map(|place| place.0), number("lat"))),
        ("lon", near(facts.place.map(|place| place.1), number("lon"))),
        ("orientation", facts.orientation == row["orientation"].parse().ok()),
    ];
    checks
        .into_iter()
        .filter(|(_, agrees)| !agrees)
        .map(|(field, _)| format!("{}: {field} is {:?}: {facts:?}", row["file"], row[field]))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalogue_agrees_with_exiftool() {
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/photos");
    let Ok(manifest) = std::fs::read_to_string(photos.join("MANIFEST.csv")) else {
        // They are not part of the repository, so nobody can be asked to have them.
        return say_skipped();
    };
    let photos = photos.canonicalize().unwrap();
    let stage = need!(Stage::new()).set("folders.roots", photos.display());
    let worker = Worker::start(&stage).await;
    let user = user();
    let id = stage.add(SCANS, "scan-folder", json!({ "userId": user, "path": photos })).await;
    let result = stage.returned(SCANS, &id).await;
    assert_eq!(result["failed"], 0, "{result}");

    let catalogue = stage.catalogue().await;
    let inside = |file_id: &str| {
        let file = Path::new(file_id).strip_prefix(&photos).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let found = catalogue.photos(user, None, 10_000).await.unwrap();
    let found: HashMap<String, _> =
        found.into_iter().map(|photo| (inside(&photo.key.file_id), photo)).collect();
    let outcomes = catalogue.photo_outcomes(user, None, 10_000).await.unwrap();
    let outcomes: HashMap<String, _> =
        outcomes.into_iter().map(|outcome| (inside(&outcome.key.file_id), outcome)).collect();

    let mut wrong = Vec::new();
    let (mut good, mut bad) = (0, 0);
    for row in rows(&manifest) {
        let file = &row["file"];
        if file.starts_with("malformed/") {
            bad += 1;
            let reason = outcomes.get(file).map(|outcome| outcome.note.reason.as_str());
            if reason.is_none_or(str::is_empty) {
                wrong.push(format!("{file}: nobody says what is wrong with it"));
            }
            continue;
        }
        good += 1;
        match found.get(file) {
            Some(photo) => wrong.extend(differences(&row, photo)),
            None => wrong.push(format!("{file} is not catalogued: {:?}", outcomes.get(file))),
        }
    }
    assert!(wrong.is_empty(), "{} of {good} + {bad}: {wrong:#?}", wrong.len());
    assert!(good >= 80 && bad >= 30, "{good} good, {bad} malformed");
    let refused = |status| status == OutcomeStatus::Refused;
    let both = outcomes.iter().filter(|(file, o)| refused(o.status) && found.contains_key(*file));
    assert_eq!(both.count(), 0, "refused and catalogued at once");
    worker.stop().await;
}

#[expect(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
fn say_skipped() {
    eprintln!("SKIPPED: real photos because ../shared/photos is not there");
}
