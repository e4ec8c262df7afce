//! Two users who were at the same show: what they share, and what there is of each of them.

use std::collections::BTreeMap;

use bullmq::options::DeduplicationOptions;
use bullmq::{JobOptions, job_scheduler::RepeatOptions};
use roadie::queue::NewJob;
use roadie::stand_in::StandIns;
use roadie::stand_in::drive::DriveStandIn;
use roadie_jobs::effects::catalogue::Provider;
use serde_json::{Value, json};

use super::drive::{connect, on};
use super::eventually;
use super::s3::S3Server;
use super::smtp::{MAILS, recipient, with_mail};
use super::stage::{Stage, user};
use super::traces::{keys, left, names, objects, tables};
use crate::matching::{CLUB, asking, take};
use crate::optimize_photo::{SHOT, optimize, small};
use crate::stand_ins::world;

pub(crate) const SCANS: &str = "photo-processing";
pub(crate) const PRIVACY: &str = "privacy";
/// A queue that nobody serves.
pub(crate) const SHELF: &str = "shelf";
/// Makes users' numbers long enough to be in no other one but their neighbours'.
const ONES: i64 = 7_412_900_000;

/// Two users who were at the same show, with photos in a folder and in a bucket, and a Google account.
pub(crate) struct Neighbours {
    pub(crate) one: i64,
    pub(crate) other: i64,
    pub(crate) stage: Stage,
    pub(crate) server: S3Server,
    pub(crate) drive: DriveStandIn,
    pub(crate) stand_ins: StandIns,
}

impl Neighbours {
    pub(crate) async fn new(stage: Stage) -> Self {
        let server = S3Server::start(&stage).await;
        server.bucket("images");
        server.bucket("exports");
        let mails = stage.folder("mails");
        let drive = DriveStandIn::start().await.unwrap();
        let (stand_ins, _) = world(&stage.folder("world")).await;
        let root = stage.folder("photos");
        let one = ONES + user();
        // It begins as the other's does.
        let other = 10 * one + 1;
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
        Self { one, other, stage, server, drive, stand_ins }
    }

    /// What a user leaves behind in a life with the application.
    pub(crate) async fn lives(&self, user: i64) {
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
    pub(crate) async fn add_as(
        &self,
        queue: &str,
        kind: &str,
        payload: Value,
        id: String,
    ) -> String {
        let (kind, id) = (kind.to_owned(), Some(id));
        let job = NewJob { kind, payload, id, ..NewJob::default() };
        self.stage.queues().await.add(queue, job).await.unwrap()
    }

    pub(crate) async fn erase(&self, request: &str, user: i64) -> String {
        let payload = json!({ "requestId": request, "userId": user });
        self.add_as(PRIVACY, "delete-user", payload, format!("erase:{request}")).await
    }

    /// Jobs of a user by queue, in whichever state.
    pub(crate) async fn jobs(&self, user: i64) -> BTreeMap<String, u64> {
        let mut jobs = BTreeMap::new();
        let prefix = format!("{}:", self.stage.prefix);
        for (key, value) in keys(&self.stage, &[prefix.as_str()]).await {
            let value = format!(" {value}");
            let queue = key.strip_prefix(&prefix).unwrap().split(':').next().unwrap();
            let own = value.contains(" data {") && names(&value, user);
            // A schedule has a payload, too, and no time at which it was added.
            if own && value.contains(" timestamp ") {
                *jobs.entry(queue.to_owned()).or_default() += 1;
            }
        }
        jobs
    }

    /// What follows from scans has ended, mails and the search for duplicates, so that what is counted stands still.
    pub(crate) async fn rests(&self) {
        let queues = self.stage.queues().await;
        for queue in [SCANS, MAILS] {
            let queue = queues.queue(queue).await.unwrap();
            eventually("nothing is under way", async || {
                let under_way = ["waiting", "active", "prioritized"];
                let counts = queue.get_job_counts_by_types(&under_way).await.unwrap();
                let none = counts.values().all(|jobs| *jobs == 0);
                if none { Ok(()) } else { Err(format!("{counts:?}")) }
            })
            .await;
        }
    }

    /// The user's mails in the folder.
    pub(crate) fn mails(&self, user: i64) -> Vec<String> {
        let folder = self.stage.folder("mails").join(user.to_string());
        let files = folder.read_dir().into_iter().flatten().flatten();
        files.map(|file| file.path().display().to_string()).collect()
    }

    pub(crate) async fn everything(&self) -> BTreeMap<String, String> {
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
    pub(crate) async fn left_of(&self, user: i64) -> Vec<String> {
        let mut all = self.everything().await;
        let erasing = format!("{}:{PRIVACY}:erase:", self.stage.prefix);
        all.retain(|place, _| !place.starts_with("erased_users") && !place.starts_with(&erasing));
        left(&all, user)
    }
}

pub(crate) fn rows_of(
    tables: &BTreeMap<String, Vec<String>>,
    user: i64,
) -> BTreeMap<String, Vec<String>> {
    let own = |rows: &Vec<String>| rows.iter().filter(|row| names(row, user)).cloned().collect();
    tables.iter().map(|(table, rows)| (table.clone(), own(rows))).collect()
}
