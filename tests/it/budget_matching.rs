//! Eight processes match a library by one key of setlist.fm, which answers nothing for a while.

use std::sync::Arc;
use std::time::Duration;

use bullmq::JobState;
use roadie::stand_in::{Service, Trouble};
use roadie_jobs::effects::catalogue::DeadLetterFilter;
use serde_json::json;

use super::matching::{CLUB, MATCHING, asking, take};
use super::stand_ins::world;
use super::support::fleet::{Fleet, figures, now_ms};
use super::support::redis::RedisServer;
use super::support::stage::{Stage, user};
use super::support::within;

const PROCESSES: usize = 8;
/// Evenings at the club, a session each: a job for its places, and one for its shows.
const NIGHTS: u32 = 8;
const DONE_WITHIN: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_library_is_matched_within_the_budget_and_no_attempt_is_lost() {
    let stage = Stage::on(Arc::new(need!(RedisServer::start(&[]))));
    let (stand_ins, _) = world(&stage.folder("world")).await;
    let folder = stage.folder("photos");
    (0..NIGHTS).for_each(|night| take(&folder, 8 + night, 0, CLUB));
    let stage = asking(stage, &stand_ins)
        .set("budgets.setlist_fm.rate", 2)
        .set("budgets.setlist_fm.per_day", 1_440)
        .set("folders.roots", folder.display());
    let door = stand_ins.troubles(Service::SetlistFm);
    door.always(Some(Trouble::TooMany(None)));
    let fleet = Fleet::serving(&stage, PROCESSES).await;
    let payload = json!({ "userId": user(), "path": folder });
    stage.add("photo-processing", "scan-folder", payload).await;
    let queues = stage.queues().await;
    let depth = async || queues.depth(MATCHING, now_ms()).await.unwrap();
    within(DONE_WITHIN, "all wait for setlist.fm", async || match depth().await {
        depth if depth.of("delayed") == u64::from(NIGHTS) => Ok(()),
        depth => Err(format!("{depth:?}")),
    })
    .await;
    let refused = stand_ins.asked(Service::SetlistFm);
    door.always(None);
    let jobs = u64::from(2 * NIGHTS);
    within(DONE_WITHIN, "all are matched", async || match depth().await {
        depth if depth.of("completed") == jobs => Ok(()),
        depth => Err(format!("{depth:?}")),
    })
    .await;
    for id in stage.events(MATCHING, "completed").await {
        let (job, reached) = queues.job(MATCHING, &id).await.unwrap();
        assert_eq!((reached, job.attempts_made()), (JobState::Completed, 1), "{job:?}");
    }
    fleet.end().await;
    let letters = stage.catalogue().await.dead_letters(&DeadLetterFilter::default()).await.unwrap();
    assert!(letters.is_empty(), "{letters:?}");
    let tally = stand_ins.tally(Service::SetlistFm);
    // Three pages of the one evening that had shows, and one of each other.
    assert_eq!(tally.asked() - refused, NIGHTS as usize + 2, "each is asked once");
    let most = tally.most_within(Duration::from_secs(1));
    figures(&format!("budget: {refused} questions refused, {} in all", tally.asked()));
    assert!(most <= 2, "{most}");
}
