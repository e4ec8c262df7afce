//! Slots per class of handler, and the running jobs that a shutdown or a cancel has to reach.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use roadie_jobs::{Cancel, CancelReason, JobInfo, SlotClass};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config;

/// How many handlers of each class may run at once.
#[derive(Debug)]
pub(crate) struct Slots {
    classes: [(SlotClass, Arc<Semaphore>, usize); 3],
}

impl Slots {
    pub(super) fn new(worker: &config::Worker) -> Self {
        let sizes = [
            (SlotClass::Io, or(worker.io_slots, worker.slots)),
            (SlotClass::Cpu, cpu_slots(worker)),
            (SlotClass::Heavy, worker.heavy_slots.max(1)),
        ];
        Self { classes: sizes.map(|(class, size)| (class, Arc::new(Semaphore::new(size)), size)) }
    }

    /// Waits for a slot; it is free again when the permit is dropped.
    pub(super) async fn take(&self, class: SlotClass) -> Option<OwnedSemaphorePermit> {
        let (_, semaphore, _) = self.classes.iter().find(|(c, ..)| *c == class)?;
        // The semaphores are never closed.
        Arc::clone(semaphore).acquire_owned().await.ok()
    }

    /// Class, slots in use, slots in all.
    pub(crate) fn usage(&self) -> impl Iterator<Item = (SlotClass, usize, usize)> {
        self.classes
            .iter()
            .map(|(class, semaphore, size)| (*class, size - semaphore.available_permits(), *size))
    }
}

/// Handlers that compute at once, and pictures that are decoded at once: as many as there are cores, if the
/// configuration does not say.
pub(crate) fn cpu_slots(worker: &config::Worker) -> usize {
    or(worker.cpu_slots, std::thread::available_parallelism().map_or(1, usize::from))
}

fn or(own: usize, otherwise: usize) -> usize {
    if own > 0 { own } else { otherwise }
}

/// A job's queue and id.
pub(crate) type JobName = (String, String);

#[derive(Debug, Default)]
struct Running {
    last: u64,
    jobs: HashMap<u64, (JobName, Cancel)>,
}

/// The cancel handles of all running jobs.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    running: Mutex<Running>,
    /// Jobs of the fleet that somebody wants to end, when it was last looked.
    unwanted: Mutex<HashSet<JobName>>,
}

impl Stops {
    /// Remembers a running job until the answer is dropped.
    pub(super) fn register(self: &Arc<Self>, job: &JobInfo, cancel: Cancel) -> Registered {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.last += 1;
        let key = running.last;
        running.jobs.insert(key, ((job.queue.clone(), job.id.clone()), cancel));
        Registered { key, stops: Arc::clone(self) }
    }

    /// Asks all running jobs to stop; answers how many.
    pub(crate) fn stop_all(&self, reason: CancelReason) -> usize {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.jobs.values().for_each(|(_, cancel)| cancel.cancel(reason));
        running.jobs.len()
    }

    /// The handles of one job: a recovered job may be in hand twice.
    pub(super) fn of(&self, job: &JobName) -> Vec<Cancel> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .jobs
            .values()
            .filter(|(name, _)| name == job)
            .map(|(_, cancel)| cancel.clone())
            .collect()
    }

    /// Replaces what is known of jobs that somebody wants to end.
    pub(super) fn set_unwanted(&self, jobs: HashSet<JobName>) {
        *self.unwanted.lock().unwrap_or_else(PoisonError::into_inner) = jobs;
    }

    /// Jobs that somebody wants to end, in hand here or not.
    pub(super) fn unwanted(&self) -> HashSet<JobName> {
        self.unwanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether somebody may want this job to end.
    pub(super) fn is_unwanted(&self, job: &JobInfo) -> bool {
        let unwanted = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody pays for what hardly ever is.
        !unwanted.is_empty() && unwanted.contains(&(job.queue.clone(), job.id.clone()))
    }

    /// How many jobs are running.
    pub(crate) fn running(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).jobs.len()
    }
}

/// A running job's place in [`Stops`].
#[derive(Debug)]
pub(super) struct Registered {
    key: u64,
    stops: Arc<Stops>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut running = self.stops.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.jobs.remove(&self.key);
    }
}
