//! Rust producers push tasks to apalis-redis queues; each becomes a job of one of our queues.
//!
//! Every process of a fleet may look after the same intakes. A task becomes a job and leaves apalis' lists
//! in one step of Redis (`queue/scripts/move_tasks.lua`), so there is no moment at which a crash could lose
//! it or a second process could move it again.

mod task;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roadie_jobs::Backoff;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::observe::{logs, metrics};
use crate::queue::QueueError;
use crate::queue::apalis::{Handover, Task, TaskJob};
use crate::worker::Engine;

/// Tasks read at once, and bytes of their arguments.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// Tasks moved by one call of Redis, which must not hold it for longer than a few milliseconds.
const MOVE: usize = 100;
/// Moved tasks looked after by one call, and the pause before the next while most of them have ended;
/// a backlog that still waits must not keep Redis busy with looks at it.
const SETTLE: usize = 250;
const SETTLE_PAUSE: Duration = Duration::from_millis(25);
/// Pause after a failed step, e.g. while Redis restarts, and while another process moves the backlog.
const RETRY: Duration = Duration::from_millis(500);
/// How often trouble is mentioned.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// All intakes of a process.
#[derive(Debug)]
pub(crate) struct Intakes {
    intakes: Vec<Intake>,
}

/// Tasks of one apalis queue.
#[derive(Clone, Debug)]
struct Intake {
    name: String,
    handover: Handover,
    settings: config::ApalisIntake,
    /// The kind's first pause between attempts, in ms.
    pause: u64,
    engine: Arc<Engine>,
    /// When trouble was mentioned last.
    warned: Arc<Mutex<Throttle>>,
}

impl Intakes {
    /// Opens every configured intake; nothing is moved before [`Intakes::start`].
    pub(crate) async fn open(engine: &Arc<Engine>) -> anyhow::Result<Self> {
        let mut intakes = Vec::new();
        for (name, settings) in &engine.config.intake.apalis {
            let entry = engine.registry.get(&settings.kind);
            let usual = entry.map(|entry| entry.queue);
            let Some(queue) = settings.queue.as_deref().or(usual) else {
                anyhow::bail!(
                    "intake.apalis.{name}: this process knows no kind `{}`, so the queue must be named \
                     (intake.apalis.{name}.queue)",
                    settings.kind
                );
            };
            let namespace = settings.namespace(name).to_owned();
            let (queue, kind) = (queue.to_owned(), settings.kind.clone());
            let handover =
                Handover::open(engine.queues.clone(), namespace, queue, kind).await.map_err(
                    |error| anyhow::Error::new(error).context(format!("intake.apalis.{name}")),
                )?;
            metrics::register_intake(name);
            let declared = entry.map_or(Backoff::DEFAULT, |entry| entry.backoff);
            let backoff = engine.config.backoff(&settings.kind, declared);
            intakes.push(Intake {
                name: name.clone(),
                handover,
                settings: settings.clone(),
                pause: u64::try_from(backoff.base.as_millis()).unwrap_or(u64::MAX),
                engine: Arc::clone(engine),
                warned: Arc::default(),
            });
        }
        Ok(Self { intakes })
    }

    /// Moves tasks until `stop`.
    pub(crate) fn start(&self, stop: &CancellationToken) {
        for intake in &self.intakes {
            for work in [Work::Move, Work::Settle] {
                intake.engine.control.spawn(intake.clone().repeat(work, stop.clone()));
            }
        }
    }
}

/// What is repeated until the process stops. To stop in the middle of it loses nothing.
#[derive(Clone, Copy, Debug)]
enum Work {
    Move,
    Settle,
}

impl Intake {
    async fn repeat(self, work: Work, stop: CancellationToken) {
        let mut odd = Throttle::default();
        while !stop.is_cancelled() {
            let done = match work {
                Work::Move => self.move_batch(&mut odd).await,
                Work::Settle => self.settle_batch().await,
            };
            let pause = done.unwrap_or_else(|error| {
                metrics::intake_failed(&self.name);
                if self.warned.lock().unwrap_or_else(PoisonError::into_inner).now() {
                    let error = logs::error_line(&error);
                    tracing::warn!(intake = %self.name, error, "trouble with an intake; trying again");
                }
                RETRY
            });
            let _ = timeout(pause, stop.cancelled()).await;
        }
    }

    /// Makes jobs of the tasks that are next; answers when to look again.
    async fn move_batch(&self, odd: &mut Throttle) -> Result<Duration, QueueError> {
        let tasks = self.handover.peek(BATCH, BATCH_BYTES).await?;
        let (seen, now) = (tasks.len(), self.now());
        if seen == 0 {
            return Ok(self.settings.poll);
        }
        let jobs: Vec<TaskJob> = tasks.into_iter().map(|task| self.job(task, now, odd)).collect();
        // Sent one behind the other without waiting: what waits is the backlog.
        let calls = jobs.chunks(MOVE).map(|jobs| self.handover.take(jobs, seen, now));
        let mut left = seen as u64;
        for moved in futures::future::join_all(calls).await {
            let moved = moved?;
            metrics::intake_moved(&self.name, moved);
            left = left.saturating_sub(moved.all());
        }
        // Another process is at it: two that race would only do everything twice.
        let overtaken = left * 2 > seen as u64;
        Ok(if overtaken { RETRY.max(self.settings.poll) } else { Duration::ZERO })
    }

    fn job(&self, task: Task, now: u64, odd: &mut Throttle) -> TaskJob {
        let (job, ignored) = task::job_of(&self.name, self.pause, task, now);
        if (job.payload.is_none() || !ignored.is_empty()) && odd.now() {
            let (intake, task) = (&self.name, String::from_utf8_lossy(&job.task));
            if job.payload.is_none() {
                tracing::warn!(intake, %task, "a task has no arguments any more; dropped");
            } else {
                let ignored = ignored.join(", ");
                tracing::warn!(intake, %task, ignored, "metadata that is no option of BullMQ's");
            }
        }
        job
    }

    /// Looks after tasks that were moved; answers when to look again.
    async fn settle_batch(&self) -> Result<Duration, QueueError> {
        let settled = self.handover.settle(self.now(), self.settings.keep, SETTLE).await?;
        Ok(if settled * 2 >= SETTLE { SETTLE_PAUSE } else { self.settings.poll })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.engine.effects.clock.now_ms()).unwrap_or(0)
    }
}

/// Whether to say a thing that happens again and again.
#[derive(Debug, Default)]
struct Throttle(Option<Instant>);

impl Throttle {
    fn now(&mut self) -> bool {
        let due = self.0.is_none_or(|at| at.elapsed() >= WARN_EVERY);
        if due {
            self.0 = Some(Instant::now());
        }
        due
    }
}
