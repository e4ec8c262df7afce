//! Tasks that Rust producers push with apalis-redis become jobs: what of a task a job keeps, what a
//! producer sees of it afterwards, and what becomes of tasks that nobody understands.

use std::sync::Arc;
use std::time::Duration;

use apalis_core::backend::{
    FetchById as _, Filter, ListAllTasks as _, TaskResult, WaitForCompletion as _,
};
use apalis_core::task::metadata::MetadataStore;
use apalis_core::task::status::Status;
use apalis_core::task::task_id::TaskId;
use bullmq::JobState;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::support::apalis::{Producer, vanishing};
use super::support::cluster::{Cluster, PATIENT, node_port};
use super::support::process::{Process, run};
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::{SOON, eventually, http};

const REHEARSALS: &str = "rehearsals";

/// Serves rehearsals, and takes them from an apalis queue.
fn with_intake(stage: Stage, slots: usize) -> Stage {
    let namespace = format!("{}-tasks", stage.prefix);
    stage
        .with_rehearsals(slots)
        .set("intake.apalis.drills.namespace", namespace)
        .set("intake.apalis.drills.kind", "rehearse")
}

fn returns(value: impl Into<Value>) -> Value {
    json!({ "act": "return", "value": value.into() })
}

#[tokio::test]
async fn a_task_becomes_a_job_with_what_its_producer_said() {
    let stage = with_intake(need!(Stage::new()), 2);
    let mut producer = Producer::new(&stage).await;
    let mut options = MetadataStore::new();
    for (option, value) in [("priority", "3"), ("removeOnFail", "50"), ("request", "r-1")] {
        options.insert(option, value).unwrap();
    }
    let in_an_hour = |task: apalis_core::task::builder::TaskBuilder<Value>| {
        task.run_in_hours(1).max_attempts(7).with_metadata(options)
    };
    producer.push_as("encore", returns("late"), in_an_hour).await;
    producer.push_as("42", returns("now"), |task| task).await;
    let process = Process::serving(&stage).await;

    assert_eq!(stage.returned(REHEARSALS, "drills.42").await, "now");
    let now = stage.completed(REHEARSALS, "drills.42").await;
    assert_eq!((now.name(), now.attempts_started(), now.opts().attempts), ("rehearse", 1, None));

    let late = stage.reached(REHEARSALS, "drills.encore", JobState::Delayed).await;
    assert_eq!((late.name(), late.data()), ("rehearse", &returns("late")));
    assert_eq!(
        (late.priority(), late.opts().priority, late.opts().attempts),
        (3, Some(3), Some(7))
    );
    let options: Value =
        serde_json::from_str(&stage.field(REHEARSALS, "drills.encore", "opts").await.unwrap())
            .unwrap();
    assert_eq!(options["removeOnFail"], 50);
    assert_eq!(options["jobId"], "drills.encore");
    assert!((3_500_000..=3_600_000).contains(&late.delay()), "{}", late.delay());
    // As every other job, it can be promoted, and then runs.
    let queue = stage.queues().await.queue(REHEARSALS).await.unwrap();
    queue.get_job("drills.encore").await.unwrap().unwrap().promote().await.unwrap();
    assert_eq!(stage.returned(REHEARSALS, "drills.encore").await, "late");
    process.kill().await;
}

#[tokio::test]
async fn a_delayed_task_runs_when_it_is_due() {
    let stage = with_intake(need!(Stage::new()), 2);
    let mut producer = Producer::new(&stage).await;
    let process = Process::serving(&stage).await;
    producer.push_as("soon", returns(1), |task| task.run_in_seconds(8)).await;
    let job = stage.completed(REHEARSALS, "drills.soon").await;
    // The field beside it is cleared when the job is promoted.
    let due = job.timestamp() + job.opts().delay.unwrap();
    assert_eq!(due % 1_000, 0, "apalis counts in seconds");
    assert!(job.processed_on().unwrap() >= due, "too early");
    process.kill().await;
}

