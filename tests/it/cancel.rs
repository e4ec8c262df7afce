//! A cancelled job ends, wherever it is and whoever cancels it, and never comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use bullmq::job_scheduler::RepeatOptions;
use bullmq::options::RedisConnectionOptions;
use bullmq::types::RemoveOnFinish;
use bullmq::{FlowJob, FlowProducer, FlowProducerOptions, JobOptions, JobState};
use roadie::outcome::cancel::{Cancelled, cancel};
use roadie::queue::Queues;
use roadie::queue::cancel::Wish;
use roadie_jobs::JobError;
use roadie_jobs::effects::catalogue::Catalogue;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;

use super::support::play::{PLAYS, call, part};
use super::support::process::{Process, run};
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::worker::Worker;
use super::support::{SOON, next, within};

const QUEUE: &str = "rehearsals";

/// Somebody who cancels, in a process without workers.
struct Operator {
    queues: Queues,
    catalogue: Catalogue,
}

impl Operator {
    async fn of(stage: &Stage) -> Self {
        Self { queues: stage.queues().await, catalogue: stage.catalogue().await }
    }

    async fn cancel(&self, queue: &str, id: &str) -> Cancelled {
        let wish = Wish::new("ann", "wrong folder");
        cancel(&self.queues, &self.catalogue, queue, id, &wish).await.unwrap()
    }

    /// Redis' clock, in ms.
    async fn now(&self) -> u64 {
        let (s, us): (u64, u64) =
            redis::cmd("TIME").query_async(&mut self.queues.redis()).await.unwrap();
        s * 1_000 + us / 1_000
    }

    /// What is kept of cancels, by job.
    async fn wishes(&self, stage: &Stage) -> BTreeMap<String, String> {
        redis::cmd("HGETALL")
            .arg(format!("{}:roadie:cancels", stage.prefix))
            .query_async(&mut self.queues.redis())
            .await
            .unwrap()
    }
}

async fn ended(stage: &Stage, queue: &str, id: &str) {
    let job = stage.failed(queue, id).await;
    assert_eq!(job.failed_reason(), "cancelled by ann: wrong folder");
    let letter = stage.letter(id).await;
    assert_eq!((letter.reason.as_str(), letter.error.as_str()), ("cancelled", "cancelled by ann"));
    assert_eq!(letter.error_chain, ["cancelled by ann", "wrong folder"]);
    assert!(letter.timeline.last().unwrap().error.starts_with("cancelled by ann"), "{letter:?}");
}

/// Handlers that await, cut off or not, over two processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figure is worth seeing")]
async fn jobs_in_hand_elsewhere_end_within_a_second() {
    const ROUNDS: usize = 12;
    const AT_ONCE: usize = 20;
    let stage = need!(Stage::new()).with_rehearsals(AT_ONCE / 2);
    let fleet = [Process::serving(&stage).await, Process::serving(&stage).await];
    let operator = Operator::of(&stage).await;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        let mut ids = Vec::new();
        for i in 0..AT_ONCE {
            let waits = json!({ "act": "steps", "steps": 1, "stepMs": 60_000 });
            let payload = if i % 2 == 0 { json!({ "act": "hang" }) } else { waits };
            ids.push(stage.add(QUEUE, "rehearse", payload).await);
        }
        for id in &ids {
            stage.reached(QUEUE, id, JobState::Active).await;
        }
        let asked = operator.now().await;
        for id in &ids {
            assert_eq!(operator.cancel(QUEUE, id).await, Cancelled::Asked);
        }
        for id in &ids {
            let job = stage.failed(QUEUE, id).await;
            assert_eq!(job.failed_reason(), "cancelled by ann: wrong folder");
            took.push(job.finished_on().unwrap().saturating_sub(asked));
        }
    }
    took.sort_unstable();
    let at = |share: usize| took[took.len() * share / 100];
    let (half, most) = (at(50), at(99));
    println!("{} running jobs cancelled: p50 {half} ms, p99 {most} ms", took.len());
    assert!(most <= 1_000, "p99 {most} ms: {took:?}");
    within(SOON, "all wishes are forgotten", async || match operator.wishes(&stage).await {
        wishes if wishes.is_empty() => Ok(()),
        wishes => Err(format!("{wishes:?}")),
    })
    .await;
    for process in fleet {
        process.kill().await;
    }
}

