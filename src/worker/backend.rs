//! Our apalis backend: reserved jobs of one queue become tasks.
//!
//! It never yields an error, because apalis ends a worker whose backend does; reconnecting is the
//! feed's business.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use tokio::sync::mpsc;
use tower::layer::util::Identity;

use super::Engine;
use super::attempt::{Attempt, KnownMetrics};
use crate::queue::reserved::Reserved;

/// What an apalis worker of ours runs.
pub(crate) type AttemptTask = Task<Arc<Attempt>>;

/// The stream of one queue.
#[derive(Debug)]
pub(crate) struct QueueBackend {
    jobs: mpsc::UnboundedReceiver<Reserved>,
    engine: Arc<Engine>,
    metrics: KnownMetrics,
}

impl QueueBackend {
    pub(super) fn new(jobs: mpsc::UnboundedReceiver<Reserved>, engine: Arc<Engine>) -> Self {
        Self { jobs, engine, metrics: KnownMetrics::new() }
    }
}

impl Backend for QueueBackend {
    type Task = AttemptTask;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<AttemptTask, Infallible>>> {
        self.jobs.poll_recv(cx).map(|job| {
            job.map(|reserved| {
                // The lease token, not the job id: a recovered job may come back to a process
                // that still runs its earlier attempt.
                let id = TaskId::from_string(reserved.token());
                let engine = Arc::clone(&self.engine);
                let attempt = Attempt::new(reserved, engine, &mut self.metrics);
                Ok(TaskBuilder::new(Arc::new(attempt)).task_id(id).build())
            })
        })
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        self.jobs.close();
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for QueueBackend {
    type Args = Arc<Attempt>;
    type Id = String;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
