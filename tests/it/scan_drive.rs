//! A Google Drive becomes rows, with as few questions as that takes.

use std::time::Duration;

use roadie::stand_in::drive::{DriveFault, DriveStandIn, DriveWorld, NewFile};
use roadie_jobs::effects::catalogue::{OutcomeStatus, Provider};
use serde_json::{Value, json};

use super::support::drive::{Library, catalogued, connect, differences, of_one, on, told};
use super::support::photos::{PHONE, Shot};
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";
const JPEG: &str = "image/jpeg";
const FOLDER: &str = "application/vnd.google-apps.folder";

async fn scan(stage: &Stage, payload: Value) -> Value {
    let id = stage.add(SCANS, "scan-drive", payload).await;
    stage.returned(SCANS, &id).await
}

fn payload(user: i64) -> Value {
    json!({ "userId": user, "batchSize": 100, "timestamp": 1_763_636_043_000_u64 })
}

on_both_databases!(
    a_whole_drive_is_catalogued_with_shared_drives_and_shortcuts,
    an_incremental_scan_costs_what_has_changed,
    a_folder_is_walked_and_what_leaves_it_goes,
);

async fn a_whole_drive_is_catalogued_with_shared_drives_and_shortcuts(stage: Stage) {
    let drive = DriveStandIn::start().await.unwrap();
    let stage = on(&drive, stage);
    let catalogue = stage.catalogue().await;
    let (user, friend) = (user(), user());
    connect(&drive, &catalogue, user).await;
    connect(&drive, &catalogue, friend).await;
    let (truth, fetches) = drive.world(|world| {
        world.share_drive("band", &[user, friend]);
        world.share_drive("strangers", &[friend]);
        let root = DriveWorld::root(user);
        let mut library = Library::new(world);
        let shows = library.folder("shows", &root);
        for _ in 0..10 {
            library.photo(&shows);
            library.photo("band");
        }
        library.untold(&shows);
        let export = library.folder("export", &shows);
        library.exported(&export);
        // What somebody else has, and a shortcut leads to.
        let theirs = library.photo(&DriveWorld::root(friend));
        library.world.share(&theirs, user);
        let album = library.folder("album", &DriveWorld::root(friend));
        let deep = library.folder("deep", &album);
        library.photo(&deep);
        let (truth, fetches) = (library.truth, library.fetches);
        world.share(&album, user);
        world.make(NewFile::shortcut("to it", &root, (&theirs, JPEG)));
        world.make(NewFile::shortcut("to it again", &shows, (&theirs, JPEG)));
        world.make(NewFile::shortcut("to the album", &root, (&album, FOLDER)));
        world.make(NewFile::shortcut("in a circle", &shows, (&root, FOLDER)));
        world.make(NewFile::of("notes.txt", &root, "text/plain", "x"));
        let binned = world.make(NewFile::of("gone.jpg", &shows, JPEG, "x").telling(told(7)));
        world.trash(&binned, true);
        let hidden = NewFile::of("hidden.jpg", "strangers", JPEG, "x").telling(told(8));
        world.make(hidden);
        (truth, fetches)
    });
    let worker = Worker::start(&stage).await;
    let result = scan(&stage, payload(user)).await;
    assert_eq!(differences(&catalogued(&catalogue, user).await, &truth), Vec::<String>::new());
    assert_eq!(
        (&result["scanType"], &result["totalPhotos"]),
        (&json!("drive"), &json!(truth.len()))
    );
    assert_eq!(
        (&result["processed"], &result["catalogued"]),
        (&json!(truth.len()), &json!(truth.len()))
    );
    let calls = drive.calls();
    assert_eq!((calls["media"], calls["token"]), (fetches, 1), "{calls:?}");
    let photos = catalogue.photos(user, None, 100).await.unwrap();
    for photo in &photos {
        assert_eq!(photo.key.provider, Provider::Drive);
        let facts = &photo.facts;
        assert!(facts.place.is_some() && facts.bytes.is_some(), "{photo:?}");
        assert!(facts.taken_local.is_some() || facts.taken_at.is_some(), "{photo:?}");
    }

    // Whatever is known is asked for once more, and nothing is fetched.
    let full = json!({ "userId": user, "mode": "full" });
    let result = scan(&stage, full).await;
    assert_eq!((&result["processed"], &result["skipped"]), (&json!(0), &json!(truth.len())));
    assert_eq!(drive.calls()["media"], fetches);
    assert_eq!(catalogue.photos(user, None, 100).await.unwrap(), photos);
    worker.stop().await;
}

