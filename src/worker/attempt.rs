//! One attempt: a reserved job with all that the stack around the handler shares.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use roadie_jobs::effects::catalogue::Standing;
use roadie_jobs::privacy::user_of;
use roadie_jobs::registry::Entry;
use roadie_jobs::{Backoff, Cancel, JobInfo, SlotClass, Timeout};
use tokio::time::Instant;

use super::Engine;
use super::port::Port;
use super::trace_context;
use crate::observe::metrics::JobMetrics;
use crate::queue::is_canary;
use crate::queue::reserved::Reserved;

/// How long the catalogue may take to tell how a user stands.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A reserved job on its way through the stack.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The job.
    pub(crate) reserved: Arc<Reserved>,
    /// Its handler; none: the kind is unknown here.
    pub(crate) entry: Option<Arc<Entry>>,
    /// Who is running.
    pub(crate) info: Arc<JobInfo>,
    /// Asks it to stop.
    pub(crate) cancel: Cancel,
    /// What the engine does for it.
    pub(crate) port: Arc<Port>,
    /// What all attempts share.
    pub(crate) engine: Arc<Engine>,
    /// What is counted of it; of this worker's own probe, nothing.
    pub(crate) metrics: Option<Arc<JobMetrics>>,
}

/// The metrics of a queue's kinds.
pub(super) type KnownMetrics = HashMap<&'static str, Arc<JobMetrics>>;

impl Attempt {
    pub(super) fn new(reserved: Reserved, engine: Arc<Engine>, known: &mut KnownMetrics) -> Self {
        let reserved = Arc::new(reserved);
        let entry = engine.registry.get(reserved.kind()).cloned();
        let cancel = Cancel::default();
        let port = Arc::new(Port::new(Arc::clone(&reserved), cancel.clone(), &engine));
        let declared = entry.as_ref().map_or(1, |entry| entry.attempts);
        let info = JobInfo {
            id: reserved.id().to_owned(),
            queue: reserved.queue().to_owned(),
            kind: reserved.kind().to_owned(),
            attempt: reserved.attempts_made().saturating_add(1),
            max_attempts: reserved
                .attempts_asked()
                .unwrap_or_else(|| engine.config.attempts(reserved.kind(), declared)),
            trace: reserved.telemetry().and_then(trace_context::traceparent),
        };
        // Producers cannot make up labels.
        let label = entry.as_ref().map_or("unknown", |entry| entry.kind);
        let metrics = (!is_canary(&info.id)).then(|| {
            let metrics = || Arc::new(JobMetrics::new(&info.queue, label));
            Arc::clone(known.entry(label).or_insert_with(metrics))
        });
        Self { reserved, entry, info: Arc::new(info), cancel, port, engine, metrics }
    }

    /// Whether it is this worker's own probe.
    pub(crate) fn is_canary(&self) -> bool {
        is_canary(&self.info.id)
    }

    /// How the user stands whom it is about; as if here, where it is one that erases. A catalogue that does
    /// not answer at once says so, too: it refuses what would be written all the same.
    pub(crate) async fn user(&self) -> Standing {
        let for_erased = self.entry.as_ref().is_some_and(|entry| entry.for_erased);
        let Some(user) = user_of(self.reserved.payload()).filter(|_| !for_erased) else {
            return Standing::Here;
        };
        let asked = self.engine.effects.catalogue.standing(user);
        let told = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        told.ok().and_then(Result::ok).unwrap_or(Standing::Here)
    }

    /// Slots that the handler needs.
    pub(crate) fn class(&self) -> SlotClass {
        self.entry.as_ref().map_or(SlotClass::Io, |entry| entry.slots)
    }

    /// How long it may take: what is configured, else what the kind declares.
    pub(crate) fn timeout(&self) -> Timeout {
        let declared =
            self.entry.as_ref().map_or(Timeout::Total(Duration::from_secs(30)), |e| e.timeout);
        let own = self.engine.config.kinds.get(&self.info.kind).and_then(|kind| kind.timeout);
        match (own, declared, self.engine.config.defaults.timeout) {
            (Some(own), ..) => Timeout::Total(own),
            // A general limit must not cut off kinds that have none on purpose, such as scans.
            (None, Timeout::Total(_), Some(general)) => Timeout::Total(general),
            (None, declared, _) => declared,
        }
    }

    /// The kind's backoff, as configured.
    pub(crate) fn backoff(&self) -> Backoff {
        let declared = self.entry.as_ref().map_or(Backoff::DEFAULT, |entry| entry.backoff);
        self.engine.config.backoff(&self.info.kind, declared)
    }
}

/// When a job last gave a sign of life.
#[derive(Debug)]
pub(crate) struct Pulse {
    start: Instant,
    last_ms: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { start: Instant::now(), last_ms: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// How long the attempt has been in hand.
    pub(crate) fn age(&self) -> Duration {
        self.start.elapsed()
    }

    /// A sign of life.
    pub(crate) fn beat(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(since, Ordering::Relaxed);
    }

    /// The last one.
    pub(crate) fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}