#[tokio::test]
async fn a_producer_that_waits_gets_the_outcome_and_finds_it_in_its_books() {
    let stage = with_intake(need!(Stage::new()), 2).set("kinds.rehearse.attempts", 1);
    let mut producer = Producer::new(&stage).await;
    let process = Process::serving(&stage).await;
    producer.push_as("good", returns(json!({ "songs": 21 })), |task| task).await;
    producer.push_as("bad", json!({ "act": "fail", "message": "no \"sound\"" }), |task| task).await;
    producer.push_as("gone", returns(1), |task| task.with_metadata(vanishing())).await;
    producer.push_as("later", returns(1), |task| task.run_in_hours(1)).await;
    let ids = ["good", "bad", "gone"].map(TaskId::from_string);
    let results = producer.storage.wait_for(ids).map(|result: Result<TaskResult<Value>, _>| {
        let result = result.unwrap();
        (result.task_id().to_string(), result.status().clone(), result.take())
    });
    let mut outcomes: Vec<_> = tokio::time::timeout(SOON, results.collect()).await.unwrap();
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    let failed = outcomes.remove(0);
    assert_eq!((failed.0.as_str(), &failed.1), ("bad", &Status::Failed));
    assert!(failed.2.unwrap_err().contains("no \"sound\""));
    let ok = |id: &str, value: Value| (id.to_owned(), Status::Done, Ok::<Value, String>(value));
    assert_eq!(outcomes, [ok("gone", Value::Null), ok("good", json!({ "songs": 21 }))]);

    let book = producer.storage.fetch_by_id(&TaskId::from_string("good")).await.unwrap().unwrap();
    assert_eq!(book.metadata().get("roadie_job"), Some("drills.good"));
    assert_eq!(book.metadata().get("roadie_queue"), Some(REHEARSALS));
    let args: Value = serde_json::from_slice(&book.args).unwrap();
    assert_eq!(args, returns(json!({ "songs": 21 })));
    let filter = Filter { status: None, page: 1, page_size: Some(10) };
    let mut listed: Vec<(String, Status)> = producer
        .storage
        .list_all_tasks(&filter)
        .await
        .unwrap()
        .iter()
        .map(|task| (task.task_id().unwrap().to_string(), task.status()))
        .collect();
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("bad", Status::Failed),
        ("gone", Status::Done),
        ("good", Status::Done),
        ("later", Status::Queued),
    ];
    assert_eq!(listed, expected.map(|(id, status)| (id.to_owned(), status)));
    process.kill().await;
}

#[tokio::test]
async fn an_id_that_is_pushed_again_runs_once_as_long_as_it_is_in_the_books() {
    let stage = with_intake(need!(Stage::new()), 2).set("intake.apalis.drills.keep", "15s");
    let mut producer = Producer::new(&stage).await;
    let process = Process::serving(&stage).await;
    let id = "drills.order-7";
    let push = async |producer: &mut Producer| {
        producer.push_as("order-7", returns(1), |task| task.with_metadata(vanishing())).await;
    };
    let added =
        async || stage.events(REHEARSALS, "added").await.iter().filter(|job| *job == id).count();
    let times = async |times: usize| {
        eventually(&format!("it was added {times} times"), async || match added().await {
            now if now == times => Ok(()),
            now => Err(now.to_string()),
        })
        .await;
        stage.gone(REHEARSALS, id).await;
    };
    push(&mut producer).await;
    times(1).await;
    // The producer did not hear that its push had arrived.
    push(&mut producer).await;
    // What came after has been moved, so this would have been.
    producer.push_as("order-8", returns(1), |task| task).await;
    stage.completed(REHEARSALS, "drills.order-8").await;
    assert_eq!((added().await, producer.waiting().await), (1, 0));
    // apalis' own worker may give a task back twice: the second time it is a job already.
    redis::cmd("RPUSH")
        .arg(producer.key("active"))
        .arg("order-8")
        .arg("order-8")
        .query_async::<()>(&mut producer.redis.clone())
        .await
        .unwrap();
    let dropped = "roadie_intake_dropped_total{intake=\"drills\",reason=\"known\"}";
    http::counted(process.http(), dropped, |tasks| tasks == Some(2.0)).await;
    // The books forget, and the same id is a new task.
    let books = producer.key("meta:order-7");
    eventually("the books are cleared", async || {
        let mut redis = producer.redis.clone();
        let (left, args): (bool, bool) = redis::pipe()
            .exists(&books)
            .hexists(producer.key("data"), "order-7")
            .query_async(&mut redis)
            .await
            .unwrap();
        if left || args { Err(format!("{left} {args}")) } else { Ok(()) }
    })
    .await;
    push(&mut producer).await;
    times(2).await;
    process.kill().await;
}

