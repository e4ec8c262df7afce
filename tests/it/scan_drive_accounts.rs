//! Accounts: one exchange of a token for all, and nobody pays for somebody else's.

use bullmq::JobState;
use roadie::stand_in::drive::{DriveFault, DriveStandIn, DriveWorld};
use roadie_jobs::effects::catalogue::{AccountState, DeadLetterFilter, DeadReason, Provider};
use serde_json::json;

use super::scan_drive_faults::{all_of_redis, is_private};
use super::support::drive::{Library, catalogued, connect, differences, of_one, on};
use super::support::eventually;
use super::support::process::Process;
use super::support::smtp::recipient;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_of_a_revoked_account_ends_once_and_goes_on_when_it_is_connected_again() {
    const UNTOLD: usize = 60;
    let drive = DriveStandIn::start().await.unwrap();
    let stage = on(&drive, need!(Stage::new())).set("photos.read_ahead", 2);
    let mails = stage.folder("mails");
    let stage = stage
        .set("mail.folder", mails.display())
        .set("mail.from", "Concerts <mail@example.com>")
        .set("queues.notifications.slots", 2);
    let catalogue = stage.catalogue().await;
    let (one, other) = (user(), user());
    recipient(&stage, one, "ann@example.org", "Ann", "en").await;
    recipient(&stage, other, "ben@example.org", "Ben", "en").await;
    // This one mail comes all the same, and at any hour.
    stage.execute("UPDATE mail_preferences SET wanted = 0").await;
    let mut truths = Vec::new();
    for user in [one, other] {
        connect(&drive, &catalogue, user).await;
        truths.push(drive.world(|world| {
            let mut library = Library::new(world);
            for _ in 0..UNTOLD {
                library.untold(&DriveWorld::root(user));
            }
            library.truth
        }));
    }
    // Two at a time: there are seconds between the second page and the last one.
    drive.set_latency(std::time::Duration::from_millis(150));
    let worker = Worker::start(&stage).await;
    let payload = |user: i64| json!({ "userId": user, "batchSize": 10 });
    let id = stage.add(SCANS, "scan-drive", payload(one)).await;
    let halfway = eventually("two pages are in the catalogue", async || {
        match catalogued(&catalogue, one).await.len() {
            20.. => Ok(()),
            few => Err(few.to_string()),
        }
    });
    halfway.await;
    drive.world(|world| world.revoke(one));
    drive.set_latency(std::time::Duration::from_millis(10));
    let theirs = stage.add(SCANS, "scan-drive", payload(other)).await;
    let failed = stage.failed(SCANS, &id).await;
    assert!(failed.failed_reason().contains("has to be connected again"), "{failed:?}");
    assert_eq!(stage.letter(&id).await.reason, DeadReason::Discarded.as_str());
    let account = catalogue.account(one, Provider::Drive).await.unwrap().unwrap();
    assert_eq!(account.state, AccountState::NeedsReconnect);
    assert_eq!(account.reason.as_deref(), Some("invalid_grant"));

    // The next one ends at once, and Google is not even asked.
    let exchanges = drive.world(|world| world.exchanges());
    let again = stage.add(SCANS, "scan-drive", payload(one)).await;
    stage.failed(SCANS, &again).await;
    let result = stage.returned(SCANS, &theirs).await;
    assert_eq!(result["processed"], json!(UNTOLD));
    assert!(drive.world(|world| world.exchanges()) <= exchanges + 1, "only the other one's");
    // Two scans have ended so, and one mail tells of it.
    let told =
        |user: i64| std::fs::read_dir(mails.join(user.to_string())).map_or(0, Iterator::count);
    eventually("its owner is told", async || match told(one) {
        1 => Ok(()),
        other => Err(format!("{other} mails")),
    })
    .await;
    let everything = DeadLetterFilter { limit: 100, ..DeadLetterFilter::default() };
    let letters = catalogue.dead_letters(&everything).await.unwrap();
    assert_eq!(letters.len(), 2);
    let mut seen = all_of_redis(&stage, one).await;
    letters.iter().map(|letter| format!("{letter:?}")).for_each(|letter| seen.push_str(&letter));
    assert_eq!(is_private(&seen, &truths[0]), Vec::<String>::new());
    assert!(!seen.contains("example.org"), "no address of a mail");
    assert_eq!(differences(&catalogued(&catalogue, other).await, &truths[1]), Vec::<String>::new());

    let before = drive.calls();
    connect(&drive, &catalogue, one).await;
    let id = stage.add(SCANS, "scan-drive", payload(one)).await;
    stage.returned(SCANS, &id).await;
    assert_eq!(differences(&catalogued(&catalogue, one).await, &truths[0]), Vec::<String>::new());
    let after = drive.calls();
    assert_eq!(after["files"], before["files"], "nothing was listed again");
    let read = after["media"] - before["media"];
    assert!(read <= 40, "{read} photos were read, 20 were known");
    assert_eq!((told(one), told(other)), (1, 0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_runs_out_is_exchanged_once_for_a_whole_fleet() {
    let stage = need!(Stage::new()).set("photos.read_ahead", 16);
    let (drive, stage, catalogue, user) = of_one(stage).await;
    let truth = drive.world(|world| {
        world.renew_refresh_tokens(true);
        let mut library = Library::new(world);
        for _ in 0..100 {
            library.untold(&DriveWorld::root(user));
        }
        library.truth
    });
    // Two processes, and the token is turned away in the middle of sixteen questions at once.
    let processes = (Process::serving(&stage).await, Process::serving(&stage).await);
    drive.break_next("media", DriveFault::Unauthorized);
    drive.break_next("media", DriveFault::Unauthorized);
    let id = stage.add(SCANS, "scan-drive", json!({ "userId": user })).await;
    stage.completed(SCANS, &id).await;
    assert_eq!(differences(&catalogued(&catalogue, user).await, &truth), Vec::<String>::new());
    let exchanges = drive.world(|world| world.exchanges());
    assert!(exchanges <= 3, "{exchanges} exchanges");
    // What Google has given instead of the first refresh token is what is kept.
    drive.world(|world| world.set_token_life(Some(1)));
    let id = stage.add(SCANS, "scan-drive", json!({ "userId": user })).await;
    stage.reached(SCANS, &id, JobState::Completed).await;
    drop(processes);
}
