//! Schedules of the configuration: one firing for the whole fleet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bullmq::JobState;
use bullmq::job_scheduler::{JobSchedulerJson, RepeatOptions};
use serde_json::{Value, json};

use super::support::process::{Process, run};
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::{eventually, within};

const QUEUE: &str = "rehearsals";
const NEVER: &str = "0 0 29 2 *";

fn rehearsing(stage: Stage) -> Stage {
    stage.with_rehearsals(4)
}

/// A schedule that has every reason to fire often.
fn ticking(stage: Stage, ms: u64) -> Stage {
    stage
        .set("schedules.tick.kind", "rehearse")
        .set("schedules.tick.payload", r#"{"act":"return","value":1}"#)
        .set("schedules.tick.every", format!("{ms}ms"))
}

fn yearly(stage: Stage, value: &str) -> Stage {
    stage
        .set("schedules.leap.kind", "rehearse")
        .set("schedules.leap.payload", format!("{{\"act\":\"return\",\"value\":{value}}}"))
        .set("schedules.leap.cron", NEVER)
}

async fn book(stage: &Stage) -> BTreeMap<String, JobSchedulerJson> {
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    let all = queue.get_job_schedulers(0, -1, true).await.unwrap();
    all.into_iter().map(|schedule| (schedule.key.clone(), schedule)).collect()
}

/// Waits until the book has so many schedules.
async fn has(stage: &Stage, count: usize) -> BTreeMap<String, JobSchedulerJson> {
    eventually(&format!("{count} schedules"), async || {
        let book = book(stage).await;
        if book.len() == count { Ok(book) } else { Err(format!("{book:?}")) }
    })
    .await
}

/// When the firings were due that have ended, oldest first, and how often each has run.
async fn fired(stage: &Stage) -> Vec<(u64, u32)> {
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    let done = queue.get_completed(0, -1).await.unwrap();
    let mut fired: Vec<(u64, u32)> = done
        .iter()
        .filter_map(|job| {
            let due = job.id().strip_prefix("repeat:roadie.tick:")?.parse().unwrap();
            Some((due, job.attempts_started()))
        })
        .collect();
    fired.sort_unstable();
    fired
}

async fn fired_at_least(stage: &Stage, count: usize) -> Vec<(u64, u32)> {
    eventually(&format!("{count} firings"), async || {
        let fired = fired(stage).await;
        if fired.len() >= count { Ok(fired) } else { Err(format!("{fired:?}")) }
    })
    .await
}

#[tokio::test]
async fn each_time_fires_once_however_many_processes_start_and_die() {
    let stage = ticking(rehearsing(need!(Stage::new())), 200).with_short_leases();
    let mut crew = [(); 3].map(|()| Process::start(&stage));
    for process in &crew {
        process.logged(" serving ").await;
    }
    fired_at_least(&stage, 10).await;
    for member in &mut crew {
        // The others go on.
        std::mem::replace(member, Process::start(&stage)).kill().await;
        member.logged(" serving ").await;
        let so_far = fired(&stage).await.len();
        fired_at_least(&stage, so_far + 5).await;
    }
    let fired = fired(&stage).await;
    // One that begins too late takes the place of those that were due meanwhile.
    for pair in fired.windows(2) {
        let step = pair[1].0 - pair[0].0;
        assert!(step > 0 && step.is_multiple_of(200), "{fired:?}");
    }
    // What a killed process had in hand ran again, and nothing else.
    assert!(fired.iter().filter(|(_, runs)| *runs > 1).count() <= 3, "{fired:?}");
    let written: usize =
        crew.iter().map(|process| process.log().matches("schedule written").count()).sum();
    assert_eq!(written, 0, "those that came later changed nothing");
    for process in crew {
        process.kill().await;
    }
}

#[tokio::test]
async fn a_restart_leaves_what_has_not_changed_alone() {
    let stage = yearly(rehearsing(need!(Stage::new())), "1");
    let process = Process::serving(&stage).await;
    let before = has(&stage, 1).await.remove("roadie.leap").unwrap();
    process.kill().await;
    let due = before.next.unwrap();
    let id = format!("repeat:roadie.leap:{due}");
    let added = stage.field(QUEUE, &id, "timestamp").await.unwrap();
    let process = Process::serving(&stage).await;
    process.logged(" serving ").await;
    stage.completed(QUEUE, &stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await).await;
    let after = has(&stage, 1).await.remove("roadie.leap").unwrap();
    assert_eq!((after.next, after.iteration_count), (Some(due), 1));
    assert_eq!(stage.field(QUEUE, &id, "timestamp").await.unwrap(), added);
    assert!(!process.log().contains("schedule written"));
    process.kill().await;
}

#[tokio::test]
async fn what_has_changed_is_changed_and_what_has_vanished_ends() {
    let first = yearly(ticking(rehearsing(need!(Stage::new())), 86_400_000), "1");
    // A producer's own is nobody else's business.
    let queue = first.queues().await.queue(QUEUE).await.unwrap();
    let often = RepeatOptions { pattern: Some(NEVER.to_owned()), ..RepeatOptions::default() };
    queue.upsert_job_scheduler("web", often, Some("rehearse"), None, None).await.unwrap();
    let process = Process::serving(&first).await;
    // An interval's first firing is due at once; until it ran, its next time still moves.
    fired_at_least(&first, 1).await;
    let before = has(&first, 3).await;
    process.kill().await;
    let due = before["roadie.leap"].next.unwrap();
    let id = format!("repeat:roadie.leap:{due}");

    let payload = yearly(first, "2");
    let process = Process::serving(&payload).await;
    process.logged("schedule written").await;
    process.kill().await;
    let after = has(&payload, 3).await;
    assert_eq!(after["roadie.leap"].next, Some(due));
    assert_eq!(after["roadie.leap"].data, Some(json!({ "act": "return", "value": 2 })));
    let data: Value =
        serde_json::from_str(&payload.field(QUEUE, &id, "data").await.unwrap()).unwrap();
    assert_eq!(data["value"], 2);
    assert_eq!(after["roadie.tick"].next, before["roadie.tick"].next);

    let times =
        payload.set("schedules.leap.cron", "0 0 1 1 *").set("schedules.leap.tz", "Asia/Tokyo");
    let process = Process::serving(&times).await;
    process.logged("schedule written").await;
    process.kill().await;
    let after = has(&times, 3).await;
    let other = after["roadie.leap"].next.unwrap();
    // Midnight in Tokyo is 15:00 UTC.
    assert_eq!((other % 86_400_000) / 3_600_000, 15);
    assert_eq!(times.field(QUEUE, &id, "data").await, None, "the old firing is gone");

    let gone = times.without("schedules.leap.").without("schedules.tick.");
    let process = Process::serving(&gone).await;
    let left = has(&gone, 1).await;
    assert!(left.contains_key("web"), "{left:?}");
    let delayed = gone.queues().await.depth(QUEUE, 0).await.unwrap().of("delayed");
    assert_eq!(delayed, 1, "only the producer's");
    process.kill().await;
}

#[tokio::test]
async fn downtime_is_made_up_for_by_one_firing() {
    let stage = ticking(rehearsing(need!(Stage::new())), 300);
    let mut process = Process::serving(&stage).await;
    fired_at_least(&stage, 2).await;
    process.signal("TERM");
    process.exit(super::support::SOON).await;
    let before = fired(&stage).await;
    let planned = has(&stage, 1).await["roadie.tick"].next.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(fired(&stage).await, before);
    let process = Process::serving(&stage).await;
    let after = fired_at_least(&stage, before.len() + 3).await;
    process.kill().await;
    let new: Vec<u64> = after[before.len()..].iter().map(|(due, _)| *due).collect();
    // The one that was planned, late; then the rhythm from now on.
    assert_eq!(new[0], planned, "{before:?} {new:?}");
    assert!(
        new[1] - new[0] >= 1_500 && (new[1] - new[0]).is_multiple_of(300),
        "{before:?} {new:?}"
    );
    assert!(new[2] > new[1] && (new[2] - new[1]).is_multiple_of(300), "{new:?}");
    assert!(after.iter().all(|(_, runs)| *runs == 1), "{after:?}");
}

#[tokio::test]
async fn a_limit_is_kept_across_restarts() {
    let stage = ticking(rehearsing(need!(Stage::new())), 100).set("schedules.tick.limit", 3);
    for _ in 0..2 {
        let process = Process::serving(&stage).await;
        fired_at_least(&stage, 3).await;
        stage
            .completed(QUEUE, &stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await)
            .await;
        process.kill().await;
    }
    let depth = stage.queues().await.depth(QUEUE, 0).await.unwrap();
    assert_eq!((fired(&stage).await.len(), depth.of("delayed")), (3, 0));
    let said = run(&stage, &["schedules", "--json"]).await;
    let list: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&list[0]["fired"], &list[0]["nextMs"]), (&json!(3), &Value::Null), "{list}");
}

