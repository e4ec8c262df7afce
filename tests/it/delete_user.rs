//! One of two users is erased: nothing of the one remains anywhere, everything of the other is as it was.

use std::collections::BTreeMap;

use bullmq::options::DeduplicationOptions;
use bullmq::{JobOptions, job_scheduler::RepeatOptions};
use roadie::queue::NewJob;
use roadie::stand_in::StandIns;
use roadie::stand_in::drive::DriveStandIn;
use roadie_jobs::effects::catalogue::Provider;
use serde_json::{Value, json};

use super::matching::{CLUB, MATCHING, asking, take};
use super::optimize_photo::{SHOT, optimize, small};
use super::stand_ins::world;
use super::support::drive::{connect, on};
use super::support::eventually;
use super::support::process::run;
use super::support::s3::S3Server;
use super::support::smtp::{MAILS, recipient, with_mail};
use super::support::stage::{Stage, user};
use super::support::traces::{keys, left, objects, tables};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";
const PRIVACY: &str = "privacy";
/// A queue that nobody serves.
const SHELF: &str = "shelf";
/// Makes users' numbers long enough to be no part of another one.
const ONES: i64 = 7_412_900_000;
const OTHERS: i64 = 8_305_100_000;

/// Two users who were at the same show, with photos in a folder and in a bucket, and a Google account.
struct Scene {
    one: i64,
    other: i64,
    stage: Stage,
    server: S3Server,
    drive: DriveStandIn,
    _stand_ins: StandIns,
}

impl Scene {
    async fn new(stage: Stage) -> Self {
        let server = S3Server::start(&stage).await;
        server.bucket("images");
        server.bucket("exports");
        let mails = stage.folder("mails");
        let drive = DriveStandIn::start().await.unwrap();
        let (stand_ins, _) = world(&stage.folder("world")).await;
        let root = stage.folder("photos");
        let (one, other) = (ONES + user(), OTHERS + user());
        for user in [one, other] {
            server.put("photos", &format!("{user}/show-of-{user}.jpg"), &SHOT.photo());
            let folder = stage.folder(&format!("photos/of-{user}"));
            (0..6).for_each(|number| take(&folder, 14, 5 * number, CLUB));
        }
        let stage = asking(small(on(&drive, server.on(with_mail(stage)))), &stand_ins)
            .set("mail.folder", mails.display())
            .set("queues.exports.weight", 1)
            .set("folders.roots", root.display())
            .set("queues.privacy.weight", 1)
            .set("privacy.sweep_after", "1h");
        Self { one, other, stage, server, drive, _stand_ins: stand_ins }
    }

