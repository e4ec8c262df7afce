//! A user is erased while scans, a match, an export and mails of theirs and of somebody else are under way, and
//! the worker that erases is killed, twice.

use std::collections::BTreeMap;
use std::time::Duration;

use roadie::stand_in::drive::{DriveFault, DriveWorld};
use roadie::stand_in::{Service, Trouble};
use roadie_jobs::effects::catalogue::MailState;
use serde_json::{Value, json};

use super::matching::{CLUB, MATCHING, take};
use super::support::drive::{Library, Truth, catalogued, differences};
use super::support::fleet::held_by;
use super::support::neighbours::{Neighbours, PRIVACY, SCANS, rows_of};
use super::support::process::Process;
use super::support::s3::Held;
use super::support::smtp::MAILS;
use super::support::stage::Stage;
use super::support::traces::{keys, names, objects, tables};
use super::support::{eventually, within};

const EXPORTS: &str = "exports";
/// Photos in each Drive.
const PHOTOS: usize = 150;
/// Mails to each user.
const LETTERS: usize = 80;
/// Mails that are sent at once by all workers: of as many nobody knows after a kill.
const AT_ONCE: usize = 2 * 8;
/// How long setlist.fm takes for an answer while the one is being erased.
const SLOW: Duration = Duration::from_secs(30);
/// Leases run out, wishes are heard and steps are looked at again; on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Jobs of one user that are under way when the other one is erased.
struct UnderWay {
    scan: String,
    matched: String,
    export: String,
}

/// Fills a user's Drive; there are photos of an evening without a show, too.
fn fill(scene: &Neighbours, user: i64, day: u32) -> Truth {
    let folder = scene.stage.folder(&format!("photos/of-{user}"));
    (0..3).for_each(|number| take(&folder, day, 5 * number, CLUB));
    scene.drive.world(|world| {
        let mut library = Library::new(world);
        for _ in 0..PHOTOS {
            library.untold(&DriveWorld::root(user));
        }
        library.truth
    })
}

/// The session of the evening of which no show is known.
async fn lonely(stage: &Stage, user: i64) -> String {
    let rows = tables(stage).await;
    let mark = format!("user_id={user} session_id=");
    let sessions = rows["photo_sessions"].iter().filter(|row| row.contains(" photos=3 "));
    let mut ids = sessions.filter_map(|row| row.strip_prefix(&mark)?.split(' ').next());
    ids.next().unwrap().to_owned()
}

/// Puts work of each kind under way for a user. Neither the match nor the export ends before it is let go.
async fn begin(scene: &Neighbours, user: i64) -> UnderWay {
    let stage = &scene.stage;
    let scan = json!({ "userId": user, "batchSize": 10 });
    let scan = stage.add(SCANS, "scan-drive", scan).await;
    let session = lonely(stage, user).await;
    let matched = json!({ "userId": user, "sessionId": session, "reason": "retry" });
    let matched = stage.add(MATCHING, "match-concert", matched).await;
    let export = json!({ "exportId": "again", "userId": user, "format": "csv" });
    let export = stage.add(EXPORTS, "export-history", export).await;
    UnderWay { scan, matched, export }
}

/// Something of both Drives is in the catalogue.
async fn both_are_scanned(scene: &Neighbours) {
    let catalogue = scene.stage.catalogue().await;
    eventually("both Drives are read", async || {
        for user in [scene.one, scene.other] {
            let photos = catalogued(&catalogue, user).await;
            if !photos.values().any(|(name, ..)| name.starts_with("IMG_")) {
                return Err(format!("{} photos of {user}", photos.len()));
            }
        }
        Ok(())
    })
    .await;
}

/// All of them run, and mails to both users: as the queues tell.
async fn both_under_way(scene: &Neighbours, jobs: [&UnderWay; 2]) {
    let queues = scene.stage.queues().await;
    let active = async |queue: &str| queues.queue(queue).await.unwrap().get_active(0, -1).await;
    eventually("everything is under way", async || {
        for (queue, ids) in [
            (SCANS, jobs.map(|jobs| &jobs.scan)),
            (MATCHING, jobs.map(|jobs| &jobs.matched)),
            (EXPORTS, jobs.map(|jobs| &jobs.export)),
        ] {
            let active = active(queue).await.map_err(|error| error.to_string())?;
            if !ids.iter().all(|id| active.iter().any(|job| job.id() == id.as_str())) {
                return Err(format!("{queue}: {ids:?} of {active:?}"));
            }
        }
        let mails = active(MAILS).await.map_err(|error| error.to_string())?;
        let to = |user: i64| mails.iter().any(|mail| mail.data()["userId"] == user);
        if to(scene.one) && to(scene.other) { Ok(()) } else { Err(format!("{mails:?}")) }
    })
    .await;
}