#[tokio::test]
async fn a_handler_that_never_yields_loses_its_job_all_the_same() {
    let stage = need!(Stage::new()).with_rehearsals(2);
    let process = Process::serving(&stage).await;
    let id = stage.add(QUEUE, "rehearse", json!({ "act": "spin" })).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    assert_eq!(Operator::of(&stage).await.cancel(QUEUE, &id).await, Cancelled::Asked);
    ended(&stage, QUEUE, &id).await;
    let other = stage.add(QUEUE, "rehearse", json!({ "act": "return", "value": 7 })).await;
    assert_eq!(stage.returned(QUEUE, &other).await, 7);
    process.kill().await;
}

#[tokio::test]
async fn a_job_that_waits_ends_at_once_and_nobody_need_work() {
    let stage = need!(Stage::new());
    let operator = Operator::of(&stage).await;
    let act = || json!({ "act": "return" });
    let delayed = JobOptions { delay: Some(3_600_000), ..JobOptions::default() };
    let urgent = JobOptions { priority: Some(3), ..JobOptions::default() };
    let mut ids = vec![stage.add(QUEUE, "rehearse", act()).await];
    for options in [delayed, urgent] {
        ids.push(stage.add_with(QUEUE, "rehearse", act(), options).await);
    }
    // As BullMQ 5 pauses a queue.
    let set_aside = stage.add(QUEUE, "rehearse", act()).await;
    let key = |part: &str| format!("{}:{QUEUE}:{part}", stage.prefix);
    redis::pipe()
        .cmd("LREM")
        .arg(key("wait"))
        .arg(1)
        .arg(&set_aside)
        .cmd("LPUSH")
        .arg(key("paused"))
        .arg(&set_aside)
        .cmd("HSET")
        .arg(key("meta"))
        .arg("paused")
        .arg(1)
        .query_async::<()>(&mut operator.queues.redis())
        .await
        .unwrap();
    ids.push(set_aside);
    for id in &ids {
        assert_eq!(operator.cancel(QUEUE, id).await, Cancelled::Ended, "{id}");
        let (job, place) = operator.queues.job(QUEUE, id).await.unwrap();
        assert_eq!((place, job.attempts_started()), (JobState::Failed, 0));
        ended(&stage, QUEUE, id).await;
        assert_eq!(stage.letter(id).await.attempts, 0);
        assert_eq!(operator.cancel(QUEUE, id).await, Cancelled::Already("failed"));
    }
    assert_eq!(operator.cancel(QUEUE, "99").await, Cancelled::Missing);
    assert_eq!(operator.wishes(&stage).await, BTreeMap::new());
}

#[tokio::test]
async fn the_command_line_says_what_became_of_each() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let process = Process::serving(&stage).await;
    let running = stage.add(QUEUE, "rehearse", json!({ "act": "hang" })).await;
    stage.reached(QUEUE, &running, JobState::Active).await;
    let waiting = stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
    let both = ["jobs", "cancel", QUEUE, &running, &waiting, "--reason", "rained off"];
    let said = run(&stage, &both).await;
    assert_eq!(said.code, 0, "{said:?}");
    let expected =
        format!("{running}: runs, was asked to stop\n{waiting}: cancelled before it ran\n");
    assert_eq!(said.out, expected);
    for id in [&running, &waiting] {
        let reason = stage.failed(QUEUE, id).await.failed_reason().to_owned();
        assert!(reason.starts_with("cancelled by ") && reason.contains('@'), "{reason}");
        assert!(reason.ends_with(": rained off"), "{reason}");
    }
    let again = run(&stage, &["jobs", "cancel", QUEUE, &running, "99", "--by", "bob"]).await;
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    assert!(again.err.contains(&format!("job {running} of queue {QUEUE} had failed")), "{again:?}");
    assert!(again.err.contains(&format!("queue {QUEUE} has no job 99")), "{again:?}");
    let nowhere = run(&stage, &["jobs", "cancel", "nowhere", "1"]).await;
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.err.contains("there is no queue nowhere"), "{nowhere:?}");

    // What was cancelled can be run again, and is not cancelled again.
    let letter = stage.letter(&waiting).await;
    assert_eq!(run(&stage, &["dead", "retry", &letter.id]).await.code, 0);
    stage.completed(QUEUE, &waiting).await;
    process.kill().await;
}

