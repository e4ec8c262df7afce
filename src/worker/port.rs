//! What the engine does for a running job: progress, checkpoints, claims, follow-ups.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use roadie_jobs::context::{ChildFailure, Children, FollowUp, Forgotten, Progress, Traces};
use roadie_jobs::{Cancel, CancelReason, JobPort};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::attempt::Pulse;
use super::patience::patiently;
use crate::config::WebCache;
use crate::observe::metrics;
use crate::queue::reserved::Reserved;
use crate::queue::{NewJob, Parent, QueueError};

/// Progress is published at most once in this time (four times a second), and at the end.
const REPORT_EVERY: Duration = Duration::from_millis(250);
/// A claim outlives a crash of its holder for long enough that the holder is recovered first.
const CLAIM_LEASES: u32 = 4;

const LOST: &str = "the lease was lost: another worker may hold this job";

/// The engine's side of a [`roadie_jobs::JobContext`].
pub(crate) struct Port {
    reserved: Arc<Reserved>,
    cancel: Cancel,
    control: Handle,
    claim_lifetime: Duration,
    web_cache: WebCache,
    claims: Mutex<Vec<String>>,
    reporting: Mutex<Reporting>,
    /// When the job last gave a sign of life.
    pub(crate) pulse: Arc<Pulse>,
}

/// Most jobs report nothing, and need nothing for it.
#[derive(Default)]
enum Reporting {
    #[default]
    Nothing,
    Going(Reporter),
    Over,
}

/// Publishes progress beside the handler.
struct Reporter {
    latest: watch::Sender<Progress>,
    done: CancellationToken,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Port").finish_non_exhaustive()
    }
}

impl Port {
    pub(super) fn new(reserved: Arc<Reserved>, cancel: Cancel, engine: &Engine) -> Self {
        Self {
            reserved,
            cancel,
            control: engine.control.clone(),
            claim_lifetime: engine.config.worker.lease * CLAIM_LEASES,
            web_cache: engine.config.web_cache.clone(),
            claims: Mutex::default(),
            reporting: Mutex::default(),
            pulse: Arc::default(),
        }
    }

    /// Renews what the job has claimed, together with its lease.
    pub(crate) async fn renew_claims(&self) -> Result<(), QueueError> {
        for name in self.claimed() {
            self.reserved.queues().claim(&name, &self.holder(), self.claim_lifetime).await?;
        }
        Ok(())
    }

    /// Publishes the last progress and gives back what the job has claimed. Of a job that somebody else
    /// holds by now, nothing: progress and claims are that attempt's.
    pub(crate) async fn finish(&self) {
        let reporting = std::mem::replace(&mut *self.reporting(), Reporting::Over);
        let lost = self.cancel.reason() == Some(CancelReason::LeaseLost);
        if let Reporting::Going(reporter) = reporting {
            if lost {
                reporter.task.abort();
            }
            reporter.done.cancel();
            // It ends by itself; a panic in it would only lose progress.
            let _ = reporter.task.await;
        }
        if lost {
            return;
        }
        // A renewal that is due just now finds none, and does not take them again.
        for name in self.take_claims() {
            if let Err(error) = self.reserved.queues().unclaim(&name, &self.holder()).await {
                tracing::debug!(%error, name, "claim not given back; it runs out by itself");
            }
        }
    }

    fn reporting(&self) -> MutexGuard<'_, Reporting> {
        self.reporting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claimed(&self) -> Vec<String> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_claims(&self) -> Vec<String> {
        std::mem::take(&mut self.claims.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn holder(&self) -> String {
        format!("{}/{}", self.reserved.queue(), self.reserved.id())
    }

    fn follow_up(&self, job: FollowUp) -> NewJob {
        NewJob {
            kind: job.kind,
            payload: job.payload,
            id: Some(job.id),
            delay: job.delay,
            telemetry: self.reserved.telemetry().map(str::to_owned),
            ..NewJob::default()
        }
    }

    /// Repeats an operation while Redis does not answer, until the job is asked to stop.
    async fn patiently<T, F: Future<Output = Result<T, QueueError>>>(
        &self,
        operation: impl Fn() -> F,
    ) -> Result<T, QueueError> {
        let stopped = || {
            // A job that waits for Redis is not silent.
            self.pulse.beat();
            self.cancel.reason().is_some()
        };
        patiently(stopped, operation).await
    }
}

async fn report(
    reserved: Arc<Reserved>,
    cancel: Cancel,
    mut latest: watch::Receiver<Progress>,
    done: CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            changed = latest.changed() => if changed.is_err() { return },
            () = done.cancelled() => return,
        }
        let progress = latest.borrow_and_update().clone();
        let publish = || reserved.publish(&progress.value, progress.mirror.as_ref());
        // The last one always arrives; of the others, the next one makes up for a lost one.
        let skips = || !done.is_cancelled() || cancel.reason() == Some(CancelReason::LeaseLost);
        match patiently(skips, publish).await {
            Ok(true) => {}
            Ok(false) => {
                metrics::stale_result(reserved.queue());
                cancel.cancel(CancelReason::LeaseLost);
                return;
            }
            Err(error) => tracing::debug!(%error, "progress not published"),
        }
        tokio::select! {
            () = tokio::time::sleep(REPORT_EVERY) => {}
            () = done.cancelled() => {}
        }
    }
}