    /// What a user leaves behind in a life with the application.
    async fn lives(&self, user: i64) {
        let stage = &self.stage;
        let catalogue = stage.catalogue().await;
        connect(&self.drive, &catalogue, user).await;
        let address = format!("mail-of-{user}@example.org");
        recipient(stage, user, &address, &format!("Ann {user}"), "en").await;
        let folder = stage.folder(&format!("photos/of-{user}"));
        let scan = json!({ "userId": user, "path": folder });
        let id = stage.add(SCANS, "scan-folder", scan.clone()).await;
        assert_eq!(stage.returned(SCANS, &id).await["linked"], 6);
        let bucket = json!({ "userId": user, "bucket": "photos", "prefix": format!("{user}/"), "fingerprint": true });
        let id = self.add_as(SCANS, "scan-s3", bucket, format!("scan:{user}")).await;
        stage.completed(SCANS, &id).await;
        let photos = catalogue.photos(user, None, 100).await.unwrap();
        let photo = photos.iter().find(|photo| photo.key.provider == Provider::S3).unwrap();
        optimize(stage, user, photo).await;
        let missing = json!({ "userId": user, "path": folder.join(format!("missing-{user}")) });
        let id = stage.add(SCANS, "scan-folder", missing).await;
        stage.letter(&id).await;

        let export = json!({ "exportId": "all", "userId": user, "format": "csv" });
        let id = stage.add("exports", "export-history", export).await;
        stage.completed("exports", &id).await;
        let mail = json!({ "userId": user, "template": "milestone", "value": "nights-1" });
        let id = stage.add(MAILS, "send-email", mail).await;
        assert_eq!(stage.returned(MAILS, &id).await["outcome"], "sent");

        // In every state that waits.
        stage.add(SHELF, "scan-folder", scan.clone()).await;
        for options in [
            JobOptions { priority: Some(5), ..JobOptions::default() },
            JobOptions { delay: Some(86_400_000), ..JobOptions::default() },
            JobOptions {
                deduplication: Some(DeduplicationOptions {
                    id: format!("once-{user}"),
                    ttl: None,
                    extend: None,
                    replace: None,
                    keep_last_if_active: None,
                }),
                ..JobOptions::default()
            },
        ] {
            stage.add_with(SHELF, "scan-folder", scan.clone(), options).await;
        }
        let queue = stage.queues().await.queue(SHELF).await.unwrap();
        let daily = RepeatOptions { every: Some(86_400_000), ..RepeatOptions::default() };
        let name = format!("daily-of-{user}");
        queue
            .upsert_job_scheduler(&name, daily, Some("scan-folder"), Some(scan), None)
            .await
            .unwrap();
        let mut redis = stage.queues().await.redis();
        for cached in ["concerts:user:", "photos:count:"] {
            let key = format!("{cached}{user}");
            redis::cmd("SET").arg(key).arg("kept").exec_async(&mut redis).await.unwrap();
        }
    }

    /// Adds a job under an id of its own, with colons, as the HTTP API and follow-ups do.
    async fn add_as(&self, queue: &str, kind: &str, payload: Value, id: String) -> String {
        let (kind, id) = (kind.to_owned(), Some(id));
        let job = NewJob { kind, payload, id, ..NewJob::default() };
        self.stage.queues().await.add(queue, job).await.unwrap()
    }

    async fn erase(&self, request: &str, user: i64) -> String {
        let payload = json!({ "requestId": request, "userId": user });
        self.add_as(PRIVACY, "delete-user", payload, format!("erase:{request}")).await
    }

    /// Jobs of a user by queue, in whichever state.
    async fn jobs(&self, user: i64) -> BTreeMap<String, u64> {
        let mut jobs = BTreeMap::new();
        let prefix = format!("{}:", self.stage.prefix);
        for (key, value) in keys(&self.stage, &[prefix.as_str()]).await {
            let value = format!(" {value}");
            let queue = key.strip_prefix(&prefix).unwrap().split(':').next().unwrap();
            let own = value.contains(" data {") && value.contains(&format!("\"userId\":{user}"));
            // A schedule has a payload, too, and no time at which it was added.
            if own && value.contains(" timestamp ") {
                *jobs.entry(queue.to_owned()).or_default() += 1;
            }
        }
        jobs
    }

    /// Mails that follow from scans are sent, so that what is counted stands still.
    async fn rests(&self) {
        let queue = self.stage.queues().await.queue(MAILS).await.unwrap();
        eventually("no mail is on its way", async || {
            let counts =
                queue.get_job_counts_by_types(&["waiting", "active", "prioritized"]).await.unwrap();
            if counts.values().all(|jobs| *jobs == 0) { Ok(()) } else { Err(format!("{counts:?}")) }
        })
        .await;
    }

    /// The user's mails in the folder.
    fn mails(&self, user: i64) -> Vec<String> {
        let folder = self.stage.folder("mails").join(user.to_string());
        let files = folder.read_dir().into_iter().flatten().flatten();
        files.map(|file| file.path().display().to_string()).collect()
    }

