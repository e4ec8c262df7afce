//! Handlers that were cut off and did not end: they never yield, and each keeps a thread.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

/// How many there are.
#[derive(Debug)]
pub(crate) struct Stuck {
    count: Arc<AtomicUsize>,
    control: Handle,
}

impl Stuck {
    pub(super) fn new(control: Handle) -> Self {
        Self { count: Arc::default(), control }
    }

    /// Handlers that were cut off and still hold a thread.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits for a handler; one that is not waited for any more is cut off, and counts until it ends.
    pub(super) fn watch<T: Send + 'static>(&self, task: JoinHandle<T>) -> Watched<T> {
        Watched { task: Some(task), count: Arc::clone(&self.count), control: self.control.clone() }
    }
}

/// A handler's end; see [`Stuck::watch`].
#[derive(Debug)]
pub(super) struct Watched<T: Send + 'static> {
    task: Option<JoinHandle<T>>,
    count: Arc<AtomicUsize>,
    control: Handle,
}

impl<T: Send + 'static> Future for Watched<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(task) = &mut self.task else { return Poll::Pending };
        let end = Pin::new(task).poll(cx);
        if end.is_ready() {
            self.task = None;
        }
        end
    }
}

impl<T: Send + 'static> Drop for Watched<T> {
    fn drop(&mut self) {
        let Some(task) = self.task.take() else { return };
        task.abort();
        let count = Arc::clone(&self.count);
        count.fetch_add(1, Ordering::Relaxed);
        self.control.spawn(async move {
            // However it ends, its thread is free again.
            let _ = task.await;
            count.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
