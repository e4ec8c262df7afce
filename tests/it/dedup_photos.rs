//! Copies of a photo are found, whatever was done to them, and proposed; nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use bytes::Bytes;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder as _, ImageReader, RgbImage};
use roadie::stand_in::drive::{DriveFault, DriveWorld, NewFile};
use roadie_jobs::effects::catalogue::{Catalogue, DuplicateGroup, Likeness};
use serde_json::{Value, json};

use super::support::drive::of_one;
use super::support::photos::{PHONE, Shot};
use super::support::s3::S3Server;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const PHOTOS: &str = "photo-processing";

/// A picture of soft and hard lights, another one for each seed.
fn picture(seed: u32) -> RgbImage {
    let chance = |light: u32, of: u32| {
        let mixed = (seed * 1_009 + light * 31 + of).wrapping_mul(0x9E37_79B9);
        let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA6B);
        (mixed ^ mixed >> 13) % 1_000
    };
    RgbImage::from_fn(480, 360, |x, y| {
        let light = (0..30).map(|light| {
            let size =
                if light < 8 { 40 + chance(light, 3) / 10 } else { 4 + chance(light, 3) / 50 };
            let (dx, dy) = (
                x.abs_diff(chance(light, 1) * 480 / 1_000),
                y.abs_diff(chance(light, 2) * 360 / 1_000),
            );
            let away = dx.pow(2) + dy.pow(2);
            (chance(light, 4) * 160 / 1_000) * size.pow(2) / (size.pow(2) + 2 * away)
        });
        let sum = light.sum::<u32>();
        image::Rgb(
            [sum, sum * 9 / 10, sum * 7 / 10].map(|part| u8::try_from(part.min(255)).unwrap()),
        )
    })
}

/// What people and programs do to photos.
fn copies(photo: &RgbImage) -> Vec<(&'static str, Vec<u8>)> {
    let (plain, camera) = (Shot::default(), Shot { orientation: None, ..PHONE });
    let turned = Shot { orientation: Some(8), ..Shot::default() };
    let grey = DynamicImage::ImageRgb8(photo.clone()).grayscale().to_rgb8();
    let smaller = imageops::resize(photo, 240, 180, FilterType::Triangle);
    let cropped = imageops::crop_imm(photo, 9, 7, 462, 346).to_image();
    let mut png = Vec::new();
    smaller.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    vec![
        ("original.jpg", camera.of(photo, 92)),
        ("again.jpg", camera.of(photo, 92)),
        ("compressed.jpg", plain.of(photo, 40)),
        ("small.jpg", plain.of(&smaller, 80)),
        ("format.png", png),
        ("brighter.jpg", plain.of(&imageops::brighten(photo, 20), 85)),
        ("cropped.jpg", plain.of(&cropped, 85)),
        ("grey.jpg", plain.of(&grey, 85)),
        // Pixels lie on their side, and EXIF says so.
        ("turned.jpg", turned.of(&imageops::rotate90(photo), 85)),
    ]
}

/// Three motifs with their copies, a burst, flat pictures and no pictures, by name.
fn library() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for motif in 0..3 {
        let copies = copies(&picture(motif)).into_iter();
        files.extend(copies.map(|(name, file)| (format!("{motif}/{name}"), file)));
    }
    for second in 0..4 {
        let taken = format!("2019:07:20 21:14:0{second}");
        let shot = Shot { taken: Some(&taken), ..Shot::default() };
        files.insert(format!("burst/{second}.jpg"), shot.of(&picture(100), 90 - second));
    }
    for grey in [40, 42, 200] {
        let flat = RgbImage::from_pixel(300, 200, image::Rgb([grey; 3]));
        files.insert(format!("flat/{grey}.jpg"), Shot::default().of(&flat, 90));
    }
    files.insert("broken/a.jpg".to_owned(), b"no picture".to_vec());
    files.insert("broken/cut.jpg".to_owned(), PHONE.of(&picture(7), 90)[..2_000].to_vec());
    files
}

