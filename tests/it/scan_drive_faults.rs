//! Whatever goes wrong with Google Drive or with the worker: the catalogue is what the Drive is.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::AsyncCommands as _;
use roadie::stand_in::drive::{DriveFault, DriveStandIn, DriveWorld, NewFile};
use roadie_jobs::effects::catalogue::Catalogue;
use serde_json::{Value, json};

use super::support::drive::{Library, Truth, catalogued, connect, differences, on};
use super::support::http;
use super::support::process::Process;
use super::support::stage::{Stage, user};
use super::support::within;

const SCANS: &str = "photo-processing";
/// On two cores that others need as well.
const LONG: Duration = Duration::from_mins(4);
/// Between two looks at the progress.
const LOOK: Duration = Duration::from_millis(20);
/// A worker needs no more for a scan, however large the Drive.
const MEMORY: u64 = 192 << 20;

const FAULTS: [DriveFault; 15] = [
    DriveFault::Unauthorized,
    DriveFault::Forbidden("userRateLimitExceeded"),
    DriveFault::Broken,
    DriveFault::Forbidden("insufficientFilePermissions"),
    DriveFault::Cut,
    DriveFault::NotFound,
    DriveFault::TooMany(Some(1)),
    DriveFault::Slow(Duration::from_millis(300)),
    DriveFault::Forbidden("appNotAuthorizedToFile"),
    DriveFault::PageToken,
    DriveFault::Forbidden("rateLimitExceeded"),
    DriveFault::Forbidden("domainPolicy"),
    DriveFault::Forbidden("cannotDownloadFile"),
    DriveFault::TooMany(None),
    DriveFault::Forbidden("dailyLimitExceeded"),
];

/// What is to be found, and the questions that cannot be done without.
struct Made {
    truth: Truth,
    least: u64,
}

/// Folders that others share with the user.
const SHARED: u64 = 20;

/// Nested folders, two shared drives, shortcuts in circles and to what others share, Takeout files.
fn make(world: &mut DriveWorld, user: i64, friend: i64, photos: usize) -> Made {
    let (root, theirs) = (DriveWorld::root(user), DriveWorld::root(friend));
    world.share_drive("band", &[user]);
    world.share_drive("club", &[user, friend]);
    let mut library = Library::new(world);
    let mut folders = Vec::new();
    for top in 0..10 {
        let home = ["band", "club", root.as_str()][if top < 2 { top } else { 2 }];
        let year = library.folder(&format!("year {top}"), home);
        for show in 0..10 {
            let show = library.folder(&format!("show {show}"), &year);
            folders.push((library.folder("best of", &show), show));
        }
    }
    for number in 0..photos {
        let (inner, outer) = &folders[number % folders.len()];
        let folder = if number % 3 == 0 { outer } else { inner };
        match number % 50 {
            0 | 1 => drop(library.untold(folder)),
            2 => drop(library.exported(folder)),
            _ => drop(library.photo(folder)),
        }
    }
    // Each folder has to be asked for: what is in it is in no listing of the user's.
    for _ in 0..SHARED {
        let hidden = library.folder("hidden", &theirs);
        let photo = library.photo(&hidden);
        library.world.share(&hidden, user);
        library.world.make(NewFile::shortcut("theirs", &root, (&photo, "image/jpeg")));
    }
    // Those that lead to what is known cost nothing.
    let known: Vec<String> = library.truth.keys().take(50).cloned().collect();
    for id in known {
        library.world.make(NewFile::shortcut("again", &root, (&id, "image/jpeg")));
    }
    let folder = "application/vnd.google-apps.folder";
    for (inner, outer) in &folders[..10] {
        library.world.make(NewFile::shortcut("up", inner, (outer, folder)));
    }
    let (truth, fetches) = (library.truth, library.fetches);
    let visible = world.visible(user);
    let pages: u64 = visible.values().map(|files| files.div_ceil(1_000)).sum();
    let drives = visible.len() as u64;
    Made { truth, least: pages + 1 + drives + SHARED + fetches }
}

/// Stops a worker five times, wherever it is; answers what the five have logged.
async fn kill_five_times(stage: &Stage, catalogue: &Catalogue, user: i64, all: usize) -> String {
    let mut logs = String::new();
    for time in 1..=5 {
        let process = Process::serving(stage).await;
        let enough = all * time / 7;
        let reached = within(LONG, "it is under way", async || {
            match catalogue.photos(user, None, 100_000).await.unwrap().len() {
                some if some >= enough => Ok(()),
                few => Err(few.to_string()),
            }
        });
        reached.await;
        logs.push_str(&process.kill().await);
    }
    logs
}