#[tokio::test]
async fn tasks_that_nobody_understands_are_dead_letters_and_hold_nothing_up() {
    let stage = with_intake(need!(Stage::new()), 4);
    let mut producer = Producer::new(&stage).await;
    let bad = [
        ("number", json!(7), "not a number"),
        ("array", json!([1, 2]), "not an array"),
        ("null", Value::Null, "not null"),
        ("unknown-act", json!({ "act": "sing" }), "unknown variant `sing`"),
        ("msgpack", Value::Null, "not a string"),
        ("cut", Value::Null, "not a string"),
    ];
    for (id, args, _) in &bad {
        producer.push_as(id, args.clone(), |task| task).await;
    }
    // What other codecs, and hands, leave behind.
    let mut redis = producer.redis.clone();
    let data = producer.key("data");
    redis::pipe()
        .hset(&data, "msgpack", b"\x81\xa3act\xa6return\xff")
        .hset(&data, "cut", br#"{"act":"ret"#)
        .zadd(producer.key("scheduled"), "no-args", 1)
        .rpush(producer.key("active"), "no-args-either")
        .hset(&data, "odd-books", br#"{"act":"return"}"#)
        .zadd(producer.key("scheduled"), "odd-books", 1)
        .set(producer.key("meta:odd-books"), "no hash")
        .query_async::<()>(&mut redis)
        .await
        .unwrap();
    producer.push_as("good", returns("played"), |task| task).await;
    let process = Process::serving(&stage).await;
    assert_eq!(stage.returned(REHEARSALS, "drills.good").await, "played");
    stage.completed(REHEARSALS, "drills.odd-books").await;
    for (id, _, named) in bad {
        let id = format!("drills.{id}");
        stage.failed(REHEARSALS, &id).await;
        let letter = stage.letter(&id).await;
        assert_eq!(letter.reason, "undecodable");
        assert!(letter.error.contains(named), "{letter:?}");
        if id == "drills.msgpack" {
            assert_eq!(letter.payload, r#""data:application/octet-stream,%81%A3act%A6return%FF""#);
        }
    }
    let (_, scrape) = http::get(process.http(), "/metrics").await;
    for (name, value) in [
        ("roadie_intake_moved_total{intake=\"drills\"}", 8.0),
        ("roadie_intake_dropped_total{intake=\"drills\",reason=\"empty\"}", 2.0),
        ("roadie_intake_backlog{intake=\"drills\"}", 0.0),
        ("roadie_intake_failures_total{intake=\"drills\"}", 0.0),
    ] {
        assert_eq!(http::sample(&scrape, name), Some(value), "{name}\n{scrape}");
    }
    process.kill().await;
}

#[tokio::test]
async fn jobs_of_tasks_wait_like_others_while_a_queue_is_paused() {
    let stage = with_intake(need!(Stage::new()), 2);
    let mut producer = Producer::new(&stage).await;
    let queue = stage.queues().await.queue(REHEARSALS).await.unwrap();
    queue.pause().await.unwrap();
    let process = Process::serving(&stage).await;
    producer.push_as("patient", returns("at last"), |task| task).await;
    eventually("the task is a job", async || match producer.waiting().await {
        0 => Ok(()),
        waiting => Err(waiting.to_string()),
    })
    .await;
    stage.reached(REHEARSALS, "drills.patient", JobState::Waiting).await;
    queue.resume().await.unwrap();
    assert_eq!(stage.returned(REHEARSALS, "drills.patient").await, "at last");
    process.kill().await;
}

#[tokio::test]
async fn tasks_become_jobs_in_a_cluster_whose_keys_lie_together() {
    let stage = need!(Stage::new()).with_hash_tag();
    let cluster = need!(Cluster::start(&stage.prefix, PATIENT).await);
    let settings = cluster.settings().into_iter();
    let stage = settings.fold(stage, |stage, (key, value)| stage.set(key, value));
    let apart = stage.set("intake.apalis.drills.namespace", "tasks");
    let apart = apart.with_rehearsals(1).set("intake.apalis.drills.kind", "rehearse");
    let said = run(&apart, &["run"]).await;
    assert_eq!(said.code, 64, "{said:?}");
    let named = "intake.apalis.drills.namespace must hold the hash tag";
    assert!(said.err.contains(named), "{said:?}");
    let stage = with_intake(apart, 1);
    let namespace = format!("{}-tasks", stage.prefix);
    let mut producer = Producer::to(&cluster.home().url(), &namespace).await;
    producer.push_as("far", returns("away"), |task| task).await;
    let process = Process::serving(&stage).await;
    assert_eq!(stage.returned(REHEARSALS, "drills.far").await, "away");
    assert!(!process.log().contains("trouble"), "{}", process.log());
    process.kill().await;
}

/// One that is not told that it talks to a Cluster is told by the Cluster.
#[tokio::test]
async fn an_intake_whose_keys_lie_apart_is_refused() {
    let port = node_port().to_string();
    let redis = need!(RedisServer::start(&["--port", &port, "--cluster-enabled", "yes"]));
    redis.ask::<()>("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    eventually("a cluster of one is up", async || {
        let info: String = redis.ask("CLUSTER INFO").unwrap();
        if info.contains("cluster_state:ok") { Ok(()) } else { Err(info) }
    })
    .await;
    let stage = with_intake(Stage::on(Arc::new(redis)), 1).set("redis.prefix", "{roadie}");
    let said = run(&stage, &["run"]).await;
    assert_ne!(said.code, 0);
    let namespace = format!("{}-tasks", stage.prefix);
    for piece in ["intake.apalis.drills", "hash tag", "{roadie}", &namespace] {
        assert!(said.err.contains(piece), "{piece}: {}", said.err);
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is what people ask for")]
async fn a_plain_push_is_picked_up_well_within_a_second() {
    const PUSHES: u64 = 50;
    let stage = with_intake(need!(Stage::new()), 4);
    let mut producer = Producer::new(&stage).await;
    let process = Process::serving(&stage).await;
    let mut waits = Vec::new();
    for push in 0..PUSHES {
        let pushed = roadie_jobs::effects::Clock::System.now_ms();
        let id = format!("{push}");
        producer.push_as(&id, returns(push), |task| task).await;
        let job = stage.completed(REHEARSALS, &format!("drills.{id}")).await;
        waits.push(i64::try_from(job.processed_on().unwrap()).unwrap() - pushed);
        // Not in step with the intake's own pace.
        tokio::time::sleep(Duration::from_millis(push * 7 % 50)).await;
    }
    waits.sort_unstable();
    let (p50, worst) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    println!("pick-up of a plain push, {PUSHES} pushes: p50 {p50} ms, worst {worst} ms");
    assert!(p50 < 1_000, "{waits:?}");
    process.kill().await;
}
