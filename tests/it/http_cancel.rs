//! Jobs are cancelled over HTTP, and it is told what that came to.

use bullmq::JobOptions;
use roadie_jobs::JobError;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::support::http::Call;
use super::support::next;
use super::support::play::{PLAYS, call, part};
use super::support::stage::Stage;
use super::support::worker::Worker;

fn cancel(queue: &str, id: &str) -> Call {
    Call::new("DELETE", &format!("/api/v1/queues/{queue}/jobs/{id}?by=ann&reason=wrong%20folder"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_cancelled_wherever_it_is() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let (sender, mut started) = unbounded_channel();
    let part = part(move |cx, _| {
        sender.send(()).unwrap();
        async move {
            cx.cancelled().await;
            Err(JobError::stopped())
        }
    });
    let running = stage.add(PLAYS, "play", call(&part, Value::Null)).await;
    next(&mut started).await;
    let late = JobOptions::new().delay(std::time::Duration::from_mins(1));
    let delayed = stage.add_with(PLAYS, "play", call(&part, Value::Null), late).await;

    let ended = cancel(PLAYS, &delayed).send(worker.http).await;
    assert_eq!(
        (ended.status, ended.json()),
        (200, json!({ "id": delayed, "outcome": "cancelled" }))
    );
    let letter = stage.letter(&delayed).await;
    assert_eq!(letter.reason.as_str(), "cancelled");
    assert!(letter.error.contains("ann"), "{letter:?}");

    let events = Call::events(PLAYS, &running).stream(worker.http).await;
    let asked = cancel(PLAYS, &running).send(worker.http).await;
    assert_eq!((asked.status, asked.json()), (202, json!({ "id": running, "outcome": "asked" })));
    let (name, end) = events.rest().await.pop().unwrap();
    assert_eq!(name, "failed");
    let reason = end["failedReason"].as_str().unwrap();
    assert!(reason.contains("cancelled by ann") && reason.contains("wrong folder"), "{end}");

    for gone in [&running, &delayed] {
        let problem = cancel(PLAYS, gone).send(worker.http).await.problem(409);
        assert!(problem["detail"].as_str().unwrap().contains("has failed already"), "{problem}");
    }
    for missing in ["none", "wait", "%00"] {
        cancel(PLAYS, missing).send(worker.http).await.problem(404);
    }
    cancel("nowhere", "1").send(worker.http).await.problem(404);
    let strange = format!("/api/v1/queues/{PLAYS}/jobs/{running}?who=ann");
    Call::new("DELETE", &strange).send(worker.http).await.problem(400);
    worker.stop().await;
}
