//! The hot path of one queue: one task that ends jobs and reserves new ones.
//!
//! Jobs that end while a call is under way are ended together by the next one, and every call asks for
//! as many new jobs as there are free slots. So a busy queue costs few round trips, and a quiet one
//! waits for nothing: when nothing is left, the task waits for BullMQ's marker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::marker::Marker;
use super::reserved::Reserved;
use super::transition::Settled;
use super::turn::{Ending, Found, Reserve, State};
use super::{QueueError, Queues};

/// Jobs ended, and jobs reserved, by one call at most: keeps every call below a few ms.
const AT_ONCE: usize = 50;
/// How long an idle queue is left alone before it is looked at without being told.
const IDLE_WAIT: Duration = Duration::from_secs(2);
/// Pause after a call that failed, e.g. while Redis restarts.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// How often an outage is mentioned.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// A request to end a job.
pub(super) struct EndRequest {
    pub(super) ending: Ending,
    pub(super) hold: Arc<Hold>,
    pub(super) reply: oneshot::Sender<Result<Settled, QueueError>>,
}

/// What a queue's pump, its jobs and its feed share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    slots: AtomicUsize,
    in_hand: AtomicUsize,
    stopping: AtomicBool,
    changed: Notify,
    /// Ends the pump.
    pub(super) closed: CancellationToken,
}

impl Shared {
    pub(super) fn set_slots(&self, slots: usize) {
        if self.slots.swap(slots, Ordering::AcqRel) != slots {
            self.changed.notify_one();
        }
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Acquire)
    }

    pub(super) fn poke(&self) {
        self.changed.notify_one();
    }

    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn free(&self, ending: usize) -> usize {
        if self.stopping() {
            return 0;
        }
        (self.slots.load(Ordering::Acquire) + ending).saturating_sub(self.in_hand()).min(AT_ONCE)
    }
}

/// A job's place among those in hand, until it is let go of or dropped.
#[derive(Debug)]
pub(super) struct Hold {
    shared: Arc<Shared>,
    suspects: Option<Arc<AtomicUsize>>,
    open: AtomicBool,
}

impl Hold {
    fn new(shared: &Arc<Shared>, suspects: Option<Arc<AtomicUsize>>) -> Arc<Self> {
        shared.in_hand.fetch_add(1, Ordering::AcqRel);
        if let Some(suspects) = &suspects {
            suspects.fetch_add(1, Ordering::AcqRel);
        }
        Arc::new(Self { shared: Arc::clone(shared), suspects, open: AtomicBool::new(true) })
    }

