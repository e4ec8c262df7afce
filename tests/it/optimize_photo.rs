//! A photo becomes variants in the object store: once, whole, and as it should look.

use std::path::Path;
use std::sync::{Arc, Mutex};

use roadie_jobs::effects::catalogue::{Catalogue, CataloguedPhoto, FileKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::support::eventually;
use super::support::http::{get, sample};
use super::support::operator::{Operator, ended};
use super::support::photos::{PHONE, Shot};
use super::support::process::{Process, signal};
use super::support::s3::S3Server;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";
const IMAGES: &str = "image-optimization";
/// Small, so that a debug build is done with it at once.
pub(super) const WIDTHS: [u32; 2] = [48, 96];

/// A phone's photo, everything that nobody else should see included.
pub(super) const SHOT: Shot<'_> = Shot { size: (160, 120), orientation: Some(1), ..PHONE };

pub(super) fn small(stage: Stage) -> Stage {
    stage.set("queues.image-optimization.weight", 1).set("images.widths", "48,96")
}

/// Scans a bucket; answers its photos.
async fn scanned(stage: &Stage, user: i64) -> Vec<CataloguedPhoto> {
    let id = stage.add(SCANS, "scan-s3", json!({ "userId": user, "bucket": "photos" })).await;
    stage.completed(SCANS, &id).await;
    stage.catalogue().await.photos(user, None, 100).await.unwrap()
}

pub(super) async fn optimize(stage: &Stage, user: i64, photo: &CataloguedPhoto) -> Value {
    let payload = json!({ "userId": user, "photoId": photo.photo_id });
    let id = stage.add(IMAGES, "optimize-photo", payload).await;
    stage.returned(IMAGES, &id).await
}

async fn manifest(catalogue: &Catalogue, user: i64, photo: &FileKey) -> Option<Value> {
    let stored = catalogue.variants(user, photo).await.unwrap()?;
    Some(serde_json::from_str(&stored.manifest).unwrap())
}

/// The objects that a manifest names, as they are in a folder.
pub(super) fn objects(bucket: &Path, manifest: &Value) -> Vec<(String, Vec<u8>)> {
    let variants = manifest["variants"].as_array().unwrap().iter();
    variants
        .map(|variant| {
            let key = variant["key"].as_str().unwrap().to_owned();
            let bytes = std::fs::read(bucket.join(&key)).unwrap();
            assert_eq!(variant["bytes"], bytes.len(), "{key}");
            (key, bytes)
        })
        .collect()
}

fn hash(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

on_both_databases!(the_variants_of_a_starred_photo_reach_the_store_once);

async fn the_variants_of_a_starred_photo_reach_the_store_once(stage: Stage) {
    let server = S3Server::start(&stage).await;
    server.put("photos", "2019/show.jpg", &SHOT.photo());
    let bucket = server.bucket("images");
    let key = "k1:0123456789abcdef0123456789abcdef";
    let stage = small(server.on(stage))
        .set("images.public_url", "https://img.example.com")
        .set("images.signing_keys", key);
    let worker = Worker::start(&stage).await;
    let user = user();
    let photos = scanned(&stage, user).await;
    let [photo] = &photos[..] else { panic!("{photos:?}") };
    assert_eq!(photo.starred_at, None);

    let result = optimize(&stage, user, photo).await;
    assert_eq!((&result["written"], &result["existed"]), (&json!(6), &json!(0)), "{result}");
    assert_eq!(result["photoId"], photo.photo_id);
    let sets = ["avif", "jpeg", "webp"].map(|format| result["srcset"][format].as_str().unwrap());
    for set in sets {
        assert!(set.starts_with("https://img.example.com/variants/"), "{set}");
        assert!(set.contains(" 48w, https://") && set.ends_with(" 96w"), "{set}");
    }
    let signed = result["signed"]["srcset"]["webp"].as_str().unwrap();
    let link = signed.split(' ').next().unwrap();
    let urls = stage.config().images.urls();
    let expires = result["signed"]["expires"].as_i64().unwrap();
    assert_eq!(urls.verify(link, expires - 1), Ok(()));
    urls.verify(link, expires).unwrap_err();

    // As any client of the store sees them.
    let client = server.client();
    for (key, bytes) in objects(&bucket, &result) {
        assert!(key.contains(&hash(&bytes)), "{key} names its content");
        let head = client.head_object().bucket("images").key(&key).send().await.unwrap();
        assert_eq!(head.cache_control(), Some("public, max-age=31536000, immutable"));
        let ending = key.rsplit('.').next().unwrap().replace("jpg", "jpeg");
        assert_eq!(head.content_type(), Some(format!("image/{ending}").as_str()));
    }
    let asked = server.asked();
    let puts: Vec<_> = asked.iter().filter(|asked| asked.method == "PUT").collect();
    assert!(puts.len() == 6 && puts.iter().all(|put| put.if_none_match), "{puts:?}");
    let catalogue = stage.catalogue().await;
    let kept = manifest(&catalogue, user, &photo.key).await.unwrap();
    assert_eq!(kept["srcset"], result["srcset"]);
    assert_eq!(kept["variants"], result["variants"]);

    // A second run looks, and writes nothing; it does not even fetch the photo.
    let before = server.asked().len();
    let again = optimize(&stage, user, photo).await;
    assert_eq!((&again["written"], &again["existed"]), (&json!(0), &json!(6)));
    assert_eq!(again["variants"], result["variants"]);
    assert!(server.asked()[before..].iter().all(|asked| asked.method == "HEAD"));

    // Nor does one that knows nothing of the first.
    let other = Stage::joining(&stage);
    let lost = small(server.on(other)).set("images.public_url", "https://img.example.com");
    worker.drain().await;
    let worker = Worker::start(&lost).await;
    let photos = scanned(&lost, user).await;
    let third = optimize(&lost, user, &photos[0]).await;
    assert_eq!((&third["written"], &third["existed"]), (&json!(0), &json!(6)));
    assert_eq!(third["variants"], result["variants"]);
    // What vanished is put back, and no more.
    let gone = third["variants"][0]["key"].as_str().unwrap();
    client.delete_object().bucket("images").key(gone).send().await.unwrap();
    let fourth = optimize(&lost, user, &photos[0]).await;
    assert_eq!((&fourth["written"], &fourth["existed"]), (&json!(1), &json!(5)));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_knows_no_conditions_is_asked_first() {
    let stage = need!(Stage::new());
    let server = S3Server::start(&stage).await;
    server.refuse_conditions();
    server.put("photos", "show.jpg", &SHOT.photo());
    let bucket = server.bucket("images");
    let stage = small(server.on(stage)).set("images.formats", "jpeg");
    let worker = Worker::start(&stage).await;
    let user = user();
    let photo = scanned(&stage, user).await.remove(0);
    let result = optimize(&stage, user, &photo).await;
    assert_eq!(result["written"], 2, "{result}");
    objects(&bucket, &result);
    let before = server.puts();
    let payload = json!({ "userId": user, "photoId": photo.photo_id, "widths": [96] });
    let id = stage.add(IMAGES, "optimize-photo", payload).await;
    let fewer = stage.returned(IMAGES, &id).await;
    assert_eq!((&fewer["written"], &fewer["existed"]), (&json!(0), &json!(1)));
    assert_eq!(server.puts(), before, "it is there, and is not put again");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_two_puts_leaves_nothing_broken() {
    let stage = need!(Stage::new());
    let victim: Arc<Mutex<Option<String>>> = Arc::default();
    let doomed = Arc::clone(&victim);
    let server = S3Server::meddled(&stage, move |asked, _| {
        // The second object, whichever is faster: the first may be on its way as well.
        let last = asked.method == "PUT" && asked.path.contains("/96-");
        if let Some(pid) = last.then(|| doomed.lock().unwrap().take()).flatten() {
            signal(&pid, "KILL");
        }
    })
    .await;
    server.put("photos", "show.jpg", &SHOT.photo());
    let bucket = server.bucket("images");
    let stage = small(server.on(stage)).with_short_leases();
    let first = Process::serving(&stage).await;
    let user = user();
    let photo = scanned(&stage, user).await.remove(0);
    *victim.lock().unwrap() = Some(first.pid().to_string());
    let payload = json!({ "userId": user, "photoId": photo.photo_id });
    let id = stage.add(IMAGES, "optimize-photo", payload).await;
    eventually("it is killed", async || match *victim.lock().unwrap() {
        None => Ok(()),
        Some(_) => Err("no object was put yet".to_owned()),
    })
    .await;
    first.kill().await;
    let catalogue = stage.catalogue().await;
    assert_eq!(manifest(&catalogue, user, &photo.key).await, None, "not all objects were there");
    // Whatever has arrived is whole.
    let arrived = server.client().list_objects_v2().bucket("images").send().await.unwrap();
    for object in arrived.contents() {
        let key = object.key().unwrap();
        let bytes = std::fs::read(bucket.join(key)).unwrap();
        assert!(key.contains(&hash(&bytes)), "{key}");
    }

    let second = Process::serving(&stage).await;
    let result = stage.returned(IMAGES, &id).await;
    assert_eq!(result["variants"].as_array().unwrap().len(), 6);
    for (key, bytes) in objects(&bucket, &result) {
        assert!(key.contains(&hash(&bytes)), "{key}");
    }
    let kept = manifest(&catalogue, user, &photo.key).await.unwrap();
    assert_eq!(kept["variants"], result["variants"]);
    second.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_told_with_its_reason() {
    let stage = need!(Stage::new());
    let server = S3Server::start(&stage).await;
    let photo = SHOT.photo();
    server.put("photos", "cut.jpg", &photo[..photo.len() * 4 / 5]);
    server.put("photos", "gone.jpg", &photo);
    let png = image::RgbImage::from_pixel(1_600, 1_200, image::Rgb([1, 2, 3]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    png.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    server.put("photos", "large.png", bytes.get_ref());
    // No bucket for variants.
    let stage =
        small(server.on(stage)).set("worker.memory_budget", "8MiB").set("images.formats", "jpeg");
    let worker = Worker::start(&stage).await;
    let user = user();
    let photos = scanned(&stage, user).await;
    let named = |name: &str| photos.iter().find(|photo| photo.name == name).unwrap();
    std::fs::remove_file(server.bucket("photos").join("gone.jpg")).unwrap();
    for (user, id, reason) in [
        (user, "0b7e".to_owned(), "has no photo `0b7e` in the catalogue"),
        (user + 1_000_000, named("cut.jpg").photo_id.clone(), "has no photo"),
        (user, named("gone.jpg").photo_id.clone(), "has no object `gone.jpg` any more"),
        (
            user,
            named("large.png").photo_id.clone(),
            "the PNG picture of 1600 × 1200 pixels is too large: it needs ",
        ),
    ] {
        let payload = json!({ "userId": user, "photoId": id });
        let job = stage.add(IMAGES, "optimize-photo", payload).await;
        stage.failed(IMAGES, &job).await;
        let letter = stage.letter(&job).await;
        assert_eq!(letter.attempts, 1, "another attempt would not help: {letter:?}");
        assert!(letter.error_chain.join(": ").contains(reason), "{reason}: {letter:?}");
    }
    // What is left of a damaged photo is shown, and what is wrong with it is told.
    let cut = optimize(&stage, user, named("cut.jpg")).await;
    assert!(cut["written"] == 2 && cut["flaw"].is_string(), "{cut}");
    for (wrong, field) in [
        (json!({ "widths": [0] }), "field `widths`: 0 is not between 1 and 16383"),
        (json!({ "widths": [] }), "field `widths`: 0 widths"),
        (json!({ "formats": ["gif"] }), "formats"),
        (json!({ "photoId": 7 }), "field `photoId`"),
    ] {
        let mut payload = json!({ "userId": user, "photoId": "0b7e" });
        payload.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let job = stage.add(IMAGES, "optimize-photo", payload).await;
        let letter = stage.letter(&job).await;
        assert!(letter.error_chain.join(": ").contains(field), "{field}: {letter:?}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_stops_where_it_is_and_gives_its_memory_back() {
    // A tail that decoders leave alone, so that its head is not all of it.
    let photo = [SHOT.photo(), vec![0; 100_000]].concat();
    let last = photo.len() as u64 - 1;
    let stage = need!(Stage::new());
    let server = S3Server::meddled(&stage, move |asked, shut| {
        // The memory is reserved by then.
        if asked.range == Some((0, last)) {
            shut.send_replace(true);
        }
    })
    .await;
    server.put("photos", "show.jpg", &photo);
    let stage = small(server.on(stage));
    let process = Process::serving(&stage).await;
    let user = user();
    let photo = scanned(&stage, user).await.remove(0);
    let whole = || server.asked().iter().filter(|asked| asked.range == Some((0, last))).count();
    let reserved = async || {
        let (_, scrape) = get(process.http(), "/metrics").await;
        ["used", "waiting"].map(|state| {
            sample(&scrape, &format!("roadie_memory_budget_bytes{{state=\"{state}\"}}")).unwrap()
                > 0.0
        })
    };
    let payload = json!({ "userId": user, "photoId": photo.photo_id });
    let id = stage.add(IMAGES, "optimize-photo", payload).await;
    eventually("the photo is being read", async || match whole() {
        0 => Err("nothing is asked for".to_owned()),
        _ => Ok(()),
    })
    .await;
    assert_eq!(reserved().await, [true, false]);
    Operator::of(&stage).await.cancel(IMAGES, &id).await;
    ended(&stage, IMAGES, &id).await;
    assert_eq!(reserved().await, [false, false]);
    server.shut(false);
    assert_eq!(server.puts(), 0);
    assert_eq!(manifest(&stage.catalogue().await, user, &photo.key).await, None);
    process.kill().await;
}