async fn an_incremental_scan_costs_what_has_changed(stage: Stage) {
    const PHOTOS: usize = 1_500;
    let (drive, stage, catalogue, user) = of_one(stage).await;
    let root = DriveWorld::root(user);
    let (mut truth, ids, sidecar) = drive.world(|world| {
        world.share_drive("band", &[user]);
        let mut library = Library::new(world);
        let ids: Vec<String> = (0..PHOTOS).map(|_| library.photo(&root)).collect();
        let (_, sidecar) = library.exported(&root);
        (library.truth, ids, sidecar)
    });
    let worker = Worker::start(&stage).await;
    let result = scan(&stage, payload(user)).await;
    assert_eq!(result["processed"], json!(PHOTOS + 1));

    // A hundred changes of all kinds; two of them need a look into the file.
    drive.world(|world| {
        let trip = world.make(NewFile::folder("trip", &root));
        for id in &ids[..20] {
            world.trash(id, true);
            truth.remove(id);
        }
        for id in &ids[20..40] {
            world.delete(id);
            truth.remove(id);
        }
        for id in &ids[40..60] {
            world.change(id, |file| file.name = format!("renamed {}", file.name));
            let entry = truth.get_mut(id).unwrap();
            entry.0 = format!("renamed {}", entry.0);
        }
        for id in &ids[60..70] {
            world.change(id, |file| file.parent.clone_from(&trip));
        }
        for id in &ids[70..80] {
            world.change(id, |file| "band".clone_into(&mut file.parent));
        }
        let shot = Shot { taken: Some("2020:01:02 03:04:05"), ..PHONE };
        world.change(&ids[80], |file| {
            file.content = shot.jpeg().into();
            file.told = None;
        });
        truth.get_mut(&ids[80]).unwrap().1 = Some("2020:01:02 03:04:05".to_owned());
        for number in 0..17 {
            let new = NewFile::of("new.jpg", &trip, JPEG, number.to_string());
            let id = world.make(new.telling(told(number)));
            let time = told(number)["time"].as_str().map(str::to_owned);
            truth.insert(id, ("new.jpg".to_owned(), time, Some(4_032)));
        }
        world.change(&sidecar, |file| file.content = "{}".into());
    });
    let before = drive.asked();
    let result = scan(&stage, payload(user)).await;
    assert_eq!(differences(&catalogued(&catalogue, user).await, &truth), Vec::<String>::new());
    let asked = drive.asked() - before;
    assert!(
        asked < 10 + 3,
        "{asked} questions: {:?}",
        drive.questions().split_off(usize::try_from(before).unwrap())
    );
    let changed = result["processed"].as_u64().unwrap();
    assert!((39..=49).contains(&changed), "{result}");
    let note = catalogue.photo_outcomes(user, None, 9).await.unwrap().remove(0);
    assert_eq!(note.status, OutcomeStatus::Flawed);
    assert!(note.note.reason.contains("Takeout file was left aside"), "{note:?}");

    // Nothing has changed.
    let before = drive.asked();
    let result = scan(&stage, payload(user)).await;
    assert_eq!((&result["totalPhotos"], drive.asked() - before), (&json!(0), 3));
    worker.stop().await;
}

