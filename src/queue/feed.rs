//! Reserved jobs, one stream per queue. What reserves and ends them is the [`super::pump`]; leases are
//! renewed by `worker::lease`.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Queues;
use super::marker::Marker;
use super::pump::{Pump, Shared};
use super::reserved::Reserved;
use super::turn::Reserve;

/// How a queue is served.
#[derive(Clone, Debug)]
pub struct Serving {
    /// This process' name.
    pub worker: String,
    /// Lifetime of a lease.
    pub lease: Duration,
    /// Largest share of the busy slots of one user while others wait; none: no fairness.
    pub fair_share: Option<f64>,
    /// The payload field that names the user.
    pub fair_by: String,
    /// Crashes that make a job a dead letter.
    pub max_crashes: u32,
    /// Jobs in this process' hands that are a crash away from that; shared by its feeds.
    pub suspects: Arc<AtomicUsize>,
}

/// A source of reserved jobs.
pub struct Feed {
    shared: Arc<Shared>,
    pump: Mutex<Option<Pump>>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("in_hand", &self.in_hand()).finish_non_exhaustive()
    }
}

impl Feed {
    /// Opens a feed; nothing is reserved before [`Feed::start`].
    pub fn open(
        queues: &Queues,
        queue: &str,
        serving: &Serving,
    ) -> (Self, mpsc::UnboundedReceiver<Reserved>) {
        // Bounded by the slots.
        let (jobs, reserved) = mpsc::unbounded_channel();
        let (ends, ended) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        let request = Reserve {
            worker: serving.worker.clone(),
            lease: serving.lease,
            token_prefix: format!("{}:", serving.worker),
            first_token: 0,
            fair_share: serving.fair_share,
            fair_by: serving.fair_by.clone(),
            max_crashes: serving.max_crashes,
            suspects: Arc::clone(&serving.suspects),
        };
        let pump = Pump {
            queues: queues.clone(),
            queue: queue.into(),
            marker: Marker::open(queues, queue, &serving.worker),
            request,
            shared: Arc::clone(&shared),
            jobs,
            ends,
            ended,
        };
        (Self { shared, pump: Mutex::new(Some(pump)) }, reserved)
    }

    /// Starts to reserve.
    pub fn start(&self) {
        let pump = self.pump.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pump) = pump {
            tokio::spawn(pump.run());
        }
    }

    /// Reserves at most this many jobs at once.
    pub fn set_slots(&self, slots: usize) {
        self.shared.set_slots(slots);
    }

    /// Stops to reserve; jobs in hand go on.
    pub fn stop_reserving(&self) {
        self.shared.stop();
    }

    /// Looks for jobs now.
    pub fn poke(&self) {
        self.shared.poke();
    }

    /// Jobs in hand.
    pub fn in_hand(&self) -> usize {
        self.shared.in_hand()
    }

    /// Ends the feed once its jobs are settled.
    pub fn close(&self) {
        self.shared.closed.cancel();
    }
}
