//! A Tower layer from a function: each concern of the stack is one `async fn`.

use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::error::BoxDynError;
use futures::FutureExt;
use futures::future::{BoxFuture, Map};
use tower::{Layer, Service};

use super::attempt::Attempt;
use super::backend::AttemptTask;
use crate::outcome::Outcome;

/// The rest of the stack, not started yet.
pub(crate) type Inner = BoxFuture<'static, Outcome>;

/// The layer; see [`around`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<F>(F);

/// Wraps the rest of the stack into `wrap(attempt, rest)`.
pub(crate) fn around<F, R>(wrap: F) -> Around<F>
where
    F: Fn(Arc<Attempt>, Inner) -> R + Clone,
    R: Future<Output = Outcome> + Send + 'static,
{
    Around(wrap)
}

impl<S, F: Clone> Layer<S> for Around<F> {
    type Service = AroundService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        AroundService { inner, wrap: self.0.clone() }
    }
}

/// The service of [`Around`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct AroundService<S, F> {
    inner: S,
    wrap: F,
}

impl<S, F, R> Service<AttemptTask> for AroundService<S, F>
where
    S: Service<AttemptTask, Response = Outcome>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
    F: Fn(Arc<Attempt>, Inner) -> R,
    R: Future<Output = Outcome> + Send + 'static,
{
    type Response = Outcome;
    type Error = BoxDynError;
    // Not boxed: the next layer out does that.
    type Future = Map<R, fn(Outcome) -> Result<Outcome, BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: AttemptTask) -> Self::Future {
        let attempt = Arc::clone(&task.args);
        let rest = self.inner.call(task).map(|result| match result {
            Ok(outcome) => outcome,
            // apalis itself gave up on the task; the job is not to blame, but must not be lost.
            Err(error) => Outcome::Panicked(error.into().to_string()),
        });
        (self.wrap)(attempt, rest.boxed()).map(Ok)
    }
}