    async fn everything(&self) -> BTreeMap<String, String> {
        let prefix = format!("{}:", self.stage.prefix);
        let begin = [prefix.as_str(), "scan:progress:", "concerts:user:", "photos:count:"];
        let mut all = keys(&self.stage, &begin).await;
        for (table, rows) in tables(&self.stage).await {
            all.extend(rows.into_iter().enumerate().map(|(n, row)| (format!("{table} {n}"), row)));
        }
        for bucket in ["images", "exports"] {
            let objects = objects(&self.server, bucket).await;
            all.extend(objects.into_iter().map(|key| (format!("object {key}"), String::new())));
        }
        for user in [self.one, self.other] {
            let mails = self.mails(user).into_iter();
            all.extend(mails.map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())));
        }
        all
    }

    /// What is left of a user, but for the tombstone and the jobs that erase.
    async fn left_of(&self, user: i64) -> Vec<String> {
        let mut all = self.everything().await;
        let erasing = format!("{}:{PRIVACY}:erase:", self.stage.prefix);
        all.retain(|place, _| !place.starts_with("erased_users") && !place.starts_with(&erasing));
        left(&all, &[user.to_string()])
    }
}

fn rows_of(tables: &BTreeMap<String, Vec<String>>, user: i64) -> BTreeMap<String, Vec<String>> {
    let mark = user.to_string();
    let own = |rows: &Vec<String>| rows.iter().filter(|row| row.contains(&mark)).cloned().collect();
    tables.iter().map(|(table, rows)| (table.clone(), own(rows))).collect()
}

on_both_databases!(nothing_of_one_user_remains_and_all_of_the_other);

async fn nothing_of_one_user_remains_and_all_of_the_other(stage: Stage) {
    let scene = Scene::new(stage).await;
    let (stage, one, other) = (&scene.stage, scene.one, scene.other);
    let worker = Worker::start(stage).await;
    for user in [one, other] {
        scene.lives(user).await;
    }
    scene.rests().await;
    let before = tables(stage).await;
    let (of_one, of_other) = (rows_of(&before, one), rows_of(&before, other));
    for table in [
        "photos",
        "photo_links",
        "photo_variants",
        "session_photos",
        "provider_accounts",
        "photo_fingerprints",
        "dead_letters",
        "exports",
        "mails",
        "mail_recipients",
        "mail_preferences",
        "users",
    ] {
        assert!(!of_one[table].is_empty(), "{table} holds nothing, and proves nothing");
    }
    let (mails_of_one, mails_of_other) = (scene.mails(one), scene.mails(other));
    assert!(!mails_of_one.is_empty());
    let objects_before = objects(&scene.server, "images").await;
    let (jobs_of_one, jobs_of_other) = (scene.jobs(one).await, scene.jobs(other).await);
    assert_eq!(jobs_of_one[SHELF], 5, "{jobs_of_one:?}");
    assert!(!scene.left_of(one).await.is_empty());

    let id = scene.erase("r-1", one).await;
    let receipt = stage.returned(PRIVACY, &id).await;

    assert_eq!(scene.left_of(one).await, Vec::<String>::new());
    let after = tables(stage).await;
    assert_eq!(rows_of(&after, other), of_other);
    for table in ["venues", "venue_names", "artists", "event_nights", "setlists"] {
        assert_eq!(after[table], before[table], "{table} is everybody's");
    }
    let objects_after = objects(&scene.server, "images").await;
    let others: Vec<String> =
        objects_before.iter().filter(|key| key.contains(&other.to_string())).cloned().collect();
    assert_eq!((objects_after.len(), &objects_after), (6, &others));
    assert_eq!(objects(&scene.server, "exports").await, [format!("exports/{other}/all.csv")]);
    assert_eq!(scene.mails(other), mails_of_other);
    assert_eq!(scene.jobs(other).await, jobs_of_other);
    let queue = stage.queues().await.queue(SHELF).await.unwrap();
    assert_eq!(queue.get_job_schedulers(0, -1, true).await.unwrap().len(), 1);

    // The receipt tells what was counted before, and of nobody.
    for (table, rows) in &of_one {
        let told = receipt["removed"]["catalogue"][table].as_u64().unwrap_or(0);
        assert_eq!(told, rows.len() as u64, "{table}: {receipt}");
    }
    let objects_of_one = objects_before.len() - others.len();
    assert_eq!(receipt["removed"]["objects"]["variants"], objects_of_one, "{receipt}");
    assert_eq!(receipt["removed"]["objects"]["exports"], 1, "{receipt}");
    assert_eq!(receipt["removed"]["mails"]["files"], mails_of_one.len(), "{receipt}");
    assert_eq!(receipt["removed"]["queues"], json!(jobs_of_one), "{receipt}");
    assert_eq!(receipt["removed"]["redis"]["schedules"], 1, "{receipt}");
    assert_eq!(receipt["removed"]["accounts"], json!({ "drive: revoked": 1 }));
    assert!(!receipt.to_string().contains(&one.to_string()), "{receipt}");
    assert_eq!(scene.drive.calls()["revoke"], 1);

    // Whoever asks for something of the user now gets nothing of it, and leaves nothing.
    let late = json!({ "userId": one, "path": stage.folder(&format!("photos/of-{one}")) });
    let late = stage.add(SCANS, "scan-folder", late).await;
    stage.gone(SCANS, &late).await;
    assert_eq!(scene.left_of(one).await, Vec::<String>::new());

    // The same request again answers the same receipt.
    stage.queues().await.queue(PRIVACY).await.unwrap().remove(&id).await.unwrap();
    scene.erase("r-1", one).await;
    assert_eq!(stage.returned(PRIVACY, &id).await, receipt);
    let payload = json!({ "requestId": "r-1", "userId": other });
    let wrong = stage.add(PRIVACY, "delete-user", payload).await;
    let failed = stage.failed(PRIVACY, &wrong).await;
    assert_eq!(failed.failed_reason(), "request r-1 was about another user; use a new id");
    assert_eq!(rows_of(&tables(stage).await, other)["photos"], of_other["photos"]);

    sweep_and_restore(&scene).await;
    worker.stop().await;
}

