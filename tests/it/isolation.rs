//! A handler that misbehaves harms its own job and no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bullmq::JobOptions;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use super::support::fleet::Recovery;
use super::support::play::{PLAYS, call, part};
use super::support::stage::Stage;
use super::support::worker::Worker;
use super::support::{SOON, eventually, next};

/// Tells handlers to end; falls with the test, however that ends, so that no thread is left behind.
#[derive(Default)]
struct Curtain(Arc<AtomicBool>);

impl Curtain {
    fn fall(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for Curtain {
    fn drop(&mut self) {
        self.fall();
    }
}

/// Holds the thread until the curtain falls. Not for ever: were it the test's own thread, nobody
/// could let the curtain fall.
fn block(end: &AtomicBool) {
    let began = std::time::Instant::now();
    while !end.load(Ordering::Relaxed) && began.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn once() -> JobOptions {
    JobOptions { attempts: Some(1), ..JobOptions::default() }
}

/// The slot serves another job.
async fn assert_still_serving(stage: &Stage) {
    let good = part(async |_, _| Ok(json!("fine")));
    let id = stage.add(PLAYS, "play", call(&good, 0)).await;
    assert_eq!(stage.returned(PLAYS, &id).await, "fine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_retried_and_then_a_dead_letter() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let (calls, mut called) = unbounded_channel();
    let bad = part(move |cx, _| {
        calls.send(cx.info().attempt).unwrap();
        async { panic!("the drummer fell off the stage") }
    });
    let id = stage.add(PLAYS, "play", call(&bad, 0)).await;
    let job = stage.failed(PLAYS, &id).await;
    let told = "panicked: the drummer fell off the stage";
    assert!(job.failed_reason().starts_with(told), "{job:?}");
    let letter = stage.letter(&id).await;
    assert_eq!((letter.reason.as_str(), letter.attempts), ("panic", 3));
    assert_eq!(letter.timeline.len(), 3);
    for attempt in 1..=3 {
        assert_eq!(next(&mut called).await, attempt);
    }
    assert_still_serving(&stage).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_takes_too_long_is_cut_off_and_retried() {
    let stage = need!(Stage::new()).with_plays(1).set("kinds.play.timeout", "300ms");
    let worker = Worker::start(&stage).await;
    let (calls, mut called) = unbounded_channel();
    let slow = part(move |cx, _| {
        let calls = calls.clone();
        async move {
            // Dropped when the handler is cut off.
            struct Ends(tokio::sync::mpsc::UnboundedSender<u32>, u32);
            impl Drop for Ends {
                fn drop(&mut self) {
                    let _ = self.0.send(self.1);
                }
            }
            let _ends = Ends(calls, cx.info().attempt);
            std::future::pending().await
        }
    });
    let id = stage.add(PLAYS, "play", call(&slow, 0)).await;
    let job = stage.failed(PLAYS, &id).await;
    assert_eq!(job.failed_reason(), "timed out: no result within 300ms");
    let letter = stage.letter(&id).await;
    assert_eq!((letter.reason.as_str(), letter.attempts), ("timeout", 3));
    for attempt in 1..=3 {
        assert_eq!(next(&mut called).await, attempt);
    }
    assert_still_serving(&stage).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_never_yields_gives_its_slot_back() {
    let stage = need!(Stage::new())
        .with_plays(1)
        .set("worker.handler_threads", 2)
        .set("kinds.play.timeout", "300ms");
    let worker = Worker::start(&stage).await;
    let over = Curtain::default();
    let end = Arc::clone(&over.0);
    let blocked = part(move |_, _| {
        let end = Arc::clone(&end);
        async move {
            block(&end);
            Ok(Value::Null)
        }
    });
    let id = stage.add_with(PLAYS, "play", call(&blocked, 0), once()).await;
    stage.failed(PLAYS, &id).await;
    assert_eq!(stage.letter(&id).await.reason, "timeout");
    // Its thread is still blocked; the other one serves.
    assert_still_serving(&stage).await;
    over.fall();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked_handlers_cost_nobody_a_lease() {
    const LEASE: Duration = Duration::from_secs(6);
    let recovery = Recovery { lease: LEASE, scan: Duration::from_millis(300) };
    let stage = recovery.set(need!(Stage::new()).with_plays(3)).set("worker.handler_threads", 3);
    let worker = Worker::start(&stage).await;
    let over = Curtain::default();
    let end = Arc::clone(&over.0);
    let (started, mut starts) = unbounded_channel();
    let others = started.clone();
    let blocked = part(move |_, _| {
        let end = Arc::clone(&end);
        started.send(()).unwrap();
        async move {
            block(&end);
            Ok(Value::Null)
        }
    });
    let end = Arc::clone(&over.0);
    let patient = part(move |_, _| {
        let end = Arc::clone(&end);
        others.send(()).unwrap();
        async move {
            while !end.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(Value::Null)
        }
    });
    let mut ids = Vec::new();
    for part in [&patient, &blocked, &blocked] {
        ids.push(stage.add(PLAYS, "play", call(part, 0)).await);
        next(&mut starts).await;
    }
    // Two leases long, no lock is ever gone.
    let mut redis = stage.queues().await.redis();
    let until = Instant::now() + 2 * LEASE;
    while Instant::now() < until {
        for id in &ids {
            let left: i64 = redis::cmd("PTTL")
                .arg(format!("{}:{PLAYS}:{id}:lock", stage.prefix))
                .query_async(&mut redis)
                .await
                .unwrap();
            assert!(left > 0, "job {id} has no lease: {left}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    over.fall();
    for id in &ids {
        let job = stage.completed(PLAYS, id).await;
        assert_eq!(job.attempts_started(), 1, "{id} was recovered");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_panics_at_once_leave_no_slot_behind() {
    let stage = need!(Stage::new()).with_plays(4);
    let worker = Worker::start(&stage).await;
    let bad = part(|_, _| async { panic!("again") });
    for _ in 0..40 {
        stage.add_with(PLAYS, "play", call(&bad, 0), once()).await;
    }
    let queue = stage.queues().await.queue(PLAYS).await.unwrap();
    eventually("all have failed", async || match queue.get_failed_count().await.unwrap() {
        40 => Ok(()),
        failed => Err(format!("{failed} failed")),
    })
    .await;
    // Four at once still work: each waits for the other three.
    let all = Arc::new(tokio::sync::Barrier::new(4));
    let good = part(move |_, _| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            Ok(Value::Null)
        }
    });
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(stage.add(PLAYS, "play", call(&good, 0)).await);
    }
    for id in &ids {
        stage.completed(PLAYS, id).await;
    }
    worker.stop().await;
}
