//! A user is erased while scans and matches of theirs and of somebody else run, and workers are killed.

use std::collections::BTreeMap;
use std::time::Duration;

use roadie::queue::NewJob;
use roadie::stand_in::StandIns;
use roadie::stand_in::drive::{DriveStandIn, DriveWorld};
use roadie_jobs::effects::catalogue::Standing;
use serde_json::{Value, json};

use super::matching::{CLUB, asking, take};
use super::stand_ins::world;
use super::support::drive::{Library, Truth, catalogued, connect, differences, on};
use super::support::process::Process;
use super::support::stage::{Stage, user};
use super::support::traces::{keys, left, tables};
use super::support::{eventually, within};

const SCANS: &str = "photo-processing";
const PRIVACY: &str = "privacy";
const ONES: i64 = 7_412_900_000;
const OTHERS: i64 = 8_305_100_000;
/// Photos in each Drive.
const PHOTOS: usize = 150;
/// Leases run out, wishes are heard and steps are looked at again; on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

struct Scene {
    one: i64,
    other: i64,
    stage: Stage,
    truth: Truth,
    drive: DriveStandIn,
    _stand_ins: StandIns,
}

impl Scene {
    async fn new(stage: Stage) -> Self {
        let drive = DriveStandIn::start().await.unwrap();
        let (stand_ins, _) = world(&stage.folder("world")).await;
        let root = stage.folder("photos");
        let stage = asking(on(&drive, stage), &stand_ins)
            .with_short_leases()
            .set("folders.roots", root.display())
            .set("photos.read_ahead", 2)
            .set("queues.photo-processing.slots", 8)
            .set("queues.privacy.weight", 1)
            .set("privacy.sweep_after", "1h");
        let catalogue = stage.catalogue().await;
        let (one, other) = (ONES + user(), OTHERS + user());
        let mut truths = Vec::new();
        for user in [one, other] {
            let folder = stage.folder(&format!("photos/of-{user}"));
            (0..6).for_each(|number| take(&folder, 14, 5 * number, CLUB));
            connect(&drive, &catalogue, user).await;
            truths.push(drive.world(|world| {
                let mut library = Library::new(world);
                for _ in 0..PHOTOS {
                    library.untold(&DriveWorld::root(user));
                }
                library.truth
            }));
        }
        drive.set_latency(Duration::from_millis(15));
        let truth = truths.pop().unwrap();
        Self { one, other, stage, truth, drive, _stand_ins: stand_ins }
    }

    /// Both users' photos are scanned and matched.
    async fn begin(&self) -> BTreeMap<i64, [String; 2]> {
        let mut ids = BTreeMap::new();
        for user in [self.one, self.other] {
            let folder = self.stage.folder(&format!("photos/of-{user}"));
            let here = json!({ "userId": user, "path": folder });
            let drive = json!({ "userId": user, "batchSize": 10 });
            // One scan of a user at a time: the second one follows the first.
            let here = self.stage.add(SCANS, "scan-folder", here).await;
            self.stage.completed(SCANS, &here).await;
            ids.insert(user, [here, self.stage.add(SCANS, "scan-drive", drive).await]);
        }
        ids
    }

    async fn everything(&self) -> BTreeMap<String, String> {
        let prefix = format!("{}:", self.stage.prefix);
        let mut all = keys(&self.stage, &[prefix.as_str(), "scan:progress:"]).await;
        for (table, rows) in tables(&self.stage).await {
            all.extend(rows.into_iter().enumerate().map(|(n, row)| (format!("{table} {n}"), row)));
        }
        all
    }
}

on_both_databases!(an_erasure_is_finished_whoever_is_killed);

async fn an_erasure_is_finished_whoever_is_killed(stage: Stage) {
    let scene = Scene::new(stage).await;
    let stage = &scene.stage;
    let catalogue = stage.catalogue().await;
    let mut workers = vec![Process::serving(stage).await, Process::serving(stage).await];
    let mut logs = Vec::new();
    let ids = scene.begin().await;
    eventually("both scans are under way", async || {
        let found = [
            catalogued(&catalogue, scene.one).await.len(),
            catalogued(&catalogue, scene.other).await.len(),
        ];
        if found.iter().all(|photos| *photos >= 26) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;

    let payload = json!({ "requestId": "r", "userId": scene.one });
    let job = NewJob {
        kind: "delete-user".to_owned(),
        payload,
        id: Some("erase:r".to_owned()),
        ..NewJob::default()
    };
    stage.queues().await.add(PRIVACY, job).await.unwrap();
    eventually("the tombstone is there", async || {
        match catalogue.standing(scene.one).await.unwrap() {
            Standing::Here => Err(String::new()),
            _ => Ok(()),
        }
    })
    .await;
    for _ in 0..2 {
        let victim = workers.remove(0);
        logs.push(victim.log());
        victim.kill().await;
        workers.push(Process::serving(stage).await);
    }

    let queues = stage.queues().await;
    let receipt: Value = within(PATIENCE, "the user is erased", async || {
        match queues.job(PRIVACY, "erase:r").await.map_err(|e| e.to_string())? {
            (job, bullmq::JobState::Completed) => {
                Ok(serde_json::from_str(job.returnvalue()).unwrap())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let other = &ids[&scene.other][1];
    within(PATIENCE, "the other's scan is done", async || {
        match queues.job(SCANS, other).await.map_err(|e| e.to_string())?.1 {
            bullmq::JobState::Completed => Ok(()),
            reached => Err(format!("{reached:?}")),
        }
    })
    .await;

    let mut all = scene.everything().await;
    let erasing = format!("{}:{PRIVACY}:erase:", stage.prefix);
    all.retain(|place, _| !place.starts_with("erased_users") && !place.starts_with(&erasing));
    assert_eq!(left(&all, &[scene.one.to_string()]), Vec::<String>::new(), "{receipt}");
    assert_eq!(receipt["removed"]["catalogue"]["users"], 1, "{receipt}");
    assert_eq!(receipt["removed"]["accounts"]["drive: revoked"], 1, "{receipt}");
    assert!(receipt["removed"]["catalogue"]["photos"].as_u64() >= Some(26), "{receipt}");
    assert!(receipt["removed"]["queues"][SCANS].as_u64() >= Some(2), "{receipt}");
    assert_eq!(scene.drive.calls()["revoke"], 1);

    // All of the other's: photos of the Drive, and those of the show with what they were matched to.
    let mut found = catalogued(&catalogue, scene.other).await;
    found.retain(|_, (name, ..)| !name.starts_with("DSC_"));
    assert_eq!(differences(&found, &scene.truth), Vec::<String>::new());
    let rows = tables(stage).await;
    let mark = format!("user_id={}", scene.other);
    let of_other = |table: &str| rows[table].iter().filter(|row| row.contains(&mark)).count();
    assert_eq!((of_other("photos"), of_other("photo_links")), (PHOTOS + 6, 6));

    // Ids may be in a log; what a photo is called, and where it was taken, not.
    logs.extend(workers.iter().map(Process::log));
    for log in &logs {
        for secret in ["IMG_0", "DSC_1", "38.917", "77.023", "1//refresh", "ya29."] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
    for worker in workers {
        worker.kill().await;
    }
}
