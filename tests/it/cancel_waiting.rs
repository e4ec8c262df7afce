//! A cancelled job that waits ends at once, without being run, and whoever depends on it learns of it.

use std::collections::BTreeMap;

use bullmq::job_scheduler::RepeatOptions;
use bullmq::options::RedisConnectionOptions;
use bullmq::{FlowJob, FlowProducer, FlowProducerOptions, JobOptions, JobState};
use roadie::outcome::cancel::Cancelled;
use serde_json::json;

use super::support::operator::{Operator, ended};
use super::support::process::{Process, run};
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";

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
    for missing in ["99", "meta", "wait", "events", ""] {
        assert_eq!(operator.cancel(QUEUE, missing).await, Cancelled::Missing, "{missing}");
    }
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
