//! 2 · Queue → handler.
//!
//! - [`backend`]: reserved jobs as apalis tasks; one apalis worker per queue;
//! - [`stack`]: the layers around every handler;
//! - [`attempt`], [`port`]: one attempt, and what the engine does for it; [`patience`]: outages;
//! - [`lease`]: keeps a running job ours; [`recovery`]: jobs whose worker is gone; [`panics`]: a handler's panic as an outcome; [`stuck`]:
//!   handlers that cannot be cut off;
//! - [`trace_context`]: the producer's trace;
//! - [`moving`]: whether jobs move;
//! - [`slots`], [`shares`]: how many jobs at once, by class and by queue;
//! - [`pauses`]: what is to be done while a queue is paused; [`cancels`]: jobs that somebody cancelled;
//!   [`roster`]: tells the fleet that this process is there.

mod around;
pub(crate) mod attempt;
mod backend;
mod cancels;
mod lease;
pub(crate) mod moving;
pub(crate) mod panics;
pub(crate) mod patience;
mod pauses;
mod port;
mod recovery;
mod roster;
mod shares;
pub(crate) mod slots;
mod stack;
pub(crate) mod stuck;
pub(crate) mod trace_context;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use apalis::prelude::{Monitor, WorkerBuilder};
use roadie_jobs::{CancelReason, Effects, Registry};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::around::around;
use self::backend::QueueBackend;
use self::moving::Moving;
use self::shares::Load;
use self::slots::{Slots, Stops};
use self::stuck::Stuck;
use crate::budget::Budgets;
use crate::config::Config;
use crate::queue::Queues;
use crate::queue::feed::{Feed, Serving};

/// How often slots are divided anew between queues.
const DIVIDE_EVERY: Duration = Duration::from_millis(100);
/// How often turns are dealt while no job comes in, while jobs do, and while others are looked at.
const DEAL_EVERY: Duration = Duration::from_millis(100);
const DEAL_ON_EVERY: Duration = Duration::from_millis(2);
const LOOK_ON_EVERY: Duration = Duration::from_millis(20);
/// How often, and how many times in a row, all handler threads must be stuck to end the process.
const GUARD_EVERY: Duration = Duration::from_secs(1);
const GUARD_PATIENCE: u32 = 3;
/// How long a stopping process waits for Redis to take note.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);
/// How often a stopping process looks whether its jobs are done.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// What all attempts of a process share.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    pub(crate) effects: Effects,
    pub(crate) queues: Queues,
    pub(crate) budgets: Budgets,
    /// Where handlers run.
    pub(crate) handlers: Handle,
    /// Where leases, settling and progress run.
    pub(crate) control: Handle,
    pub(crate) slots: Slots,
    pub(crate) stops: Arc<Stops>,
    pub(crate) stuck: Stuck,
    /// Whether jobs move.
    pub(crate) moving: Moving,
    /// This process' name on jobs and dead letters.
    pub(crate) name: String,
}

impl Engine {
    pub(crate) fn new(
        config: Config,
        registry: Registry,
        effects: Effects,
        queues: Queues,
        budgets: Budgets,
        handlers: Handle,
        name: String,
    ) -> Self {
        Self {
            budgets,
            slots: Slots::new(&config.worker),
            stops: Arc::default(),
            stuck: Stuck::new(Handle::current()),
            moving: Moving::new(config.queues.keys()),
            control: Handle::current(),
            config,
            registry,
            effects,
            queues,
            handlers,
            name,
        }
    }
}

/// All queues that a process serves.
#[derive(Debug)]
pub(crate) struct Crew {
    engine: Arc<Engine>,
    feeds: BTreeMap<String, Arc<Feed>>,
    monitor: Option<Monitor>,
    /// What goes on beside the jobs until the crew closes.
    clockwork: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Opens a feed and an apalis worker for every configured queue.
    pub(crate) fn assemble(engine: Arc<Engine>) -> Self {
        let mut feeds = BTreeMap::new();
        let mut monitor = Monitor::new();
        let suspects = Arc::default();
        for queue in engine.config.queues.keys() {
            let (feed, jobs) =
                Feed::open(&engine.queues, queue, &serving(&engine, queue, &suspects));
            feeds.insert(queue.clone(), Arc::new(feed));
            let backend = QueueBackend::new(jobs, Arc::clone(&engine));
            // apalis asks for a factory because it can restart workers; nothing restarts silently
            // here, so it is called once.
            let backend = Mutex::new(Some(backend));
            let name = queue.clone();
            monitor = monitor.register(move |_| {
                let backend = backend.lock().unwrap_or_else(PoisonError::into_inner).take();
                WorkerBuilder::new(name.clone())
                    .backend(backend.expect("a worker is built once, restarts are off"))
                    .layer(around(stack::trace))
                    .layer(around(stack::hold_lease))
                    .layer(around(stack::settle))
                    .layer(around(stack::schedule))
                    .layer(around(stack::stop))
                    .layer(around(stack::admit))
                    .layer(around(stack::deadline))
                    .build(stack::handle)
            });
        }
        Self { engine, feeds, monitor: Some(monitor), clockwork: Vec::new() }
    }