/// Variants of the user's photos.
async fn images_of(scene: &Neighbours, user: i64) -> usize {
    let stored = objects(&scene.server, "images").await;
    stored.iter().filter(|key| names(key, user)).count()
}

/// Kills the worker that erases, and starts another in its place; answers what it had said.
async fn kill_the_eraser(stage: &Stage, workers: &mut Vec<Process>) -> String {
    let eraser = eventually("somebody erases", async || {
        for (at, worker) in workers.iter().enumerate() {
            if !held_by(stage, PRIVACY, worker.pid()).await.is_empty() {
                return Ok(at);
            }
        }
        Err("nobody does".to_owned())
    });
    let said = workers.swap_remove(eraser.await).kill().await;
    ask_again(stage).await;
    workers.push(Process::serving(stage).await);
    said
}

/// A question to a service whose asker was killed is asked again after a minute, and here at once.
async fn ask_again(stage: &Stage) {
    let claims = format!("{}:roadie:claim:ask:", stage.prefix);
    let mut redis = stage.queues().await.redis();
    for claim in keys(stage, &[claims.as_str()]).await.into_keys() {
        redis::cmd("UNLINK").arg(claim).exec_async(&mut redis).await.unwrap();
    }
}

on_both_databases!(an_erasure_is_finished_whoever_is_killed);

