//! A handler adds jobs, waits for them without holding a slot, and goes on with what they answered.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::anyhow;
use roadie_jobs::context::{ChildFailure, FollowUp};
use roadie_jobs::{JobContext, JobError};
use serde_json::{Value, json};

use crate::support::play::{PLAYS, call, part};
use crate::support::stage::Stage;
use crate::support::worker::Worker;

/// The part that adds itself.
static PART: OnceLock<String> = OnceLock::new();

async fn add(cx: &JobContext, name: &str, payload: Value, failure: ChildFailure) {
    let child = FollowUp {
        queue: PLAYS.to_owned(),
        kind: "play".to_owned(),
        payload,
        id: format!("{}-{name}", cx.info().id),
        delay: None,
    };
    cx.enqueue_child(child, failure).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_with_what_its_children_answered() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let good = part(|_, line| async { Ok(line) });
    let bad = part(|_, _| async { Err(JobError::discard(anyhow!("no such night"))) });
    let parent = part(move |cx, _| {
        let (good, bad) = (good.clone(), bad.clone());
        async move {
            let children = cx.children().await?;
            if children.completed.is_empty() {
                // One slot only: were it held meanwhile, the children would never run.
                add(&cx, "one", call(&good, 1), ChildFailure::FailsParent).await;
                add(&cx, "two", call(&good, 2), ChildFailure::IsTold).await;
                add(&cx, "three", call(&bad, 3), ChildFailure::IsTold).await;
                return Err(JobError::await_children());
            }
            let told: Vec<String> = children.failed.into_values().collect();
            Ok(json!([children.completed.into_values().collect::<Vec<_>>(), told]))
        }
    });
    let id = stage.add(PLAYS, "play", call(&parent, 0)).await;
    let job = stage.completed(PLAYS, &id).await;
    assert_eq!(job.returnvalue(), r#"[[1,2],["no such night"]]"#);
    assert_eq!(job.attempts_made(), 1, "waiting is not an attempt");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_must_not_fail_fails_its_parent() {
    let stage = need!(Stage::new()).with_plays(2);
    let worker = Worker::start(&stage).await;
    let bad = part(|_, _| async { Err(JobError::discard(anyhow!("no such night"))) });
    let parent = part(move |cx, _| {
        let bad = bad.clone();
        async move {
            add(&cx, "one", call(&bad, 1), ChildFailure::FailsParent).await;
            Err(JobError::await_children())
        }
    });
    let id = stage.add(PLAYS, "play", call(&parent, 0)).await;
    let job = stage.failed(PLAYS, &id).await;
    assert!(job.failed_reason().contains("failed"), "{}", job.failed_reason());
    assert_eq!(stage.letter(&id).await.reason.as_str(), "discarded");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cannot_complete_before_its_children() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let slow =
        part(|_, _| async { Err(JobError::postpone(Duration::from_mins(1), anyhow!("later"))) });
    let parent = part(move |cx, _| {
        let slow = slow.clone();
        async move {
            add(&cx, "one", call(&slow, 1), ChildFailure::FailsParent).await;
            Ok(Value::Null)
        }
    });
    let only = bullmq::JobOptions { attempts: Some(1), ..Default::default() };
    let id = stage.add_with(PLAYS, "play", call(&parent, 0), only).await;
    let job = stage.failed(PLAYS, &id).await;
    assert!(job.failed_reason().contains("children"), "{}", job.failed_reason());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_and_its_follow_ups_belong_to_the_trace_of_their_producer() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let stage = need!(Stage::new()).with_plays(1);
    let traced = part(|cx, line| async move {
        if line == 0 && cx.children().await?.completed.is_empty() {
            add(&cx, "next", call(PART.get().unwrap(), 1), ChildFailure::IsTold).await;
            return Err(JobError::await_children());
        }
        Ok(json!(cx.info().trace))
    });
    PART.set(traced.clone()).unwrap();
    let queues = stage.queues().await;
    let job = roadie::queue::NewJob {
        kind: "play".to_owned(),
        payload: call(&traced, 0),
        telemetry: Some(json!({ "traceparent": TRACE }).to_string()),
        ..Default::default()
    };
    let id = queues.add(PLAYS, job).await.unwrap();
    let worker = Worker::start(&stage).await;
    let child = stage.completed(PLAYS, &format!("{id}-next")).await;
    assert_eq!(child.returnvalue(), format!("\"{TRACE}\""));
    worker.stop().await;
}