/// Looks at the progress of a user's scan again and again; answers what went backwards, and how often it
/// looked, once it is told to stop.
async fn watch(
    mut link: impl redis::AsyncCommands,
    user: i64,
    stop: Arc<AtomicBool>,
) -> (Vec<String>, usize) {
    let (mut backwards, mut looks, mut last) = (Vec::new(), 0, 0);
    while !stop.load(Ordering::Relaxed) {
        let text: Option<String> = link.get(format!("scan:progress:{user}")).await.unwrap();
        if let Some(text) = text {
            let told: Value = serde_json::from_str(&text).unwrap();
            let number = |field: &str| told[field].as_u64().unwrap();
            let now = number("processed") + number("skipped");
            if now < last || now != number("currentPhoto") || now > number("totalPhotos") {
                backwards.push(format!("{last} before {text}"));
            }
            (last, looks) = (now, looks + 1);
        }
        tokio::time::sleep(LOOK).await;
    }
    (backwards, looks)
}

/// The most memory that a process has had, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

/// Everything that Redis keeps under a stage's prefix, and of its user's progress.
pub(crate) async fn all_of_redis(stage: &Stage, user: i64) -> String {
    let mut link = stage.queues().await.redis();
    let mut all = String::new();
    let keys: Vec<String> = link.keys(format!("*{}*", stage.prefix)).await.unwrap();
    for key in keys.into_iter().chain([format!("scan:progress:{user}")]) {
        all.push_str(&key);
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut link).await.unwrap();
        let value: redis::Value = match kind.as_str() {
            "string" => redis::cmd("GET").arg(&key).query_async(&mut link).await.unwrap(),
            "hash" => link.hgetall(&key).await.unwrap(),
            "list" => link.lrange(&key, 0, -1).await.unwrap(),
            "set" => link.smembers(&key).await.unwrap(),
            "zset" => link.zrange_withscores(&key, 0, -1).await.unwrap(),
            _ => link.xrange_all(&key).await.unwrap(),
        };
        let _ = writeln!(all, "{value:?}");
    }
    all
}

/// Tokens, names, places: none of them may be in what others can read.
pub(crate) fn is_private(text: &str, told: &Truth) -> Vec<String> {
    let mut found: Vec<String> = [
        "ya29.",
        "1//re",
        "enc:v1:",
        "stand-in-secret",
        "52.25",
        "48.858",
        "2.2919",
        "supplemental",
    ]
    .iter()
    .filter(|word| text.contains(**word))
    .map(|word| (*word).to_owned())
    .collect();
    found.extend(
        told.values().map(|(name, ..)| name.clone()).filter(|name| text.contains(name)).take(3),
    );
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures are worth seeing")]
async fn twenty_thousand_photos_with_a_fault_on_every_fiftieth_call_and_five_kills() {
    const PHOTOS: usize = 20_000;
    let drive = DriveStandIn::start().await.unwrap();
    let stage = on(&drive, need!(Stage::new())).with_short_leases().set("log.level", "debug");
    let catalogue = stage.catalogue().await;
    let (user, friend) = (user(), user());
    connect(&drive, &catalogue, user).await;
    drive.world(|world| world.connect(friend));
    let Made { truth, least } = drive.world(|world| make(world, user, friend, PHOTOS));
    drive.break_every(50, FAULTS.to_vec());

    let payload = json!({ "userId": user, "batchSize": 100, "timestamp": 1_763_636_043_000_u64 });
    let id = stage.add(SCANS, "scan-drive", payload.clone()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watched = tokio::spawn({
        let (link, stop) = (stage.queues().await.redis(), Arc::clone(&stop));
        watch(link, user, stop)
    });
    let logs = kill_five_times(&stage, &catalogue, user, PHOTOS).await;
    let process = Process::serving(&stage).await;
    let queues = stage.queues().await;
    let result: Value =
        within(LONG, "the scan completes", async || match queues.job(SCANS, &id).await {
            Ok((job, bullmq::JobState::Completed)) => {
                Ok(serde_json::from_str(job.returnvalue()).unwrap())
            }
            other => Err(format!("{other:?}")),
        })
        .await;
    let found = catalogued(&catalogue, user).await;
    assert_eq!(differences(&found, &truth), Vec::<String>::new());
    assert_eq!(result["totalPhotos"], json!(truth.len()), "{result}");
    assert_eq!(catalogue.photo_outcomes(user, None, 9).await.unwrap(), []);

    let asked = drive.asked();
    stop.store(true, Ordering::Relaxed);
    let (backwards, looks) = watched.await.unwrap();
    assert_eq!((backwards, looks > 20), (Vec::new(), true), "{looks} looks at the progress");
    let memory = peak(process.pid());
    println!(
        "{asked} questions, {least} at least, {} MB at most; {:?}",
        memory >> 20,
        drive.calls()
    );
    assert!(memory < MEMORY, "{memory} bytes");
    // A page of each kill, and the questions that met a fault.
    assert!(
        asked * 100 <= least * 110 + 5 * 100 * 16,
        "{asked} questions, {least} at least: {:?}",
        drive.calls()
    );

    let mut seen = all_of_redis(&stage, user).await;
    seen.push_str(&logs);
    seen.push_str(&process.log());
    seen.push_str(&http::get(process.http(), "/metrics").await.1);
    assert_eq!(is_private(&seen, &truth), Vec::<String>::new());
    drop(process);
}
