//! Reserved jobs, one stream per queue.
//!
//! BullMQ's own worker reserves and finishes the jobs, so that order, priorities, delays and
//! retention are BullMQ's. Its processor does no work: it hands each job to the stream and waits
//! for the verdict. Leases are ours (`worker::lease`): the crate's renewal goes on for a job whose
//! lease is lost, and stops for all while one Redis call hangs.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bullmq::worker::{CancellationToken, WorkerEvent};
use bullmq::{Error, Job, Worker, WorkerOptions};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::reserved::{Reserved, Verdict};
use super::scripts::Held;
use super::{QueueError, Queues, step};
use crate::config;

/// How long an idle worker blocks on an empty queue before it looks again by itself.
const IDLE_WAIT: Duration = Duration::from_secs(2);
/// Pause after a failed fetch, e.g. while Redis restarts.
const RETRY_FETCH: Duration = Duration::from_millis(500);

/// A source of reserved jobs.
pub struct Feed {
    queue: String,
    worker: Worker,
    settled: Settled,
    stopping: Arc<AtomicBool>,
}

/// Failures that we decided ourselves, until the crate's event for each has passed.
type Settled = Arc<Mutex<HashSet<String>>>;

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// What a feed tells beside its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// A job failed for good without passing through a handler: it crashed too often, or a job
    /// that it depends on failed.
    FailedUnseen {
        /// The job's id.
        id: String,
        /// BullMQ's reason.
        error: String,
    },
    /// The queue could not be read or written; the crate tries again by itself.
    Trouble(String),
}

impl Feed {
    /// Opens a feed; nothing is reserved before [`Feed::start`].
    pub async fn open(
        queues: &Queues,
        queue: &str,
        name: &str,
        slots: usize,
        settings: &config::Worker,
    ) -> Result<(Self, mpsc::Receiver<Reserved>), QueueError> {
        // As many as can be reserved: sending never waits.
        let (jobs, reserved) = mpsc::channel(slots.max(1));
        let owner = queues.clone();
        let queue_name: Arc<str> = queue.into();
        let settled = Settled::default();
        let stopping = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stopping);
        let ours = Arc::clone(&settled);
        let processor = move |job: Job, _: CancellationToken| {
            let (jobs, owner, queue) = (jobs.clone(), owner.clone(), Arc::clone(&queue_name));
            let (ours, stopped) = (Arc::clone(&ours), Arc::clone(&stopped));
            async move {
                if stopped.load(Ordering::Acquire) {
                    // The crate was already fetching it when it was told to stop.
                    let token = job.token().unwrap_or_default();
                    return give_back(&owner, &Held { queue: &queue, id: job.id(), token }).await;
                }
                let id = job.id().to_owned();
                let result = hand_over(owner, queue, job, &jobs).await;
                if matches!(result, Err(Error::Unrecoverable(_))) {
                    ours.lock().await.insert(id);
                }
                result
            }
        };
        let options = WorkerOptions::new()
            .connection(queues.options.clone())
            .prefix(queues.prefix.clone())
            .name(name)
            .concurrency(1)
            .lock_duration(settings.lease)
            .skip_lock_renewal()
            // The crate ticks with the same number that it holds the fleet's scans apart with, so that
            // every other tick comes a moment too soon: half of it gives the configured pace.
            .stalled_interval(settings.recovery_scan / 2)
            // BullMQ counts recoveries before it gives up; the job crashed once more than that.
            .max_stalled_count(settings.max_crashes.saturating_sub(1))
            .drain_delay(IDLE_WAIT)
            .run_retry_delay(RETRY_FETCH)
            .skip_version_check()
            .manual_start();
        let worker = Worker::with_options(queue, processor, options)
            .await
            .map_err(|e| step("open a worker", queue, e))?;
        Ok((Self { queue: queue.to_owned(), worker, settled, stopping }, reserved))
    }

    /// Starts to reserve.
    pub async fn start(&self) -> Result<(), QueueError> {
        self.worker.run().await.map_err(|e| step("start a worker", &self.queue, e))
    }

    /// Reserves at most this many jobs at once; at least one.
    pub fn set_slots(&self, slots: usize) {
        // The crate only wakes its fetcher when the number grows, and loses a wake-up that comes
        // between the fetcher's look and its wait; so it is woken every time.
        self.worker.set_concurrency(slots.saturating_sub(1).max(1));
        self.worker.set_concurrency(slots.max(1));
    }

    /// Stops to reserve; jobs in hand go on.
    pub fn stop_reserving(&self) {
        self.stopping.store(true, Ordering::Release);
        self.worker.pause();
    }

    /// Jobs in hand.
    pub async fn in_hand(&self) -> usize {
        self.worker.active_count().await
    }

    /// The next event. Must be drained: the crate buffers without bound.
    pub async fn next_event(&self) -> Option<FeedEvent> {
        loop {
            match self.worker.next_event().await? {
                WorkerEvent::Failed { job_id, error } => {
                    let ours = self.settled.lock().await.remove(&job_id);
                    if !ours {
                        return Some(FeedEvent::FailedUnseen { id: job_id, error });
                    }
                }
                WorkerEvent::Error(error) => return Some(FeedEvent::Trouble(error)),
                WorkerEvent::Closed => return None,
                _ => {}
            }
        }
    }

    /// Ends the feed once its jobs are settled.
    pub async fn close(&self) {
        // Nothing is reserved any more and no job is in hand, so the crate has only to notice.
        if let Err(error) = self.worker.close(500).await {
            tracing::debug!(%error, queue = %self.queue, "feed closed with an error");
        }
    }
}

/// Gives one job to the stream and turns the verdict into the crate's terms.
async fn hand_over(
    queues: Queues,
    queue: Arc<str>,
    job: Job,
    jobs: &mpsc::Sender<Reserved>,
) -> Result<serde_json::Value, Error> {
    let (reply, verdict) = oneshot::channel();
    // What giving it back needs; not the job itself, whose payload may be large.
    let (id, token) = (job.id().to_owned(), job.token().unwrap_or_default().to_owned());
    let (again, name) = (queues.clone(), Arc::clone(&queue));
    let reserved = Reserved::new(queues, queue, job, reply);
    // A refused send drops the job, and with it the reply: seen below.
    let _ = jobs.send(reserved).await;
    match verdict.await {
        Ok(Verdict::Completed(value)) => Ok(value),
        Ok(Verdict::Dead(reason)) => Err(Error::Unrecoverable(reason)),
        // The job was moved already, or is not ours any more: leave it alone.
        Ok(Verdict::Moved) => Err(Error::Delayed),
        // The stream ended between reserve and start.
        Err(_) => give_back(&again, &Held { queue: &name, id: &id, token: &token }).await,
    }
}

/// Puts a job that was reserved and never started back to where it was.
async fn give_back(queues: &Queues, held: &Held<'_>) -> Result<serde_json::Value, Error> {
    if let Err(error) = queues.requeue(held, true).await {
        tracing::warn!(%error, job.id = held.id, "job not released; its lease runs out");
    }
    Err(Error::Delayed)
}