async fn an_erasure_is_finished_whoever_is_killed(stage: Stage) {
    let stage = stage
        .with_short_leases()
        // A lease that a busy machine does not renew in time counts as a crash, too.
        .set("worker.max_crashes", 9)
        .set("photos.read_ahead", 2)
        .set("queues.photo-processing.slots", 8)
        // What was not found is asked again.
        .set("cache.no_shows", "1ms")
        .set("cache.recent_no_shows", "1ms");
    let mut scene = Neighbours::new(stage).await;
    // Mails wait for their turns in their slots.
    scene.stage = scene.stage.set("budgets.smtp.rate", 20);
    let (stage, one, other) = (&scene.stage, scene.one, scene.other);
    fill(&scene, one, 15);
    let truth = fill(&scene, other, 16);
    let mut workers = vec![Process::serving(stage).await, Process::serving(stage).await];
    for user in [one, other] {
        scene.lives(user).await;
    }
    scene.rests().await;
    let jobs = scene.jobs(one).await;

    scene.drive.set_latency(Duration::from_millis(150));
    scene.stand_ins.troubles(Service::SetlistFm).always(Some(Trouble::Slow(SLOW)));
    scene.server.hold(Held { puts: true, ..Held::default() });
    let (of_one, of_other) = (begin(&scene, one).await, begin(&scene, other).await);
    both_are_scanned(&scene).await;
    let letters = (0..LETTERS).flat_map(|n| {
        let letter = |user| json!({ "userId": user, "template": "reconnect-needed", "value": n });
        [letter(one), letter(other)]
    });
    stage.add_many(MAILS, "send-email", letters).await;
    both_under_way(&scene, [&of_one, &of_other]).await;
    // Google answers this question only after its asker is dead.
    scene.drive.break_next("revoke", DriveFault::Slow(PATIENCE));
    let erasing = scene.erase("r", one).await;
    within(PATIENCE, "the token is revoked", async || {
        let revoked = scene.drive.world(|world| world.is_revoked(one));
        if revoked { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;

    // From here on nothing of the one is added, and nothing but jobs is removed yet: it can be counted.
    let mut rows = rows_of(&tables(stage).await, one);
    rows.remove("erased_users");
    let files = scene.mails(one).len();
    let images = images_of(&scene, one).await;
    scene.server.hold(Held { puts: true, removals: true });
    let mut logs = vec![kill_the_eraser(stage, &mut workers).await];
    within(PATIENCE, "objects are removed", async || match images_of(&scene, one).await {
        0 => Ok(()),
        left => Err(format!("{left} are left")),
    })
    .await;
    logs.push(kill_the_eraser(stage, &mut workers).await);
    scene.server.hold(Held::default());
    let receipt = done(stage, PRIVACY, &erasing).await;
    scene.drive.set_latency(Duration::ZERO);
    scene.stand_ins.troubles(Service::SetlistFm).always(None);

    the_other_is_served(&scene, &of_other, &truth).await;
    assert_eq!(scene.left_of(one).await, Vec::<String>::new(), "{receipt}");

    let removed = &receipt["removed"];
    for (table, rows) in &rows {
        let told = removed["catalogue"][table].as_u64().unwrap_or(0);
        assert_eq!(told, rows.len() as u64, "{table}: {receipt}");
    }
    assert!(rows["photos"].len() > 10 && rows["mails"].len() > 2 && images == 6, "{receipt}");
    assert_eq!(removed["objects"], json!({ "variants": images, "exports": 1 }), "{receipt}");
    assert_eq!(removed["mails"]["files"], files, "{receipt}");
    // Its first asker never heard that it had been.
    assert_eq!(removed["accounts"], json!({ "drive: was revoked before": 1 }), "{receipt}");
    assert_eq!(removed["redis"]["schedules"], 1, "{receipt}");
    let mut jobs = jobs;
    for (queue, more) in [(SCANS, 1), (MATCHING, 1), (EXPORTS, 1), (MAILS, LETTERS as u64)] {
        *jobs.entry(queue.to_owned()).or_default() += more;
    }
    assert_eq!(removed["queues"], json!(jobs), "{receipt}");

    // Ids may be in a log; what a photo is called, where it was taken, and who is written to, not.
    logs.extend(workers.iter().map(Process::log));
    for log in &logs {
        for secret in ["IMG_0", "DSC_1", "38.917", "77.023", "1//refresh", "ya29.", "example.org"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    }
    for worker in workers {
        worker.kill().await;
    }
}

/// The return value of a job that may be taken up again more than once.
async fn done(stage: &Stage, queue: &str, id: &str) -> Value {
    let queues = stage.queues().await;
    within(PATIENCE, &format!("{queue}/{id} is done"), async || {
        match queues.job(queue, id).await.map_err(|error| error.to_string())? {
            (job, bullmq::JobState::Completed) => {
                Ok(serde_json::from_str(job.returnvalue()).unwrap())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

/// All jobs of the other one have ended, with what they would have come to alone.
async fn the_other_is_served(scene: &Neighbours, jobs: &UnderWay, truth: &Truth) {
    let (stage, user) = (&scene.stage, scene.other);
    let scanned = done(stage, SCANS, &jobs.scan).await;
    let counted = ["totalPhotos", "failed", "refused"].map(|name| &scanned[name]);
    // How many of them the killed worker had stored since its last checkpoint nobody knows.
    assert_eq!(counted, [&json!(PHOTOS), &json!(0), &json!(0)], "{scanned}");
    let matched = done(stage, MATCHING, &jobs.matched).await;
    assert_eq!(
        (&matched["outcome"], &matched["evenings"][0]["linked"]),
        (&json!("matched"), &json!(0))
    );
    let exported = done(stage, EXPORTS, &jobs.export).await;
    scene.rests().await;
    let mut exports = BTreeMap::new();
    for name in objects(&scene.server, EXPORTS).await {
        let bytes = std::fs::read(scene.server.bucket(EXPORTS).join(&name)).unwrap();
        exports.insert(name.rsplit('/').next().unwrap().to_owned(), bytes);
    }
    assert_eq!(exports.len(), 2);
    assert_eq!((&exports["again.csv"], &exported["rows"]), (&exports["all.csv"], &json!(1)));

    let catalogue = stage.catalogue().await;
    let mut found = catalogued(&catalogue, user).await;
    found.retain(|_, (name, ..)| name.starts_with("IMG_"));
    assert_eq!(differences(&found, truth), Vec::<String>::new());
    let rows = rows_of(&tables(stage).await, user);
    // Of the folder, of the bucket, of the Drive.
    assert_eq!((rows["photos"].len(), rows["photo_links"].len()), (9 + 1 + PHOTOS, 6));

    let ledger = catalogue.ledger(None, Some(user), 1_000).await.unwrap();
    let (sent, others): (Vec<_>, Vec<_>) =
        ledger.iter().partition(|mail| mail.state == MailState::Sent);
    let lost = others.iter().filter(|mail| mail.state == MailState::Unknown).count();
    let files = scene.mails(user).len();
    assert!(lost == others.len() && lost <= AT_ONCE, "{others:?}");
    assert!((sent.len()..=sent.len() + lost).contains(&files), "{files} of {}", sent.len());
    let asked = ledger.iter().filter(|mail| mail.template == "reconnect-needed").count();
    assert_eq!(asked, LETTERS);
}
