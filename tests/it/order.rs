//! Who goes first, and how many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bullmq::JobOptions;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{Barrier, Notify, Semaphore};

use super::support::fleet::now_ms;
use super::support::play::{PLAYS, call, part};
use super::support::stage::Stage;
use super::support::worker::Worker;
use super::support::{Missing, eventually, next};

/// One slot, taken by a job that waits for a word, and a part that tells which job runs.
struct OneSlot {
    stage: Stage,
    worker: Worker,
    open: Arc<Notify>,
    part: String,
    played: UnboundedReceiver<String>,
}

impl OneSlot {
    async fn taken() -> Result<Self, Missing> {
        let stage = Stage::new()?.with_plays(1);
        let worker = Worker::start(&stage).await;
        let (tell, mut played) = unbounded_channel();
        let open = Arc::new(Notify::new());
        let gate = Arc::clone(&open);
        let part = part(move |_, line: Value| {
            let (tell, gate) = (tell.clone(), Arc::clone(&gate));
            async move {
                let line = line.as_str().unwrap().to_owned();
                let first = line == "doors";
                tell.send(line).unwrap();
                if first {
                    gate.notified().await;
                }
                Ok(Value::Null)
            }
        });
        stage.add(PLAYS, "play", call(&part, "doors")).await;
        assert_eq!(next(&mut played).await, "doors");
        Ok(Self { stage, worker, open, part, played })
    }

    async fn add(&self, line: &str, options: JobOptions) {
        let payload = call(&self.part, line);
        self.stage.add_with(PLAYS, "play", payload, options).await;
    }

    /// Frees the slot; answers in which order so many jobs ran.
    async fn order(mut self, jobs: usize) -> Vec<String> {
        self.open.notify_one();
        let mut order = Vec::new();
        for _ in 0..jobs {
            order.push(next(&mut self.played).await);
        }
        self.worker.stop().await;
        order
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lower_numbers_go_first_and_jobs_without_one_before_all() {
    let slot = need!(OneSlot::taken().await);
    for (line, priority) in [
        ("low", Some(100)),
        ("high", Some(1)),
        ("normal", Some(10)),
        ("high too", Some(1)),
        ("none", None),
    ] {
        let options = JobOptions { priority, ..JobOptions::default() };
        slot.add(line, options).await;
    }
    let order = slot.order(5).await;
    assert_eq!(order, ["none", "high", "high too", "normal", "low"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_come_first_served_but_for_lifo() {
    let slot = need!(OneSlot::taken().await);
    for (line, lifo) in [("first", None), ("second", None), ("encore", Some(true))] {
        let options = JobOptions { lifo, ..JobOptions::default() };
        slot.add(line, options).await;
    }
    assert_eq!(slot.order(3).await, ["encore", "first", "second"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delayed_jobs_go_when_they_are_due() {
    let slot = need!(OneSlot::taken().await);
    // However long it takes to add them.
    let timestamp = u64::try_from(now_ms()).ok();
    for (line, delay) in [("last", 1_500), ("first", 500), ("middle", 1_000)] {
        let options = JobOptions { delay: Some(delay), timestamp, ..JobOptions::default() };
        slot.add(line, options).await;
    }
    assert_eq!(slot.order(3).await, ["first", "middle", "last"]);
}

/// Counts how many run at once.
#[derive(Debug, Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    fn enter(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_runs_as_many_jobs_at_once_as_it_has_slots() {
    const SLOTS: usize = 3;
    let stage = need!(Stage::new()).with_plays(SLOTS);
    let worker = Worker::start(&stage).await;
    let crowd = Arc::new(Crowd::default());
    let (seen, all) = (Arc::clone(&crowd), Arc::new(Barrier::new(SLOTS)));
    let part = part(move |_, _| {
        let (crowd, all) = (Arc::clone(&seen), Arc::clone(&all));
        async move {
            crowd.enter();
            // Nobody gets past unless all slots are in use.
            all.wait().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            crowd.leave();
            Ok(Value::Null)
        }
    });
    let mut ids = Vec::new();
    for number in 0..8 * SLOTS {
        ids.push(stage.add(PLAYS, "play", call(&part, number)).await);
    }
    for id in &ids {
        stage.completed(PLAYS, id).await;
    }
    assert_eq!(crowd.most.load(Ordering::SeqCst), SLOTS);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_queues_share_the_slots_by_weight_and_none_starves() {
    // photo-processing is served as well and keeps its one slot.
    let stage = need!(Stage::new())
        .set("worker.slots", 9)
        .set("worker.queue_slots", 9)
        .set("queues.club.weight", 1)
        .set("queues.arena.weight", 3);
    let worker = Worker::start(&stage).await;
    let crowds: Arc<[Crowd; 2]> = Arc::default();
    let counting = Arc::clone(&crowds);
    let gate = Arc::new(Semaphore::new(100));
    let closed = Arc::clone(&gate);
    let part = part(move |_, line: Value| {
        let (crowds, gate) = (Arc::clone(&counting), Arc::clone(&closed));
        async move {
            let crowd = &crowds[usize::try_from(line.as_u64().unwrap()).unwrap()];
            crowd.enter();
            tokio::time::sleep(Duration::from_millis(10)).await;
            gate.acquire().await.unwrap().forget();
            crowd.leave();
            Ok(Value::Null)
        }
    });
    let queues = stage.queues().await;
    for (number, queue) in ["club", "arena"].into_iter().enumerate() {
        let queue = queues.queue(queue).await.unwrap();
        let payload = json!({ "part": part, "line": number });
        let job = || bullmq::BulkJob::new("play", &payload);
        let jobs = (0..1_000).map(|_| job()).collect();
        queue.add_bulk(jobs).await.unwrap();
    }
    // A hundred end as they come, then all wait: 2 and 6 slots, a quarter and three quarters.
    eventually("the slots are shared", async || {
        let running = [0, 1].map(|queue| crowds[queue].now.load(Ordering::SeqCst));
        if gate.available_permits() == 0 && running == [2, 6] {
            Ok(())
        } else {
            Err(format!("{running:?}"))
        }
    })
    .await;
    gate.add_permits(2_000);
    worker.stop().await;
}