async fn a_folder_is_walked_and_what_leaves_it_goes(stage: Stage) {
    let (drive, stage, catalogue, user) = of_one(stage).await;
    let root = DriveWorld::root(user);
    let (mut truth, shows, inner, photos) = drive.world(|world| {
        let mut library = Library::new(world);
        let shows = library.folder("shows", &root);
        let inner = library.folder("inner", &shows);
        let deep = library.folder("deep", &inner);
        let photos = [&shows, &inner, &deep].map(|folder| library.photo(folder));
        (library.truth, shows, inner, photos)
    });
    drive.world(|world| {
        world.make(NewFile::of("elsewhere.jpg", &root, JPEG, "x").telling(told(1)));
        // To a folder around it: that is no circle, but more photos.
        let aside = world.make(NewFile::folder("aside", &root));
        let linked = world.make(NewFile::of("linked.jpg", &aside, JPEG, "y").telling(told(2)));
        world.make(NewFile::shortcut("aside", &inner, (&aside, FOLDER)));
        world.make(NewFile::shortcut("around", &inner, (&shows, FOLDER)));
        let time = told(2)["time"].as_str().map(str::to_owned);
        truth.insert(linked, ("linked.jpg".to_owned(), time, Some(4_032)));
    });
    let worker = Worker::start(&stage).await;
    let order = json!({ "userId": user, "folderId": shows });
    scan(&stage, order.clone()).await;
    assert_eq!(differences(&catalogued(&catalogue, user).await, &truth), Vec::<String>::new());
    let listed: Vec<String> = drive
        .questions()
        .into_iter()
        .filter(|(kind, _)| *kind == "files")
        .map(|(_, uri)| uri)
        .collect();
    assert_eq!(listed.len(), 4, "each folder once: {listed:?}");
    assert!(listed[0].contains(&shows) && listed[1].contains(&inner), "from above: {listed:?}");

    // One photo goes out, one comes in, a folder goes with all that is in it.
    drive.world(|world| {
        world.change(&photos[0], |file| file.parent.clone_from(&root));
        let new = NewFile::of("new.jpg", &inner, JPEG, "z").telling(told(3));
        let new = world.make(new);
        let time = told(3)["time"].as_str().map(str::to_owned);
        truth.insert(new, ("new.jpg".to_owned(), time, Some(4_032)));
        truth.remove(&photos[0]);
    });
    scan(&stage, order.clone()).await;
    assert_eq!(differences(&catalogued(&catalogue, user).await, &truth), Vec::<String>::new());
    drive.world(|world| world.trash(&inner, true));
    scan(&stage, order.clone()).await;
    assert!(catalogued(&catalogue, user).await.is_empty());
    drive.world(|world| world.trash(&inner, false));
    scan(&stage, order).await;
    assert_eq!(differences(&catalogued(&catalogue, user).await, &truth), Vec::<String>::new());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_handed_out_is_told_and_the_scan_goes_on() {
    let (drive, stage, catalogue, user) = of_one(need!(Stage::new())).await;
    let root = DriveWorld::root(user);
    drive.world(|world| {
        world.make(NewFile::of("words.jpg", &root, JPEG, "no picture"));
        let mut locked = NewFile::of("locked.jpg", &root, JPEG, PHONE.jpeg());
        locked.locked = true;
        world.make(locked.clone().telling(json!({ "width": 40, "height": 30 })));
        world.make(NewFile { name: "closed.jpg".to_owned(), ..locked });
        world.make(NewFile::of("fine.jpg", &root, JPEG, PHONE.jpeg()));
    });
    let worker = Worker::start(&stage).await;
    let result = scan(&stage, payload(user)).await;
    assert_eq!(
        (&result["catalogued"], &result["refused"], &result["failed"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let outcomes = catalogue.photo_outcomes(user, None, 9).await.unwrap();
    let mut told: Vec<(&str, OutcomeStatus)> =
        outcomes.iter().map(|o| (o.name.as_str(), o.status)).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("closed.jpg", OutcomeStatus::Failed),
            ("locked.jpg", OutcomeStatus::Flawed),
            ("words.jpg", OutcomeStatus::Refused)
        ]
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_is_too_old_costs_one_full_listing() {
    let (drive, stage, catalogue, user) = of_one(need!(Stage::new())).await;
    let root = DriveWorld::root(user);
    let (mut truth, ids) = drive.world(|world| {
        let mut library = Library::new(world);
        let ids: Vec<String> = (0..5).map(|_| library.photo(&root)).collect();
        (library.truth, ids)
    });
    let worker = Worker::start(&stage).await;
    scan(&stage, payload(user)).await;
    drive.world(|world| world.delete(&ids[0]));
    truth.remove(&ids[0]);
    // It is asked twice before it is believed.
    drive.break_next("changes", DriveFault::PageToken);
    drive.break_next("changes", DriveFault::PageToken);
    scan(&stage, payload(user)).await;
    assert_eq!(differences(&catalogued(&catalogue, user).await, &truth), Vec::<String>::new());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_starred_photo_is_fetched_in_full_once_and_shown() {
    const IMAGES: &str = "image-optimization";
    let stage = need!(Stage::new())
        .set("queues.image-optimization.slots", 1)
        .set("images.widths", 40)
        .set("images.formats", "jpeg");
    let (drive, stage, catalogue, user) = of_one(stage).await;
    let shot = Shot { size: (1_600, 1_200), ..PHONE };
    let bytes = shot.photo();
    // More than the head of it has to be fetched for its pixels.
    let whole = [bytes, vec![0; 100_000]].concat();
    let size = whole.len();
    drive.world(|world| {
        let file = NewFile::of("star.jpg", &DriveWorld::root(user), JPEG, whole);
        world.make(file.telling(told(1)));
        let other = NewFile::of("other.jpg", &DriveWorld::root(user), JPEG, "x");
        world.make(other.telling(told(2)));
    });
    let worker = Worker::start(&stage).await;
    scan(&stage, payload(user)).await;
    assert!(!drive.calls().contains_key("media"), "Drive has told everything");
    let photos = catalogue.photos(user, None, 9).await.unwrap();
    let starred = photos.iter().find(|photo| photo.name == "star.jpg").unwrap();
    stage.star(&starred.photo_id).await;
    for _ in 0..2 {
        scan(&stage, payload(user)).await;
        let id = format!("optimize:{}:{}", starred.photo_id, starred.source_rev.replace(':', "-"));
        let made = stage.returned(IMAGES, &id).await;
        assert_eq!(made["written"], json!(1), "{made}");
    }
    assert!(catalogue.variants(user, &starred.key).await.unwrap().is_some());
    let media = drive.calls()["media"];
    assert!(media <= 2, "the head, and all {size} bytes once: {media}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_makes_a_scan_slower_and_nothing_else() {
    let (drive, stage, catalogue, user) = of_one(need!(Stage::new())).await;
    let truth = drive.world(|world| {
        let mut library = Library::new(world);
        (0..30).for_each(|_| drop(library.untold(&DriveWorld::root(user))));
        library.truth
    });
    drive.set_quota(12, Duration::from_secs(1));
    let worker = Worker::start(&stage).await;
    let result = scan(&stage, payload(user)).await;
    assert_eq!((&result["catalogued"], &result["failed"]), (&json!(30), &json!(0)));
    assert_eq!(differences(&catalogued(&catalogue, user).await, &truth), Vec::<String>::new());
    assert!(drive.asked() > 12, "it met its limit");
    worker.stop().await;
}
