//! A fleet asks a service no more than its budget allows, and jobs that have to wait for it lose nothing.
//!
//! `CHAOS=full` runs the long form: 5,000 jobs, and a minute of nothing but 429.

use std::sync::Arc;
use std::time::Duration;

use bullmq::JobState;
use roadie::budget::permit::Report;
use roadie::budget::refusal::Why;
use roadie::stand_in::{Service, StandIns, Trouble};
use roadie_jobs::effects::Target;
use roadie_jobs::effects::catalogue::DeadLetterFilter;
use roadie_jobs::effects::web::{Fetch, Unanswered};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::support::cluster::{Cluster, PATIENT};
use super::support::fleet::{figures, full, now_ms};
use super::support::play::{PLAYS, call, part};
use super::support::process::run;
use super::support::questions::{asker, budgets, far_asker, put, question, stand_ins};
use super::support::redis::{RedisServer, shared};
use super::support::stage::Stage;
use super::support::worker::Worker;
use super::support::{eventually, within};

const PROCESSES: usize = 8;
const SECOND: Duration = Duration::from_secs(1);

/// Eight processes ask different questions as fast as they may, each again when it is told to, until
/// `enough` are answered or none may be asked any more. They are on their way for up to `way`.
async fn ask_away(stage: &Stage, stand_ins: &Arc<StandIns>, enough: usize, way: Duration) {
    let mut processes = JoinSet::new();
    for process in 0..PROCESSES {
        let (fetch, stand_ins) = (far_asker(stage, way).await, Arc::clone(stand_ins));
        processes.spawn(async move {
            for number in 0.. {
                let ask = question(&stand_ins, process * 1_000 + number);
                while let Err(unanswered) = put(&*fetch, &ask).await {
                    let Unanswered::Resting { after, .. } = unanswered else {
                        panic!("{unanswered:?}")
                    };
                    if after > 60 * SECOND {
                        return;
                    }
                    tokio::time::sleep(after).await;
                }
                if stand_ins.asked(Service::SetlistFm) >= enough {
                    return;
                }
            }
        });
    }
    while let Some(ended) = processes.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_than_two_in_any_second_from_eight_processes() {
    let stage = need!(Stage::new());
    let stand_ins = Arc::new(stand_ins(&stage).await);
    let began = Instant::now();
    // Each on its way for as long as it happens to be: asked at an even pace, some would meet.
    ask_away(&stage, &stand_ins, if full() { 100 } else { 8 }, SECOND / 2).await;
    let (asked, took) = (stand_ins.asked(Service::SetlistFm), began.elapsed());
    figures(&format!("budget: {asked} questions of {PROCESSES} processes at 2/s in {took:.1?}"));
    assert!(asked >= 8, "{asked}");
    let most = stand_ins.tally(Service::SetlistFm).most_within(SECOND);
    assert!(most <= 2, "{most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_than_the_quota_of_a_day() {
    let stage = need!(Stage::new())
        .set("budgets.setlist_fm.rate", 50)
        .set("budgets.setlist_fm.per_day", 40)
        .set("budgets.setlist_fm.reserve", 10);
    let stand_ins = Arc::new(stand_ins(&stage).await);
    ask_away(&stage, &stand_ins, usize::MAX, Duration::ZERO).await;
    // What is left is for jobs that somebody waits for.
    assert_eq!(stand_ins.asked(Service::SetlistFm), 30);
    let standing = budgets(&stage).await.standing(Target::SetlistFm).await.unwrap();
    assert_eq!((standing.used, standing.left()), (30, Some(10)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_probe_at_a_time_while_a_service_fails() {
    let stage = need!(Stage::new()).set("budgets.setlist_fm.rate", 500);
    let stand_ins = Arc::new(stand_ins(&stage).await);
    let door = stand_ins.troubles(Service::SetlistFm);
    door.always(Some(Trouble::TooMany(Some(1))));
    let first = asker(&stage).await;
    put(&*first, &question(&stand_ins, 999_999)).await.unwrap_err();
    // The first probe that is answered is slow: another one beside it would be seen.
    door.once(Trouble::Slow(Duration::from_secs(5)));
    door.always(None);
    door.once(Trouble::TooMany(Some(1)));
    door.once(Trouble::TooMany(Some(1)));
    let tally = stand_ins.tally(Service::SetlistFm);
    let asking = ask_away(&stage, &stand_ins, 40, Duration::ZERO);
    let while_it_probes = async {
        within(60 * SECOND, "one probes", async || match tally.asked() {
            asked if asked > 1 => Ok(()),
            asked => Err(format!("{asked}")),
        })
        .await;
        // Time for the others to come, and none for the answer.
        tokio::time::sleep(2 * SECOND).await;
        tally.most_at_once()
    };
    let (most, ()) = tokio::join!(while_it_probes, asking);
    assert_eq!(most, 1);
}

/// A worker whose jobs each need the answer to a question.
fn questioner(fetch: Arc<dyn Fetch>, stand_ins: Arc<StandIns>) -> String {
    part(move |_, number: Value| {
        let (fetch, stand_ins) = (Arc::clone(&fetch), Arc::clone(&stand_ins));
        async move {
            let number = usize::try_from(number.as_u64().unwrap()).unwrap();
            let answered = put(&*fetch, &question(&stand_ins, number)).await;
            answered.map_err(Unanswered::for_job)?;
            Ok(json!(null))
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_outlast_a_service_that_answers_429_to_everything() {
    let (jobs, minute) = if full() { (5_000, 60 * SECOND) } else { (300, 3 * SECOND) };
    let stage = need!(Stage::new())
        .with_plays(16)
        .set("budgets.setlist_fm.rate", 200)
        .set("budgets.setlist_fm.burst", 10)
        .set("budgets.setlist_fm.per_day", 0)
        .set("budgets.setlist_fm.reserve", 0);
    let stand_ins = Arc::new(stand_ins(&stage).await);
    stand_ins.troubles(Service::SetlistFm).always(Some(Trouble::TooMany(None)));
    let ask = questioner(asker(&stage).await, Arc::clone(&stand_ins));
    let workers = [Worker::start(&stage).await, Worker::start(&stage).await];
    let lines = (0..jobs).map(|number| call(&ask, number));
    let ids = stage.add_many(PLAYS, "play", lines).await;
    tokio::time::sleep(minute).await;
    let refused = stand_ins.asked(Service::SetlistFm);
    stand_ins.troubles(Service::SetlistFm).always(None);
    let answers_again = Instant::now();
    let queues = stage.queues().await;
    within(minute * 2 + 60 * SECOND, "all are done", async || {
        let depth = queues.depth(PLAYS, now_ms()).await.unwrap();
        if depth.of("completed") == jobs { Ok(()) } else { Err(format!("{depth:?}")) }
    })
    .await;
    let took = answers_again.elapsed();
    let mut starts = 0;
    for id in &ids {
        let (job, became) = queues.job(PLAYS, id).await.unwrap();
        assert_eq!((became, job.attempts_made()), (JobState::Completed, 1), "{job:?}");
        starts += stage.field(PLAYS, id, "ats").await.unwrap().parse::<u64>().unwrap();
    }
    let letters = stage.catalogue().await.dead_letters(&DeadLetterFilter::default()).await.unwrap();
    assert!(letters.is_empty(), "{letters:?}");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let postponed = (starts - jobs) as f64 / jobs as f64;
    figures(&format!(
        "budget: {jobs} jobs, {minute:?} of 429: {refused} questions meanwhile, all done {took:.1?} later, \
         {postponed:.2} postponements a job"
    ));
    // Each is told when its turn is, and again when a pause turns out to be longer.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let most = refused as f64 + 1.5;
    assert!(postponed <= most, "{postponed}");
    for worker in workers {
        worker.stop().await;
    }
}

/// Somebody who waits has no patience for a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_high_priority_is_not_behind_the_others() {
    let stage = need!(Stage::new())
        .with_plays(4)
        .set("budgets.setlist_fm.per_day", 10)
        .set("budgets.setlist_fm.reserve", 9);
    let stand_ins = Arc::new(stand_ins(&stage).await);
    let ask = questioner(asker(&stage).await, Arc::clone(&stand_ins));
    let worker = Worker::start(&stage).await;
    let others = stage.add_many(PLAYS, "play", (0..20).map(|number| call(&ask, number))).await;
    let queues = stage.queues().await;
    eventually("the others wait for tomorrow", async || {
        let depth = queues.depth(PLAYS, now_ms()).await.unwrap();
        let all = depth.of("delayed") + depth.of("completed") == 20;
        if all { Ok(()) } else { Err(format!("{depth:?}")) }
    })
    .await;
    let urgent = bullmq::JobOptions { priority: Some(1), ..bullmq::JobOptions::default() };
    let urgent = stage.add_with(PLAYS, "play", call(&ask, 99), urgent).await;
    stage.completed(PLAYS, &urgent).await;
    let waiting = queues.job(PLAYS, &others[19]).await.unwrap().1;
    assert_eq!(waiting, JobState::Delayed);
    worker.stop().await;
}

#[tokio::test]
async fn operators_see_budgets_and_change_them() {
    let stage = need!(Stage::new());
    let ok = async |command: &[&str]| {
        let said = run(&stage, command).await;
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    };
    let json = async |command: &[&str]| -> Value {
        serde_json::from_str(&ok(&[command, &["--json"]].concat()).await).unwrap()
    };
    let all = json(&["budget"]).await;
    let targets: Vec<&str> =
        all.as_array().unwrap().iter().map(|one| one["target"].as_str().unwrap()).collect();
    assert_eq!(targets, ["setlist.fm", "nominatim", "overpass", "google-drive", "smtp"]);
    assert_eq!(
        (&all[0]["rate"], &all[0]["left"], &all[0]["breaker"]),
        (&json!(2.0), &json!(1_440), &json!("closed"))
    );
    let set = ["budget", "set", "setlist.fm", "--rate", "16", "--per-day", "50000", "--by", "ann"];
    let set = ok(&set).await;
    assert!(set.contains("50000") && set.contains("ann: rate=16 per_day=50000"), "{set}");
    let pause = ["budget", "pause", "overpass", "--reason", "a ban", "--for", "1h", "--by", "ann"];
    let paused = ok(&pause).await;
    assert!(paused.contains("paused") && paused.contains("ann: a ban"), "{paused}");
    let all = json(&["budget"]).await;
    assert_eq!((&all[0]["perDay"], &all[2]["held"]), (&json!(50_000), &json!("a ban")));
    assert!(all[2]["heldUntil"].as_str().unwrap().ends_with('Z'), "{all}");
    let refusal = match budgets(&stage).await.permit(Target::Overpass, "q").await.unwrap() {
        Err(refusal) => refusal,
        Ok(permit) => panic!("{permit:?}"),
    };
    assert_eq!(refusal.why, Why::Paused);
    ok(&["budget", "resume", "overpass"]).await;
    ok(&["budget", "reset", "setlist.fm"]).await;
    let all = json(&["budget"]).await;
    assert_eq!((&all[0]["perDay"], &all[2]["held"]), (&json!(1_440), &json!(null)));
    for (wrong, told) in [
        (&["budget", "set", "spotify", "--rate", "1"][..], "there is no `spotify`"),
        (&["budget", "set", "setlist.fm"], "required"),
        (&["budget", "set", "setlist.fm", "--rate", "-1"], ""),
        (
            &["budget", "set", "setlist.fm", "--reserve", "2000"],
            "reserve must be less than per_day",
        ),
        (&["budget", "pause", "smtp", "--reason", "x", "--for", "0s"], "over already"),
    ] {
        let said = run(&stage, wrong).await;
        assert!(said.code != 0 && said.err.contains(told), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_budgets_and_answers_as_well() {
    let stage = Stage::on(need!(shared())).with_hash_tag();
    let cluster = need!(Cluster::start(&stage.prefix, PATIENT).await);
    let settings = cluster.settings().into_iter();
    let stage = settings.fold(stage, |stage, (key, value)| stage.set(key, value));
    let stand_ins = Arc::new(stand_ins(&stage).await);
    ask_away(&stage, &stand_ins, 4, Duration::ZERO).await;
    let asked = stand_ins.asked(Service::SetlistFm);
    put(&*asker(&stage).await, &question(&stand_ins, 0)).await.unwrap();
    assert_eq!(stand_ins.asked(Service::SetlistFm), asked);
    let said = run(&stage, &["budget"]).await;
    assert_eq!(said.code, 0, "{said:?}");
}

/// What a permit costs; `--nocapture` shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_costs_two_short_calls() {
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(Arc::clone(&redis))
        .set("budgets.google_drive.rate", 10_000)
        .set("budgets.google_drive.burst", 10_000)
        .set("budgets.google_drive.per_day", 1_000_000);
    let budgets = budgets(&stage).await;
    let rounds: u32 = if full() { 9_000 } else { 200 };
    // The first one waits, as if something had been lost.
    let first = budgets.permit(Target::GoogleDrive, "first").await.unwrap().unwrap();
    first.report(Report::Abandoned).await.unwrap();
    redis.ask::<()>("CONFIG RESETSTAT").unwrap();
    let began = Instant::now();
    for number in 0..rounds {
        let permit = budgets.permit(Target::GoogleDrive, &format!("{number}")).await.unwrap();
        permit.unwrap().report(Report::Answered(Duration::ZERO)).await.unwrap();
    }
    let took = began.elapsed() / rounds;
    let told: String = redis.ask("INFO commandstats").unwrap();
    let scripts = told.lines().find(|line| line.starts_with("cmdstat_evalsha")).unwrap();
    let calls = format!("calls={}", rounds * 2);
    assert!(scripts.contains(&calls), "{scripts}");
    figures(&format!("budget: a permit and its report take {took:?}; Redis: {scripts}"));
}