#[tokio::test]
async fn the_job_of_a_dead_worker_does_not_begin_again() {
    let stage = need!(Stage::new()).with_rehearsals(1).with_short_leases();
    let victim = Process::serving(&stage).await;
    let steps = json!({ "act": "steps", "steps": 1_000, "stepMs": 20 });
    let id = stage.add(QUEUE, "rehearse", steps).await;
    stage.checkpoint(QUEUE, &id, |step| step.as_u64() >= Some(2)).await;
    victim.kill().await;
    let operator = Operator::of(&stage).await;
    let reached = operator.queues.checkpoint(QUEUE, &id).await.unwrap();
    assert_eq!(operator.cancel(QUEUE, &id).await, Cancelled::Asked);
    let heir = Process::serving(&stage).await;
    ended(&stage, QUEUE, &id).await;
    assert_eq!(operator.queues.checkpoint(QUEUE, &id).await.unwrap(), reached, "it ran again");
    heir.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_meanwhile_is_not_tried_again() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let operator = Operator::of(&stage).await;
    let (tell, mut told) = unbounded_channel();
    let go = Arc::new(Notify::new());
    let gate = Arc::clone(&go);
    let part = part(move |_, _| {
        let (tell, gate) = (tell.clone(), Arc::clone(&gate));
        async move {
            tell.send(()).unwrap();
            gate.notified().await;
            Err::<Value, _>(JobError::retry(anyhow!("no seats left")))
        }
    });
    let id = stage.add(PLAYS, "play", call(&part, 0)).await;
    next(&mut told).await;
    // Sooner than the worker looks.
    assert_eq!(operator.cancel(PLAYS, &id).await, Cancelled::Asked);
    go.notify_one();
    ended(&stage, PLAYS, &id).await;
    assert!(told.try_recv().is_err(), "it ran again");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_added_anew_is_another_job() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let process = Process::serving(&stage).await;
    let operator = Operator::of(&stage).await;
    let named = || JobOptions {
        job_id: Some("nightly".to_owned()),
        remove_on_fail: Some(RemoveOnFinish::Bool(true)),
        ..JobOptions::default()
    };
    let add = async |act: Value| stage.add_with(QUEUE, "rehearse", act, named()).await;
    let id = add(json!({ "act": "hang" })).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    assert_eq!(operator.cancel(QUEUE, &id).await, Cancelled::Asked);
    stage.gone(QUEUE, &id).await;
    // A moment for whoever believes what it has read before.
    add(json!({ "act": "steps", "steps": 5, "stepMs": 100 })).await;
    stage.completed(QUEUE, &id).await;

    // A wish that was left over by somebody who died.
    let forgotten = r#"{"by":"ann","reason":"","nonce":"of long ago"}"#;
    redis::cmd("HSET")
        .arg(format!("{}:roadie:cancels", stage.prefix))
        .arg(format!("{QUEUE}:later"))
        .arg(forgotten)
        .query_async::<()>(&mut operator.queues.redis())
        .await
        .unwrap();
    let later = JobOptions { job_id: Some("later".to_owned()), ..JobOptions::default() };
    let steps = json!({ "act": "steps", "steps": 20, "stepMs": 100 });
    stage.add_with(QUEUE, "rehearse", steps, later).await;
    stage.completed(QUEUE, "later").await;
    assert_eq!(operator.wishes(&stage).await, BTreeMap::new());
    process.kill().await;
}

