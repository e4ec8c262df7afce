//! Who follows a job over HTTP is told its state, its progress and its end, and misses nothing.

use std::sync::Arc;
use std::time::Duration;

use roadie_jobs::context::Progress;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::support::http::{Call, Sent};
use super::support::play::{PLAYS, call, part};
use super::support::stage::Stage;
use super::support::worker::Worker;
use super::support::{eventually, next};

/// A part that says when it begins, reports each number that it is given, and ends when there are no more.
fn told(numbers: UnboundedReceiver<u64>, fails: bool) -> (String, UnboundedReceiver<()>) {
    let numbers = Arc::new(tokio::sync::Mutex::new(numbers));
    let (begins, begun) = unbounded_channel();
    let part = part(move |cx, _| {
        let (numbers, begins) = (Arc::clone(&numbers), begins.clone());
        async move {
            begins.send(()).unwrap();
            let mut numbers = numbers.lock().await;
            while let Some(number) = numbers.recv().await {
                cx.report(Progress { value: json!(number), mirror: None });
            }
            if fails {
                return Err(roadie_jobs::JobError::discard(anyhow::anyhow!("sold out")));
            }
            Ok(json!("encore"))
        }
    });
    (part, begun)
}

fn names(events: &[Sent]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

fn of<'a>(events: &'a [Sent], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|(known, _)| known == name).map(|(_, data)| data).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_followed_to_its_end() {
    let stage = need!(Stage::new()).with_plays(2);
    let worker = Worker::start(&stage).await;
    for (fails, end) in [
        (false, json!({ "state": "completed", "returnValue": "encore" })),
        (true, json!({ "state": "failed", "failedReason": "sold out" })),
    ] {
        let (progress, numbers) = unbounded_channel();
        let (part, mut begun) = told(numbers, fails);
        let payload = call(&part, Value::Null);
        let id = stage.add(PLAYS, "play", payload.clone()).await;
        next(&mut begun).await;
        let mut events = Call::events(PLAYS, &id).stream(worker.http).await;
        let (name, job) = events.next().await.unwrap();
        assert_eq!((name.as_str(), &job["payload"]), ("state", &payload));
        assert_eq!(
            job,
            Call::get(&format!("/api/v1/queues/{PLAYS}/jobs/{id}")).send(worker.http).await.json()
        );
        assert!(events.last_id.is_some());
        progress.send(1).unwrap();
        let told = events.next().await.unwrap();
        assert_eq!(told, ("progress".to_owned(), json!({ "progress": 1 })));
        progress.send(2).unwrap();
        drop(progress);
        let rest = events.rest().await;
        assert_eq!(of(&rest, "progress").last(), Some(&&json!({ "progress": 2 })));
        let (_, last) = rest.last().unwrap();
        assert_eq!(last, &end);

        // Afterwards it is told at once.
        let again = Call::events(PLAYS, &id).stream(worker.http).await.rest().await;
        assert_eq!(names(&again), ["state", end["state"].as_str().unwrap()]);
        assert_eq!(again[1].1, end);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_is_told_what_was_missed() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let (progress, numbers) = unbounded_channel();
    let (telling, _begun) = told(numbers, false);
    let payload =
        json!({ "kind": "play", "payload": call(&telling, Value::Null), "removeOnComplete": true });
    let id = Call::post(PLAYS, &payload).send(worker.http).await.id();
    let follow = Call::events(PLAYS, &id);
    let mut events = follow.stream(worker.http).await;
    progress.send(1).unwrap();
    while events.next().await.unwrap().0 != "progress" {}
    let last = events.last_id.clone().unwrap();
    drop(events);
    // Progress, the end and the removal: all while nobody listens.
    progress.send(2).unwrap();
    drop(progress);
    stage.gone(PLAYS, &id).await;
    follow.clone().send(worker.http).await.problem(404);
    let back = follow.clone().with("Last-Event-ID", &last);
    let missed = back.stream(worker.http).await.rest().await;
    assert_eq!(names(&missed), ["progress", "completed"]);
    assert_eq!(missed[1].1["returnValue"], "encore");

    // A job that is kept: who knows the end is sent away for good, who knows nothing is told all.
    let id =
        stage.add(PLAYS, "play", call(&part(|_, _| async { Ok(json!(7)) }), Value::Null)).await;
    stage.completed(PLAYS, &id).await;
    let follow = Call::events(PLAYS, &id);
    let mut events = follow.stream(worker.http).await;
    while events.next().await.is_some() {}
    let last = events.last_id.unwrap();
    let knows = follow.clone().with("Last-Event-ID", &last);
    assert_eq!(knows.send(worker.http).await.status, 204);
    for unknown in ["", "x", "99999999999999-0", "18446744073709551615-18446744073709551615"] {
        let fresh = follow.clone().with("Last-Event-ID", unknown).stream(worker.http).await;
        assert_eq!(names(&fresh.rest().await), ["state", "completed"], "{unknown}");
    }
    // The events of that time are gone.
    let queue = stage.queues().await.queue(PLAYS).await.unwrap();
    let trimmed = follow.with("Last-Event-ID", "1-0");
    queue.trim_events(1).await.unwrap();
    assert_eq!(names(&trimmed.stream(worker.http).await.rest().await), ["state", "completed"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_taken_away_ends_its_stream() {
    let stage = need!(Stage::new()).set("worker.rehearsals", true);
    let queue = stage.queues().await.queue("rehearsals").await.unwrap();
    let worker = Worker::start(&stage).await;
    let act = json!({ "kind": "rehearse", "payload": { "act": "return" } });
    for obliterate in [false, true] {
        let id = Call::post("rehearsals", &act).send(worker.http).await.id();
        let mut events = Call::events("rehearsals", &id).stream(worker.http).await;
        assert_eq!(events.next().await.unwrap().1["state"], "waiting");
        if obliterate {
            // Without any event, as keys that run out.
            queue.obliterate(true, 1_000).await.unwrap();
        } else {
            queue.remove(&id).await.unwrap();
        }
        assert_eq!(events.rest().await, [("removed".to_owned(), json!({ "state": "removed" }))]);
    }
    Call::events("photo-processing", "none").send(worker.http).await.problem(404);
    Call::events("nowhere", "1").send(worker.http).await.problem(404);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_follow_and_none_of_them_holds_anything_up() {
    let stage = need!(Stage::new()).with_plays(50).set("http.max_streams", 60);
    let worker = Worker::start(&stage).await;
    let go = Arc::new(Notify::new());
    let waiting = Arc::clone(&go);
    let part = part(move |cx, line| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.notified().await;
            for number in 0..3 {
                cx.report(Progress { value: json!([line, number]), mirror: None });
            }
            Ok(line)
        }
    });
    let mut following = Vec::new();
    for number in 0..50 {
        let id = stage.add(PLAYS, "play", call(&part, number)).await;
        following.push(Call::events(PLAYS, &id).stream(worker.http).await);
    }
    // Some stop to read, and some go away without a word.
    let id = stage.add(PLAYS, "play", call(&part, 50)).await;
    let full = Call::events(PLAYS, &id);
    let mut deaf = Vec::new();
    for _ in 0..10 {
        deaf.push(full.stream(worker.http).await);
    }
    assert_eq!(full.send(worker.http).await.problem(503)["title"], "Queues are unavailable");
    deaf.truncate(5);
    eventually("those who are gone made room", async || {
        let answer = tokio::time::timeout(Duration::from_millis(200), full.send(worker.http)).await;
        if answer.is_err() { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
    let playing = tokio::spawn(async move {
        loop {
            go.notify_waiters();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for (number, events) in following.into_iter().enumerate() {
        let events = events.rest().await;
        let (name, end) = events.last().unwrap();
        assert_eq!((name.as_str(), &end["returnValue"]), ("completed", &json!(number)));
        assert_eq!(of(&events, "progress").last().unwrap()["progress"], json!([number, 2]));
    }
    playing.abort();
    // Neither does a process wait for those who do not listen.
    worker.drain().await;
}