#[async_trait]
impl JobPort for Port {
    fn report(&self, progress: Progress) {
        self.pulse.beat();
        let mut reporting = self.reporting();
        match &*reporting {
            Reporting::Going(reporter) => drop(reporter.latest.send_replace(progress)),
            Reporting::Nothing => {
                let (latest, mut first) = watch::channel(progress);
                first.mark_changed();
                let done = CancellationToken::new();
                let (reserved, cancel) = (Arc::clone(&self.reserved), self.cancel.clone());
                let task = self.control.spawn(report(reserved, cancel, first, done.clone()));
                *reporting = Reporting::Going(Reporter { latest, done, task });
            }
            // A handler that goes on although nobody waits for it any more.
            Reporting::Over => {}
        }
    }

    async fn load_checkpoint(&self) -> anyhow::Result<Option<Value>> {
        Ok(self.patiently(|| self.reserved.load_checkpoint()).await?)
    }

    async fn save_checkpoint(&self, checkpoint: Value) -> anyhow::Result<()> {
        self.pulse.beat();
        let held = self.patiently(|| self.reserved.save_checkpoint(&checkpoint)).await?;
        anyhow::ensure!(held, LOST);
        Ok(())
    }

    async fn claim(&self, name: &str) -> anyhow::Result<Result<(), String>> {
        let me = self.holder();
        let queues = self.reserved.queues();
        let holder = self.patiently(|| queues.claim(name, &me, self.claim_lifetime)).await?;
        if holder != me {
            return Ok(Err(holder));
        }
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        Ok(Ok(()))
    }

    async fn enqueue(&self, follow_up: FollowUp) -> anyhow::Result<()> {
        let queue = follow_up.queue.clone();
        let job = self.follow_up(follow_up);
        let queues = self.reserved.queues();
        self.patiently(|| queues.add(&queue, job.clone())).await?;
        Ok(())
    }

    async fn enqueue_child(&self, child: FollowUp, on_failure: ChildFailure) -> anyhow::Result<()> {
        let parent = Parent {
            queue: self.reserved.queue().to_owned(),
            id: self.reserved.id().to_owned(),
            fails: on_failure == ChildFailure::FailsParent,
        };
        let queue = child.queue.clone();
        let job = NewJob { parent: Some(parent), ..self.follow_up(child) };
        let queues = self.reserved.queues();
        self.patiently(|| queues.add(&queue, job.clone())).await?;
        Ok(())
    }

    async fn children(&self) -> anyhow::Result<Children> {
        let (queue, id) = (self.reserved.queue(), self.reserved.id());
        let queues = self.reserved.queues();
        let (completed, failed) = self.patiently(|| queues.children(queue, id)).await?;
        Ok(Children { completed, failed })
    }

    async fn drop_cached(&self, changed: &[(&'static str, String)]) -> anyhow::Result<()> {
        let keys = self.web_cache.keys_of(changed);
        let queues = self.reserved.queues();
        self.patiently(|| queues.drop_cached(&keys, &self.web_cache.channel)).await?;
        Ok(())
    }

    async fn forget_user(&self, traces: &Traces) -> anyhow::Result<Forgotten> {
        let alive = || self.pulse.beat();
        let queues = self.reserved.queues();
        Ok(self.patiently(|| queues.forget_user(traces, &alive)).await?)
    }

    async fn end_forgetting(&self, request_id: &str) -> anyhow::Result<()> {
        let queues = self.reserved.queues();
        self.patiently(|| queues.end_forgetting(request_id)).await?;
        Ok(())
    }

    async fn log(&self, line: &str) -> anyhow::Result<()> {
        anyhow::ensure!(self.reserved.log(line).await?, LOST);
        Ok(())
    }
}