    pub(super) fn let_go(&self) {
        if self.open.swap(false, Ordering::AcqRel) {
            self.shared.in_hand.fetch_sub(1, Ordering::AcqRel);
            if let Some(suspects) = &self.suspects {
                suspects.fetch_sub(1, Ordering::AcqRel);
            }
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// What the pump of one queue works with.
pub(super) struct Pump {
    pub(super) queues: Queues,
    pub(super) queue: Arc<str>,
    pub(super) request: Reserve,
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: mpsc::UnboundedSender<Reserved>,
    pub(super) ends: mpsc::UnboundedSender<EndRequest>,
    pub(super) ended: mpsc::UnboundedReceiver<EndRequest>,
    pub(super) marker: Marker,
}

/// What the pump knows of its queue.
struct Outlook {
    /// Whether looking for jobs is worth while now.
    look: bool,
    /// When it is worth while without being told.
    look_at: Instant,
    /// Whether the marker tells of new jobs; not while a rate limit holds them back.
    listen: bool,
}

impl Pump {
    /// Runs until the feed is closed.
    pub(super) async fn run(mut self) {
        let mut outlook = Outlook { look: true, look_at: Instant::now(), listen: true };
        let mut batch: Vec<EndRequest> = Vec::with_capacity(AT_ONCE);
        let mut warned: Option<Instant> = None;
        loop {
            while batch.len() < AT_ONCE {
                let Ok(request) = self.ended.try_recv() else { break };
                batch.push(request);
            }
            let free = self.shared.free(batch.len());
            // A job that ends may have made room under the queue's own limits.
            let look = free > 0 && (outlook.look || !batch.is_empty());
            if batch.is_empty() && !look {
                if self.shared.closed.is_cancelled() {
                    return;
                }
                self.rest(&mut outlook, &mut batch, free > 0).await;
                continue;
            }
            match self.turn(&mut batch, if look { free } else { 0 }, &mut outlook).await {
                Ok(()) => warned = None,
                Err(error) => {
                    // An outage says so once in a while, not at every try.
                    if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                        warned = Some(Instant::now());
                        let error = crate::observe::logs::error_line(&error);
                        tracing::warn!(queue = %self.queue, error, "trouble with the queue; trying again");
                    }
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }

    /// Waits for something to do.
    async fn rest(&mut self, outlook: &mut Outlook, batch: &mut Vec<EndRequest>, free: bool) {
        if free && outlook.listen {
            let patience = outlook.look_at.saturating_duration_since(Instant::now());
            self.marker.listen(patience.clamp(Duration::from_millis(1), IDLE_WAIT));
        }
        tokio::select! {
            biased;
            request = self.ended.recv() => batch.extend(request),
            popped = self.marker.heard() => {
                outlook.look = true;
                if popped && self.shared.free(0) == 0 {
                    // Somebody else may have the room that this worker has lost meanwhile.
                    self.queues.wake(&self.queue).await;
                }
            }
            () = self.shared.changed.notified() => outlook.look = true,
            () = tokio::time::sleep_until(outlook.look_at), if free => outlook.look = true,
            () = self.shared.closed.cancelled() => {}
        }
    }

    /// Ends the batch and reserves up to `want` jobs, in one round trip.
    async fn turn(
        &mut self,
        batch: &mut Vec<EndRequest>,
        want: usize,
        outlook: &mut Outlook,
    ) -> Result<(), QueueError> {
        let endings: Vec<&Ending> = batch.iter().map(|request| &request.ending).collect();
        let ended = async {
            if endings.is_empty() {
                return Ok(Vec::new());
            }
            self.queues.end(&self.queue, &self.request.worker, &endings).await
        };
        let reserved = async {
            if want == 0 {
                return Ok(None);
            }
            self.queues.reserve(&self.queue, &self.request, want).await.map(Some)
        };
        let (ended, reserved) = tokio::join!(ended, reserved);
        // First the new ones: they are held from now on, whatever became of the others.
        let reserved = reserved.map(|found| {
            if let Some(found) = found {
                self.request.first_token += want as u64;
                self.hand_over(found, want, outlook);
            }
        });
        answer(batch, ended)?;
        reserved
    }

    fn hand_over(&self, found: Found, want: usize, outlook: &mut Outlook) {
        let jobs = found.jobs.len();
        for job in found.jobs {
            let suspect = job.record.crashes() + 1 >= self.request.max_crashes;
            let hold = Hold::new(&self.shared, suspect.then(|| Arc::clone(&self.request.suspects)));
            let reserved = Reserved::new(
                self.queues.clone(),
                Arc::clone(&self.queue),
                job,
                hold,
                self.ends.clone(),
            );
            if self.shared.stopping() {
                // It was on its way when the queue was told to stop.
                tokio::spawn(async move { reserved.give_back().await });
            } else if let Err(refused) = self.jobs.send(reserved) {
                tokio::spawn(async move { refused.0.give_back().await });
            }
        }
        let open = found.state == State::Open;
        outlook.look = open && jobs == want;
        outlook.listen = found.state != State::Limited;
        let pause = found.look_after.unwrap_or(IDLE_WAIT);
        // Also a rate limit may be lifted before its time.
        outlook.look_at = Instant::now() + pause.min(IDLE_WAIT);
    }
}

/// Tells everybody what became of their job. After an error the whole batch is tried again.
fn answer(
    batch: &mut Vec<EndRequest>,
    ended: Result<Vec<Result<Settled, QueueError>>, QueueError>,
) -> Result<(), QueueError> {
    for (request, result) in batch.drain(..ended.as_ref().map_or(0, Vec::len)).zip(ended?) {
        if matches!(result, Ok(Settled::Done | Settled::LeaseLost)) {
            request.hold.let_go();
        }
        // Whoever asked may have been stopped hard.
        let _ = request.reply.send(result);
    }
    Ok(())
}
