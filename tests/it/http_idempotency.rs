//! A request with an `Idempotency-Key` may be repeated: it is carried out once.

use std::collections::BTreeSet;

use futures::future::join_all;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::http::{Answer, Call};
use super::support::process::Process;
use super::support::stage::Stage;
use super::support::worker::Worker;

fn acts(count: usize) -> Value {
    let act = json!({ "kind": "rehearse", "payload": { "act": "return" } });
    json!({ "jobs": vec![act; count] })
}

fn keyed(key: &str, body: &Value) -> Call {
    Call::post("rehearsals", body).with("Idempotency-Key", key)
}

async fn added(stage: &Stage) -> u64 {
    let depth = stage.queues().await.depth("rehearsals", 0).await.unwrap();
    depth.jobs.iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_has_the_same_answer() {
    let stage = need!(Stage::new()).set("worker.rehearsals", true);
    // Nobody serves the queue, so that what is added stays.
    stage.queues().await.queue("rehearsals").await.unwrap();
    let worker = Worker::start(&stage).await;
    let mut batch = acts(3);
    batch["jobs"][1] = json!({ "kind": "encore", "payload": {} });
    let first = keyed("a", &batch).send(worker.http).await;
    assert_eq!(first.status, 207);
    for _ in 0..3 {
        assert_eq!(keyed("a", &batch).send(worker.http).await.json(), first.json());
    }
    assert_eq!(added(&stage).await, 2);
    // However it is written.
    let spaced = serde_json::to_string_pretty(&batch).unwrap();
    assert_eq!(keyed("a", &batch).json(spaced).send(worker.http).await.json(), first.json());

    let one = json!({ "kind": "rehearse", "payload": { "act": "return" } });
    let single = keyed("b", &one).send(worker.http).await;
    let again = keyed("b", &one).send(worker.http).await;
    assert_eq!((again.status, again.body.as_str()), (201, single.body.as_str()));
    assert_eq!(again.header("location"), single.header("location"));
    assert_eq!(added(&stage).await, 3);

    keyed("a", &one).send(worker.http).await.problem(422);
    // Without a key, and with another one, it is another request.
    assert_eq!(keyed("c", &one).send(worker.http).await.status, 201);
    assert_eq!(Call::post("rehearsals", &one).send(worker.http).await.status, 201);
    assert_eq!(added(&stage).await, 5);
    // A request of which nothing came has not used its key up.
    let wrong = json!({ "kind": "encore", "payload": {} });
    keyed("d", &wrong).send(worker.http).await.problem(422);
    assert_eq!(keyed("d", &one).send(worker.http).await.status, 201);
    for key in ["", "x".repeat(256).as_str()] {
        keyed(key, &one).send(worker.http).await.problem(400);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_requests_are_carried_out_once() {
    let stage = need!(Stage::new()).set("worker.rehearsals", true);
    stage.queues().await.queue("rehearsals").await.unwrap();
    let workers = [Worker::start(&stage).await, Worker::start(&stage).await];
    let call = keyed("race", &acts(200));
    let sending = (0..20).map(|n| call.send(workers[n % 2].http));
    let answers = join_all(sending).await;
    let (done, waiting): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 207);
    assert!(!done.is_empty());
    assert!(done.iter().all(|answer| answer.json() == done[0].json()));
    for answer in waiting {
        answer.problem(409);
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(added(&stage).await, 200);
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_died_half_way_is_completed_by_its_repetition() {
    let stage = need!(Stage::new()).set("worker.rehearsals", true);
    let queue = stage.queues().await.queue("rehearsals").await.unwrap();
    let worker = Worker::start(&stage).await;
    for round in 0..3 {
        let call = keyed(&format!("half-way-{round}"), &acts(1_000));
        let process = Process::serving(&stage).await;
        let (address, sent) = (process.http(), call.clone());
        // It gets no answer, or an early one.
        let sending = tokio::spawn(async move { sent.try_send(address).await });
        eventually("jobs come in", async || match added(&stage).await {
            0 => Err("none".to_owned()),
            _ => Ok(()),
        })
        .await;
        process.kill().await;
        sending.await.unwrap();
        let before = added(&stage).await;
        // They run and are gone before it is repeated.
        queue.drain(true).await.unwrap();
        assert_eq!(added(&stage).await, 0);
        let done = eventually("the key is not in use any more", async || {
            let answer = call.send(worker.http).await;
            if answer.status == 409 { Err(answer.body) } else { Ok(answer) }
        })
        .await;
        assert_eq!(done.status, 207, "{done:?}");
        assert_eq!(before + added(&stage).await, 1_000, "{before} had come in before");
        let results = done.json()["results"].as_array().unwrap().clone();
        let ids: BTreeSet<&str> = results.iter().filter_map(|r| r["id"].as_str()).collect();
        assert_eq!(ids.len(), 1_000);
        assert_eq!(call.send(worker.http).await.json(), done.json());
        queue.drain(true).await.unwrap();
    }
    worker.stop().await;
}