    /// Starts to reserve jobs. Cancels `failed` if an apalis worker ends before its feed does.
    pub(crate) fn start(&mut self, failed: CancellationToken, draining: CancellationToken) {
        let Some(monitor) = self.monitor.take() else { return };
        let died = failed.clone();
        self.engine.control.spawn(async move {
            if let Err(error) = monitor.run().await {
                tracing::error!(%error, "a queue's worker died; stopping the process");
                died.cancel();
            }
        });
        for (queue, feed) in &self.feeds {
            if self.engine.config.fair_share(queue).is_some() {
                let served =
                    serve_fairly(Arc::clone(&self.engine), queue.clone(), Arc::clone(feed));
                self.clockwork.push(self.engine.control.spawn(served));
            } else {
                feed.start();
            }
            let follower = pauses::follow(self.engine.queues.clone(), queue.clone());
            self.clockwork.push(self.engine.control.spawn(follower));
            let recovery = recovery::watch(Arc::clone(&self.engine), queue.clone());
            self.clockwork.push(self.engine.control.spawn(recovery));
        }
        let guard = guard_threads(Arc::clone(&self.engine), failed);
        self.clockwork.push(self.engine.control.spawn(guard));
        let sweeper = pauses::sweep(Arc::clone(&self.engine));
        self.clockwork.push(self.engine.control.spawn(sweeper));
        let watcher = cancels::watch(Arc::clone(&self.engine));
        self.clockwork.push(self.engine.control.spawn(watcher));
        let reviewer = cancels::review(Arc::clone(&self.engine));
        self.clockwork.push(self.engine.control.spawn(reviewer));
        let announcer = roster::announce(Arc::clone(&self.engine), self.feeds.clone(), draining);
        self.clockwork.push(self.engine.control.spawn(announcer));
        let divider = divide(Arc::clone(&self.engine), self.feeds.clone());
        self.clockwork.push(self.engine.control.spawn(divider));
    }

    /// Stops to reserve; running jobs go on.
    pub(crate) fn stop_reserving(&self) {
        self.feeds.values().for_each(|feed| feed.stop_reserving());
    }

    /// Jobs in hand over all queues.
    pub(crate) fn in_hand(&self) -> usize {
        self.feeds.values().map(|feed| feed.in_hand()).sum()
    }

    /// Waits until no job is in hand, or until `deadline`; answers how many are left.
    pub(crate) async fn drained_by(&self, deadline: Instant) -> usize {
        loop {
            let left = self.in_hand();
            if left == 0 || Instant::now() >= deadline {
                return left;
            }
            tokio::time::sleep(LOOK_EVERY.min(deadline - Instant::now())).await;
        }
    }

    /// Asks the jobs that still run to stop, so that they are released.
    pub(crate) fn release_all(&self) -> usize {
        self.engine.stops.stop_all(CancelReason::Shutdown)
    }

    /// Closes the feeds; jobs must be settled before.
    pub(crate) async fn close(self) {
        self.clockwork.iter().for_each(JoinHandle::abort);
        let leaving = self.engine.queues.leave(&self.engine.name);
        if !matches!(tokio::time::timeout(LEAVE_WITHIN, leaving).await, Ok(Ok(()))) {
            tracing::debug!("not signed off; the last heartbeat runs out by itself");
        }
        self.feeds.values().for_each(|feed| feed.close());
    }
}

fn serving(engine: &Engine, queue: &str, suspects: &Arc<AtomicUsize>) -> Serving {
    Serving {
        worker: engine.name.clone(),
        lease: engine.config.worker.lease,
        fair_share: engine.config.fair_share(queue),
        fair_by: engine.config.worker.fair_by.clone(),
        max_crashes: engine.config.worker.max_crashes,
        suspects: Arc::clone(suspects),
    }
}

/// Serves a fair queue: deals turns to its jobs as they come. One that comes last may be the next, also
/// while no slot is free and nothing is reserved.
async fn serve_fairly(engine: Arc<Engine>, queue: String, feed: Arc<Feed>) {
    let Some(settings) = engine.config.queues.get(&queue) else { return };
    let set = || engine.queues.set_user_weights(&queue, &settings.user_weights);
    // Tried until it succeeds, or the process ends; no turn is dealt without them.
    let _ = patience::patiently(|| false, set).await;
    feed.start();
    let mut from = 0;
    loop {
        let dealt = engine.queues.deal(&queue, &engine.config.worker.fair_by, from).await;
        let (jobs, end) = dealt.unwrap_or((0, 0));
        from = end;
        let pause = match (jobs, from) {
            (1.., _) => DEAL_ON_EVERY,
            (0, 1..) => LOOK_ON_EVERY,
            (0, 0) => DEAL_EVERY,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Divides the slots between the queues, again and again.
async fn divide(engine: Arc<Engine>, feeds: BTreeMap<String, Arc<Feed>>) {
    let mut granted = vec![1; feeds.len()];
    let mut ticks = tokio::time::interval(DIVIDE_EVERY);
    loop {
        let mut loads = Vec::with_capacity(feeds.len());
        for ((queue, feed), granted) in feeds.iter().zip(&granted) {
            loads.push(Load {
                weight: engine.config.queue_weight(queue),
                max: engine.config.queue_slots(queue),
                active: feed.in_hand(),
                granted: *granted,
            });
        }
        granted = shares::divide(engine.config.worker.slots, &loads);
        for ((queue, feed), slots) in feeds.iter().zip(&granted) {
            feed.set_slots(*slots);
            engine.moving.set_slots(queue, *slots);
        }
        ticks.tick().await;
    }
}

/// Ends a process whose handler threads are all held by handlers that never yield: it would take jobs
/// and run none of them.
async fn guard_threads(engine: Arc<Engine>, failed: CancellationToken) {
    let threads = engine.handlers.metrics().num_workers();
    let mut ticks = tokio::time::interval(GUARD_EVERY);
    let mut full = 0;
    loop {
        ticks.tick().await;
        full = if engine.stuck.count() >= threads { full + 1 } else { 0 };
        if full >= GUARD_PATIENCE {
            tracing::error!(
                threads,
                "handlers that never yield hold every handler thread; stopping the process"
            );
            failed.cancel();
            return;
        }
    }
}