/// What a late writer has left is found by the second look; somebody may come back.
async fn sweep_and_restore(scene: &Scene) {
    let (stage, one) = (&scene.stage, scene.one);
    let key = format!("variants/{one}/p/48-x.webp");
    scene.server.put("images", &key, b"late");
    let sweep = "erase:r-1:sweep";
    let queue = stage.queues().await.queue(PRIVACY).await.unwrap();
    let job = queue.get_job(sweep).await.unwrap().unwrap();
    job.promote().await.unwrap();
    let receipt = stage.returned(PRIVACY, sweep).await;
    assert_eq!(receipt["swept"]["objects"]["variants"], 1, "{receipt}");
    let swept = &receipt["swept"]["catalogue"];
    assert!(swept.as_object().unwrap().values().all(|rows| rows == 0), "{receipt}");
    assert_eq!(objects(&scene.server, "images").await.len(), 6);
    // Only the second look itself still knows whom it was about.
    let shown = run(stage, &["privacy", "show", "r-1"]).await;
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap(), receipt, "{}", shown.err);
    let listed = run(stage, &["privacy", "receipts"]).await;
    assert!(listed.out.contains("r-1") && !listed.out.contains(&one.to_string()), "{}", listed.out);

    let user = one.to_string();
    let restored = run(stage, &["privacy", "restore", &user]).await;
    assert_eq!(restored.code, 0, "{}", restored.err);
    assert_eq!(run(stage, &["privacy", "restore", &user]).await.code, 1);
    let back = json!({ "userId": one, "path": stage.folder(&format!("photos/of-{one}")) });
    let id = stage.add(SCANS, "scan-folder", back).await;
    assert_eq!(stage.returned(SCANS, &id).await["linked"], 6);
    eventually("the second scan has no jobs left", async || {
        let queue = stage.queues().await.queue(MATCHING).await.unwrap();
        match queue.get_active_count().await.unwrap() {
            0 => Ok(()),
            more => Err(more.to_string()),
        }
    })
    .await;
}