#[tokio::test]
async fn a_parent_learns_of_a_cancelled_child() {
    let stage = need!(Stage::new());
    let operator = Operator::of(&stage).await;
    let connection = RedisConnectionOptions {
        url: stage.config().redis.url.reveal().to_owned(),
        ..RedisConnectionOptions::default()
    };
    let options = FlowProducerOptions::new().connection(connection).prefix(&stage.prefix);
    let producer = FlowProducer::with_options(options).await.unwrap();
    let job = |name: &str, options: JobOptions| {
        let options = JobOptions { job_id: Some(name.to_owned()), ..options };
        FlowJob::new("rehearse", QUEUE, json!({ "act": "return" })).unwrap().options(options)
    };
    let vital = JobOptions { fail_parent_on_failure: Some(true), ..JobOptions::default() };
    let spare = JobOptions { ignore_dependency_on_failure: Some(true), ..JobOptions::default() };
    let plain = JobOptions::default;
    for flow in [
        job("album", plain()).add_child(job("cover", vital)),
        job("tour", plain()).add_child(job("poster", spare)),
        job("encore", plain()).add_child(job("song", plain())),
    ] {
        producer.add(flow).await.unwrap();
    }
    for id in ["cover", "poster", "encore"] {
        assert_eq!(operator.cancel(QUEUE, id).await, Cancelled::Ended, "{id}");
    }
    let place = async |id: &str| operator.queues.job(QUEUE, id).await.unwrap().1;
    assert_eq!(place("encore").await, JobState::Failed, "it waited for a child");
    assert_eq!(place("tour").await, JobState::Waiting, "it does without the poster");
    let process = Process::serving(&Stage::joining(&stage).with_rehearsals(1)).await;
    let album = stage.failed(QUEUE, "album").await;
    assert!(album.failed_reason().contains("cover failed"), "{album:?}");
    for id in ["tour", "song"] {
        stage.completed(QUEUE, id).await;
    }
    process.kill().await;
}

#[tokio::test]
async fn a_schedule_goes_on_without_its_cancelled_firing() {
    let stage = need!(Stage::new());
    let operator = Operator::of(&stage).await;
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    let every = RepeatOptions { every: Some(3_600_000), ..RepeatOptions::default() };
    let delayed = async || {
        let jobs = queue.get_delayed(0, 9).await.unwrap();
        jobs.iter().map(|job| job.id().to_owned()).collect::<Vec<_>>()
    };
    queue
        .upsert_job_scheduler("hourly", every, Some("rehearse"), Some(json!({})), None)
        .await
        .unwrap();
    // The first one is due at once.
    let first = queue.get_waiting(0, 9).await.unwrap();
    let first = first.first().map(|job| job.id().to_owned());
    let first = match first {
        Some(id) => id,
        None => delayed().await.remove(0),
    };
    assert_eq!(operator.cancel(QUEUE, &first).await, Cancelled::Ended);
    let left = delayed().await;
    assert!(left.len() == 1 && left[0] != first, "{first} → {left:?}");
}

#[tokio::test]
async fn a_cancel_reaches_its_job_through_a_restart_of_redis() {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let redis = Arc::new(need!(RedisServer::start(&durable)));
    let stage = Stage::on(Arc::clone(&redis)).with_rehearsals(1).set("worker.lease", "30s");
    let process = Process::serving(&stage).await;
    let id = stage.add(QUEUE, "rehearse", json!({ "act": "hang" })).await;
    stage.reached(QUEUE, &id, JobState::Active).await;
    // Frozen, it cannot hear of it before.
    process.signal("STOP");
    assert_eq!(Operator::of(&stage).await.cancel(QUEUE, &id).await, Cancelled::Asked);
    redis.kill();
    process.signal("CONT");
    tokio::time::sleep(Duration::from_millis(300)).await;
    redis.restart();
    ended(&stage, QUEUE, &id).await;
    process.kill().await;
}
