//! Variants look as the photo should, and show nothing else.

use std::path::Path;

use serde_json::{Value, json};

use super::optimize_photo::{SHOT, WIDTHS, objects, optimize, small};
use super::support::Missing;
use super::support::photos::{QUARTERS, Shot};
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";
const FORMATS: [&str; 3] = ["jpeg", "webp", "avif"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_orientation_is_upright_and_nothing_is_left_of_the_notes() {
    let stage = need!(Stage::new());
    let exiftool = need!(exiftool());
    let folder = stage.folder("photos");
    for orientation in 1..=8 {
        let shot = Shot { orientation: Some(orientation), ..SHOT };
        std::fs::write(folder.join(format!("{orientation}.jpg")), shot.photo()).unwrap();
    }
    // The embedded store is one, too.
    let stage = small(stage).set("folders.roots", folder.display());
    let worker = Worker::start(&stage).await;
    let user = user();
    let id = stage.add(SCANS, "scan-folder", json!({ "userId": user, "path": folder })).await;
    stage.completed(SCANS, &id).await;
    let photos = stage.catalogue().await.photos(user, None, 100).await.unwrap();
    assert_eq!(photos.len(), 8);
    let bucket = stage.path().join("data/objects/images");
    for photo in &photos {
        assert!(photo.facts.place.is_some(), "there is something to remove");
        let turned = photo.facts.orientation > Some(4);
        let result = optimize(&stage, user, photo).await;
        for variant in result["variants"].as_array().unwrap() {
            let (width, height) = (&variant["width"], &variant["height"]);
            let expected = match (width.as_u64(), turned) {
                (Some(48), false) => 36,
                (Some(48), true) => 64,
                (_, false) => 72,
                (_, true) => 128,
            };
            assert_eq!(height, &json!(expected), "{} {variant}", photo.name);
        }
        for (key, bytes) in objects(&bucket, &result) {
            // AVIFs are looked at by who encodes them.
            if key.rsplit('.').next() != Some("avif") {
                let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
                assert_quarters(&picture, &format!("{} {key}", photo.name));
            }
        }
    }
    assert!(
        metadata(&exiftool, &folder).iter().all(|(_, found)| found.len() > 5),
        "it can find some"
    );
    let found = metadata(&exiftool, &bucket);
    assert_eq!(found.len(), 8 * WIDTHS.len() * FORMATS.len());
    for (file, groups) in found {
        assert!(groups.is_empty(), "{file}: {groups:?}");
    }
    worker.stop().await;
}

fn assert_quarters(picture: &image::RgbImage, which: &str) {
    let (width, height) = picture.dimensions();
    for (row, colours) in QUARTERS.iter().enumerate() {
        for (column, expected) in colours.iter().enumerate() {
            let at = |side: u32, half: usize| side / 4 + u32::try_from(half).unwrap() * side / 2;
            let found = picture.get_pixel(at(width, column), at(height, row)).0;
            let near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) < 40);
            assert!(
                near,
                "{which}: {found:?} instead of {expected:?} in row {row}, column {column}"
            );
        }
    }
}

/// An independent tool for metadata.
fn exiftool() -> Result<String, Missing> {
    let program = std::env::var("ROADIE_TEST_EXIFTOOL").unwrap_or_else(|_| "exiftool".to_owned());
    match std::process::Command::new(&program).arg("-ver").output() {
        Ok(said) if said.status.success() => Ok(program),
        other => {
            Err(Missing { what: "exiftool", why: format!("{program} does not run: {other:?}") })
        }
    }
}

/// What exiftool finds in each file of a folder beside what every picture of its format has.
fn metadata(exiftool: &str, folder: &Path) -> Vec<(String, Vec<String>)> {
    let said = std::process::Command::new(exiftool)
        .args(["-json", "-G1", "-a", "-u", "-r", "-ee"])
        .arg(folder)
        .output()
        .unwrap();
    let files: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(&said.stdout).unwrap();
    // The file system's own, the codec's headers, and what follows from both.
    let plain = [
        "ExifTool",
        "System",
        "File",
        "Composite",
        "RIFF",
        "Meta",
        "JFIF",
        "QuickTime",
        "ICC-header",
        "ICC_Profile",
    ];
    files
        .into_iter()
        .map(|file| {
            let name = file["SourceFile"].as_str().unwrap().to_owned();
            let odd = |tag: &&String| {
                let group = tag.split(':').next().unwrap();
                *tag != "SourceFile" && (!plain.contains(&group) || tag.ends_with(":Comment"))
            };
            let odd = file.keys().filter(odd).cloned().collect();
            (name, odd)
        })
        .collect()
}