async fn groups(catalogue: &Catalogue, user: i64) -> Vec<DuplicateGroup> {
    catalogue.duplicate_groups(user, None, 100).await.unwrap()
}

/// The names of a group's members, from the last folder on.
fn names(group: &DuplicateGroup) -> BTreeSet<String> {
    let tail = |id: &str| {
        let parts: Vec<&str> = id.rsplitn(3, '/').collect();
        format!("{}/{}", parts[1], parts[0])
    };
    group.members.keys().map(|key| tail(&key.file_id)).collect()
}

/// What belongs together.
fn motifs() -> BTreeSet<BTreeSet<String>> {
    let all = library();
    let of = |motif: u32| all.keys().filter(move |name| name.starts_with(&format!("{motif}/")));
    (0..3).map(|motif| of(motif).cloned().collect()).collect()
}

fn assert_motifs(groups: &[DuplicateGroup]) {
    assert_eq!(groups.iter().map(names).collect::<BTreeSet<_>>(), motifs());
    for group in groups {
        assert_eq!(group.likeness, Likeness::Near);
        // Of two with the same bytes the first by name, because they alone tell time and place.
        assert!(group.best.file_id.ends_with("/again.jpg"), "{group:?}");
        assert!(!group.best_reason.is_empty());
        let exact = group.members.values().filter(|member| member.distance == 0).count();
        assert_eq!(exact, 2, "{group:?}");
    }
}

/// Scans, and waits for the comparison that follows.
async fn scan(stage: &Stage, user: i64, kind: &str, payload: Value) -> Value {
    let id = stage.add(PHOTOS, kind, payload).await;
    stage.returned(PHOTOS, &id).await;
    stage.returned(PHOTOS, &format!("dedup:{user}:{id}")).await
}

on_both_databases!(copies_in_a_folder_are_proposed);