#[tokio::test]
async fn what_is_lost_is_mended() {
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = yearly(rehearsing(Stage::on(redis)), "1");
    let process = Process::serving(&stage).await;
    let due = has(&stage, 1).await["roadie.leap"].next.unwrap();
    let id = format!("repeat:roadie.leap:{due}");
    let mut connection = stage.queues().await.redis();
    let delayed = format!("{}:{QUEUE}:delayed", stage.prefix);
    let job = format!("{}:{QUEUE}:{id}", stage.prefix);
    redis::pipe().zrem(delayed, &id).del(job).exec_async(&mut connection).await.unwrap();
    process.logged("its next firing was lost; mended").await;
    stage.reached(QUEUE, &id, JobState::Delayed).await;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    has(&stage, 1).await;
    stage.reached(QUEUE, &id, JobState::Delayed).await;
    // What a newer configuration has ended stays so, whatever an older process knows.
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    let newer = stage.without("schedules.leap.");
    let other = Process::serving(&newer).await;
    has(&newer, 0).await;
    let end = tokio::time::Instant::now() + Duration::from_secs(12);
    while tokio::time::Instant::now() < end {
        assert_eq!(queue.get_job_schedulers_count().await.unwrap(), 0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    other.kill().await;
    process.kill().await;
}

#[tokio::test]
async fn schedules_are_shown_and_fired_by_hand() {
    let stage = yearly(rehearsing(need!(Stage::new())), "7");
    let said = run(&stage, &["schedules"]).await;
    assert!(said.out.contains("when a worker of its queue starts"), "{said:?}");
    let process = Process::serving(&stage).await;
    has(&stage, 1).await;
    let said = run(&stage, &["schedules"]).await;
    for piece in ["leap", QUEUE, "0 0 29 2 * UTC", "-02-29 00:00:00", "configuration"] {
        assert!(said.out.contains(piece), "{piece}: {}", said.out);
    }
    let said = run(&stage, &["schedules", "run", "leap"]).await;
    assert_eq!(stage.returned(QUEUE, said.out.trim()).await, 7);
    let said = run(&stage, &["schedules", "run", "lepa"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("no schedule `lepa` is configured; there are: leap"), "{said:?}");
    let said = run(&stage, &["check"]).await;
    assert!(said.out.contains("ok     configuration  2 queues, 1 schedules"), "{}", said.out);
    process.kill().await;
}

#[tokio::test]
async fn a_firing_goes_to_where_its_schedule_says() {
    let stage = rehearsing(need!(Stage::new()))
        .set("queues.elsewhere.slots", 1)
        .set("schedules.now.kind", "rehearse")
        .set("schedules.now.queue", "elsewhere")
        .set("schedules.now.payload", r#"{"act":"return"}"#)
        .set("schedules.now.cron", "* * * * * *")
        .set("schedules.now.priority", 3)
        .set("schedules.now.attempts", 2);
    let process = Process::serving(&stage).await;
    let queue = stage.queues().await.queue("elsewhere").await.unwrap();
    let job = within(Duration::from_secs(10), "it fired", async || {
        queue.get_completed(0, 0).await.unwrap().pop().ok_or_else(|| "not yet".to_owned())
    })
    .await;
    assert_eq!((job.opts().priority, job.opts().attempts), (Some(3), Some(2)));
    let due: u64 = job.id().rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(due % 1000, 0);
    process.kill().await;
}

#[tokio::test]
async fn a_schedule_that_cannot_be_meant_is_named() {
    let stage = need!(Stage::new())
        .set("schedules.a.kind", "scan-floppy")
        .set("schedules.a.every", "1h")
        .set("schedules.b.kind", "scan-folder")
        .set("schedules.b.cron", "61 * * * *")
        .set("schedules.c.kind", "scan-folder")
        .set("schedules.c.payload", r#"{"userId":7,"path":"/x"}"#)
        .set("schedules.c.cron", "0 0 * * *")
        .set("schedules.c.tz", "Europe/Atlantis")
        .set("schedules.d.kind", "scan-folder")
        .set("schedules.d.cron", "0 0 * * *")
        .set("schedules.d.every", "1h")
        .set("schedules.e.kind", "scan-folder")
        .set("schedules.e.every", "1ms")
        .set("schedules.e.start", "tomorrow")
        .set("schedules.f.kind", "rehearse")
        .set("schedules.f.every", "1h")
        .set("schedules.f.payload", r#"{"act":"return"}"#);
    for command in ["check", "run"] {
        let said = run(&stage, &[command]).await;
        assert_eq!(said.code, 64, "{said:?}");
        for fault in [
            "schedules.a.kind is `scan-floppy`, but there is no such kind; there are: ",
            "schedules.b: ",
            "invalid timezone: Europe/Atlantis",
            "schedules.d: it needs either `cron` or `every`",
            "schedules.d: payload of scan-folder: missing field",
            "schedules.e.every is 1ms; the least is 100ms",
            "schedules.f: kind rehearse needs worker.rehearsals",
            "schedules.e.start: `tomorrow` is not a time such as",
        ] {
            assert!(said.err.contains(fault), "{fault}: {}", said.err);
        }
    }
}
