//! Slots per class of handler, and the running jobs that a shutdown has to reach.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use roadie_jobs::{Cancel, CancelReason, SlotClass};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config;

/// How many handlers of each class may run at once.
#[derive(Debug)]
pub(crate) struct Slots {
    classes: [(SlotClass, Arc<Semaphore>, usize); 3],
}

impl Slots {
    pub(super) fn new(worker: &config::Worker, cores: usize) -> Self {
        let or = |own: usize, otherwise: usize| if own > 0 { own } else { otherwise };
        let sizes = [
            (SlotClass::Io, or(worker.io_slots, worker.slots)),
            (SlotClass::Cpu, or(worker.cpu_slots, cores)),
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

/// The cancel handles of all running jobs.
#[derive(Debug, Default)]
pub(crate) struct Stops {
    running: Mutex<(u64, HashMap<u64, Cancel>)>,
}

impl Stops {
    /// Remembers a running job until the answer is dropped.
    pub(super) fn register(self: &Arc<Self>, cancel: Cancel) -> Registered {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.0 += 1;
        let key = running.0;
        running.1.insert(key, cancel);
        Registered { key, stops: Arc::clone(self) }
    }

    /// Asks all running jobs to stop; answers how many.
    pub(crate) fn stop_all(&self, reason: CancelReason) -> usize {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.1.values().for_each(|cancel| cancel.cancel(reason));
        running.1.len()
    }

    /// How many jobs are running.
    pub(crate) fn running(&self) -> usize {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).1.len()
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
        running.1.remove(&self.key);
    }
}
