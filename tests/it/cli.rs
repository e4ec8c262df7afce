//! What operators type, and what it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use bullmq::types::RemoveOnFinish;
use bullmq::{JobOptions, JobState};
use roadie_jobs::JobError;
use serde_json::{Value, json};

use super::support::photos::write_many;
use super::support::play::{PLAYS, call, part};
use super::support::process::{Said, roadie, run, signal};
use super::support::stage::Stage;
use super::support::worker::Worker;
use super::support::{Missing, eventually};

const REHEARSALS: &str = "rehearsals";

fn read(said: &Said) -> Value {
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enqueue_watches_a_job_to_its_end_and_tells_how_it_went() {
    let stage = need!(Stage::new()).with_rehearsals(2);
    let worker = Worker::start(&stage).await;
    for (payload, code, told) in [
        (r#"{"act":"return","value":7}"#, 0, "completed: 7"),
        (r#"{"act":"steps","steps":3,"stepMs":20}"#, 0, "completed: {"),
        (r#"{"act":"discard","message":"rained off"}"#, 1, "failed: rained off"),
        (r#"{"act":"dance"}"#, 1, "failed: payload of rehearse"),
    ] {
        let said = run(&stage, &["enqueue", REHEARSALS, "rehearse", payload, "--watch"]).await;
        assert_eq!(said.code, code, "{said:?}");
        let mut lines = said.out.lines();
        let id = lines.next().unwrap();
        let (_, place) = stage.queues().await.job(REHEARSALS, id).await.unwrap();
        let ended = [JobState::Completed, JobState::Failed][usize::from(code == 1)];
        assert_eq!(place, ended);
        assert!(lines.next().unwrap().starts_with(told), "{said:?}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn enqueue_passes_a_producers_options_on() {
    let stage = need!(Stage::new());
    let options = ["--priority", "low", "--delay", "1h", "--attempts", "7", "--job-id", "nightly"];
    let add = ["enqueue", "shows", "unheard-of", r#"{"a":1}"#];
    let said = run(&stage, &[&add[..], &options].concat()).await;
    assert_eq!((said.code, said.out.as_str()), (0, "nightly\n"), "{said:?}");
    // Somebody else may know the kind, so it is a note and no error.
    assert!(said.err.contains("knows no kind `unheard-of`"), "{said:?}");
    let (job, place) = stage.queues().await.job("shows", "nightly").await.unwrap();
    assert_eq!((place, job.priority(), job.delay()), (JobState::Delayed, 100, 3_600_000));
    assert_eq!((job.opts().attempts, job.data()), (Some(7), &json!({ "a": 1 })));
    // Adding it twice adds it once.
    assert_eq!(run(&stage, &[&add[..], &options].concat()).await.code, 0);
    let queue = stage.queues().await.queue("shows").await.unwrap();
    assert_eq!(queue.get_delayed_count().await.unwrap(), 1);

    let said = run(&stage, &["enqueue", "shows", "rehearse", "{not json"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("the payload is not JSON: {not json"), "{said:?}");
    let said = run(&stage, &["enqueue", "shows", "x", "{}", "--priority", "urgent"]).await;
    assert_eq!(said.code, 2);
    assert!(said.err.contains("high, normal, low"), "{said:?}");
}

#[tokio::test]
async fn queues_shows_depth_and_age_and_creates_nothing() {
    let stage = need!(Stage::new());
    let said = run(&stage, &["queues"]).await;
    assert_eq!(said.code, 0);
    assert_eq!(said.out, format!("no queues under prefix {}\n", stage.prefix));
    let now = u64::try_from(roadie_jobs::effects::Clock::System.now_ms()).unwrap();
    let hour_ago = JobOptions { timestamp: Some(now - 3_600_000), ..JobOptions::default() };
    let later = JobOptions { delay: Some(60_000), ..JobOptions::default() };
    for options in [hour_ago, JobOptions::default(), later] {
        stage.add_with("shows", "gig", json!({}), options).await;
    }
    let said = run(&stage, &["queues", "--json"]).await;
    let list = read(&said);
    let [shows] = list.as_array().unwrap().as_slice() else {
        panic!("{said:?}");
    };
    assert_eq!((&shows["queue"], &shows["paused"]), (&json!("shows"), &json!(false)));
    assert_eq!((&shows["jobs"]["waiting"], &shows["jobs"]["delayed"]), (&json!(2), &json!(1)));
    assert!(shows["oldestAgeMs"].as_u64() >= Some(3_600_000), "{shows}");
    let said = run(&stage, &["queues"]).await;
    let row: Vec<&str> = said.out.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["shows", "2", "0", "1"], "{said:?}");
    assert!(row.ends_with(&["1h", "0m", "open"]), "{said:?}");

    for command in [&["jobs", "list", "nowhere"][..], &["jobs", "show", "nowhere", "1"]] {
        let said = run(&stage, command).await;
        assert_eq!(said.code, 1);
        assert!(said.err.contains("there is no queue nowhere"), "{said:?}");
    }
    assert_eq!(read(&run(&stage, &["queues", "--json"]).await).as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_shows_what_is_known_of_one() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let worker = Worker::start(&stage).await;
    let payload = json!({ "act": "steps", "steps": 2, "stepMs": 5 });
    let done = stage.add(REHEARSALS, "rehearse", payload.clone()).await;
    stage.completed(REHEARSALS, &done).await;
    let shown = read(&run(&stage, &["jobs", "show", REHEARSALS, &done]).await);
    assert_eq!((&shown["state"], &shown["kind"]), (&json!("completed"), &json!("rehearse")));
    assert_eq!((&shown["payload"], &shown["checkpoint"]), (&payload, &json!(2)));
    assert_eq!(shown["returnValue"], json!({ "steps": 2, "resumedAt": 0 }));
    assert_eq!(shown["progress"], json!({ "step": 2, "of": 2 }));
    let list = ["jobs", "list", REHEARSALS, "--state", "completed"];
    let said = run(&stage, &list).await;
    let row = said.out.lines().nth(1).unwrap().trim_start();
    assert!(row.starts_with(&done), "{said:?}");
    let said = run(&stage, &["jobs", "list", REHEARSALS]).await;
    assert_eq!(said.out, format!("no waiting jobs in {REHEARSALS}\n"));
    let said = run(&stage, &["jobs", "show", REHEARSALS, "no-such"]).await;
    assert_eq!(said.code, 1);
    assert!(said.err.contains("has no job no-such"), "{said:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_can_be_looked_at_and_retried() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let mended = Arc::new(AtomicBool::new(false));
    let works = Arc::clone(&mended);
    let part = part(move |cx, _| {
        let works = works.load(Ordering::SeqCst);
        let attempt = cx.info().attempt;
        async move {
            if works {
                Ok(json!({ "attempt": attempt }))
            } else {
                Err(JobError::discard(anyhow!("the van broke down")))
            }
        }
    });
    let vanish =
        JobOptions { remove_on_fail: Some(RemoveOnFinish::Bool(true)), ..JobOptions::default() };
    let kept = stage.add(PLAYS, "play", call(&part, 0)).await;
    let trimmed = stage.add_with(PLAYS, "play", call(&part, 1), vanish).await;
    stage.failed(PLAYS, &kept).await;
    stage.gone(PLAYS, &trimmed).await;

    let list = read(&run(&stage, &["dead", "list", "--json"]).await);
    assert_eq!(list.as_array().unwrap().len(), 2, "{list}");
    let none = run(&stage, &["dead", "list", "--reason", "panic"]).await;
    assert_eq!(none.out, "no dead letters\n");
    // One cause: one row.
    let grouped = run(&stage, &["dead", "list", "--group"]).await;
    assert_eq!(grouped.out.lines().count(), 2, "{grouped:?}");
    assert!(grouped.out.lines().nth(1).unwrap().trim_start().starts_with("2 "), "{grouped:?}");
    let letter = stage.letter(&kept).await;
    let shown = read(&run(&stage, &["dead", "show", &letter.id[..12]]).await);
    assert_eq!((&shown["job_id"], &shown["payload"]), (&json!(kept), &call(&part, 0)));
    assert_eq!(
        (&shown["reason"], &shown["error"]),
        (&json!("discarded"), &json!("the van broke down"))
    );
    let unknown = run(&stage, &["dead", "show", "ffff"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("no dead letter begins with `ffff`"), "{unknown:?}");

    mended.store(true, Ordering::SeqCst);
    let other = stage.letter(&trimmed).await;
    let said = run(&stage, &["dead", "retry", &letter.id, &other.id]).await;
    assert_eq!(said.code, 0, "{said:?}");
    // The queue counts anew what it had dropped.
    let (_, added) = said.out.split_once("added again as job ").unwrap();
    let (added, _) = added.split_once(':').unwrap();
    assert_ne!(added, trimmed);
    for (id, retried) in [(kept.as_str(), kept.as_str()), (&trimmed, added)] {
        // With all its attempts again.
        let result = stage.returned(PLAYS, retried).await;
        assert_eq!(result, json!({ "attempt": 1 }));
        assert!(stage.letter(id).await.retried_at.is_some());
    }
    assert_eq!(run(&stage, &["dead", "list"]).await.out, "no dead letters\n");
    let all = read(&run(&stage, &["dead", "list", "--all", "--json"]).await);
    assert_eq!(all.as_array().unwrap().len(), 2);
    // What is not dead any more is not run twice.
    for id in [&letter.id, &other.id] {
        let again = run(&stage, &["dead", "retry", id]).await;
        assert_eq!(again.code, 1);
        assert!(again.err.contains("was retried at"), "{again:?}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_demo_takes_folders_of_any_name() {
    let stage = need!(Stage::new()).set("queues.notifications.weight", 1);
    let photos = stage.folder("gigs, 100% live #1? {data_dir}");
    write_many(&photos, 5);
    let data = stage.path().join(format!("data #1? 50%/{}", "long".repeat(30)));
    let (folder, data) = (photos.display().to_string(), data.display().to_string());
    for _ in 0..2 {
        let said = run(&stage, &["demo", &folder, "--data", &data]).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("photos      5 ("), "{said:?}");
        assert!(said.out.contains("mails       1 in "), "{said:?}");
        assert!(said.out.contains("  Your photos have been looked through\n"), "{said:?}");
    }
    let inside = run(&stage, &["demo", &data, "--data", &data]).await;
    assert_eq!(inside.code, 1);
    assert!(inside.err.contains("lies in the demo's own folder"), "{inside:?}");
    let other = run(&stage, &["demo", "--data", &folder]).await;
    assert_eq!(other.code, 1);
    assert_eq!(photos.read_dir().unwrap().count(), 5);
}

/// What is started from here ignores what this process ignores.
fn terminal() -> Result<(), Missing> {
    if !roadie::lifecycle::ignores_hangup() {
        return Ok(());
    }
    let why = "the tests were started with SIGHUP ignored, as by nohup".to_owned();
    Err(Missing { what: "the test of a closed terminal", why })
}

#[tokio::test]
async fn a_closed_terminal_ends_a_demo_and_its_redis() {
    let stage = need!(Stage::new());
    need!(terminal());
    let photos = stage.folder("gigs");
    write_many(&photos, 2);
    let temporary = tempfile::Builder::new().prefix("t").tempdir().unwrap();
    let (photos, data) = (photos.display().to_string(), stage.path().join("data"));
    let data = data.display().to_string();
    let out = stage.path().join("out");
    let mut demo = roadie(&stage, &["demo", &photos, "--serve", "--data", &data])
        .env("TMPDIR", temporary.path())
        .stdout(std::fs::File::create(&out).unwrap())
        .spawn()
        .unwrap();
    eventually("the demo serves", async || {
        let said = std::fs::read_to_string(&out).unwrap();
        if said.contains("serving until") { Ok(()) } else { Err(said) }
    })
    .await;
    let socket = temporary.path().read_dir().unwrap().next().unwrap().unwrap().path();
    let socket = socket.join("redis.sock");
    std::os::unix::net::UnixStream::connect(&socket).unwrap();
    signal(&demo.id().unwrap().to_string(), "HUP");
    // What is under way has its grace period.
    let ended = tokio::time::timeout(2 * super::support::SOON, demo.wait()).await;
    assert_eq!(ended.unwrap().unwrap().code(), Some(0));
    assert!(std::os::unix::net::UnixStream::connect(&socket).is_err());
    assert_eq!(temporary.path().read_dir().unwrap().count(), 0);
}