async fn copies_in_a_folder_are_proposed(stage: Stage) {
    let folder = stage.folder("photos");
    for (name, bytes) in library() {
        std::fs::create_dir_all(folder.join(&name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let stage = stage.set("folders.roots", folder.display());
    let worker = Worker::start(&stage).await;
    let user = user();
    // Known from a scan that did not look at the pixels.
    let plain = json!({ "userId": user, "path": folder });
    let id = stage.add(PHOTOS, "scan-folder", plain).await;
    assert_eq!(stage.returned(PHOTOS, &id).await["catalogued"], 35);
    let payload = json!({ "userId": user, "path": folder, "fingerprint": true, "batchSize": 10 });
    let result = scan(&stage, user, "scan-folder", payload.clone()).await;
    assert_eq!((&result["compared"], &result["made"]["count"]), (&json!(35), &json!(3)));
    let catalogue = stage.catalogue().await;
    let before = groups(&catalogue, user).await;
    assert_motifs(&before);
    let ids: BTreeSet<&str> = before.iter().map(|group| group.id.as_str()).collect();
    let told = result["made"]["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap());
    assert_eq!(told.collect::<BTreeSet<_>>(), ids);

    // Nothing is new; then one more copy is, and joins the group under its name.
    let result = scan(&stage, user, "scan-folder", payload.clone()).await;
    assert_eq!((&result["compared"], &result["changed"]["count"]), (&json!(0), &json!(0)));
    assert_eq!(groups(&catalogue, user).await, before);
    let late = imageops::resize(&picture(1), 320, 240, FilterType::Lanczos3);
    std::fs::write(folder.join("1/late.jpg"), Shot::default().of(&late, 70)).unwrap();
    let result = scan(&stage, user, "scan-folder", payload).await;
    assert_eq!((&result["compared"], &result["made"]["count"]), (&json!(1), &json!(0)));
    let changed = result["changed"]["ids"][0].as_str().unwrap();
    let after = groups(&catalogue, user).await;
    let grown = after.iter().find(|group| group.id == changed).unwrap();
    assert!(names(grown).contains("1/late.jpg") && grown.members.len() == 10, "{grown:?}");
    assert_eq!(catalogue.photos(user, None, 100).await.unwrap().len(), 36, "no photo goes");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_in_a_bucket_are_proposed_and_each_object_is_read_once() {
    let stage = need!(Stage::new());
    let server = S3Server::start(&stage).await;
    for (name, bytes) in library() {
        server.put("photos", &name, &bytes);
    }
    let stage = server.on(stage);
    let worker = Worker::start(&stage).await;
    let user = user();
    let payload = json!({ "userId": user, "bucket": "photos", "fingerprint": true });
    let result = scan(&stage, user, "scan-s3", payload).await;
    assert_motifs(&groups(&stage.catalogue().await, user).await);
    assert_eq!((&result["compared"], &result["made"]["count"]), (&json!(35), &json!(3)));
    let asked = server.asked();
    let mut reads: BTreeMap<&str, usize> = BTreeMap::new();
    for asked in asked.iter().filter(|asked| asked.is_object()) {
        *reads.entry(&asked.path).or_default() += 1;
    }
    assert_eq!(reads.len(), library().len());
    assert!(reads.values().all(|reads| *reads == 1), "{reads:?}");
    worker.stop().await;
}

/// As Drive makes it: upright, and no longer than so.
fn thumbnail(file: &[u8]) -> Option<Bytes> {
    let reader = ImageReader::new(Cursor::new(file)).with_guessed_format().ok()?;
    let mut decoder = reader.into_decoder().ok()?;
    let orientation = decoder.orientation().ok()?;
    let mut picture = DynamicImage::from_decoder(decoder).ok()?;
    picture.apply_orientation(orientation);
    let small = picture.resize(512, 512, FilterType::Triangle).to_rgb8();
    Some(Shot::default().of(&small, 75).into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_in_a_drive_are_proposed_from_their_thumbnails() {
    let (drive, stage, catalogue, user) = of_one(need!(Stage::new())).await;
    let root = DriveWorld::root(user);
    let pictures = drive.world(|world| {
        let made = library().into_iter().map(|(name, content)| {
            let mime = if name.contains("format") { "image/png" } else { "image/jpeg" };
            let thumbnail = thumbnail(&content).filter(|_| name != "broken/cut.jpg");
            let file = NewFile::of(&name, &root, mime, content);
            world.make(NewFile { thumbnail: thumbnail.clone(), ..file });
            u64::from(thumbnail.is_some())
        });
        made.sum::<u64>()
    });
    let worker = Worker::start(&stage).await;
    // Known from a scan that did not look at them.
    let plain = json!({ "userId": user, "batchSize": 10 });
    let id = stage.add(PHOTOS, "scan-drive", plain).await;
    assert_eq!(stage.returned(PHOTOS, &id).await["catalogued"], 35);
    assert_eq!(drive.calls().get("thumbnail"), None);
    let media = drive.calls()["media"];

    drive.break_next("thumbnail", DriveFault::Broken);
    let payload = json!({ "userId": user, "batchSize": 10, "fingerprint": true });
    let result = scan(&stage, user, "scan-drive", payload.clone()).await;
    assert_eq!((&result["compared"], &result["made"]["count"]), (&json!(35), &json!(3)));
    assert_eq!(drive.calls()["thumbnail"], pictures + 1);
    assert!(drive.calls()["media"] < 2 * media + 2, "heads once more, and nothing else");
    let photos = catalogue.photos(user, None, 100).await.unwrap();
    let name_of: BTreeMap<_, _> =
        photos.iter().map(|photo| (&photo.key.file_id, &photo.name)).collect();
    let mut found = BTreeSet::new();
    for group in groups(&catalogue, user).await {
        assert_eq!(group.likeness, Likeness::Near);
        found.insert(group.members.keys().map(|key| name_of[&key.file_id].clone()).collect());
    }
    assert_eq!(found, motifs());

    // They have fingerprints now.
    let result = scan(&stage, user, "scan-drive", payload).await;
    assert_eq!((&result["compared"], &result["changed"]["count"]), (&json!(0), &json!(0)));
    assert_eq!(drive.calls()["thumbnail"], pictures + 1);
    worker.stop().await;
}
