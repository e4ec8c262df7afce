//! A handler's panic is an outcome with a place, not a stack trace between log lines.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo};

use futures::FutureExt as _;

/// Threads that run handlers have this name.
pub(crate) const HANDLER_THREADS: &str = "handler";

thread_local! {
    /// Where this thread panicked last.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics of handlers silent, because their outcome is logged, and all others log lines.
pub(crate) fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        if std::thread::current().name() == Some(HANDLER_THREADS) {
            PLACE.set(Some(place));
        } else {
            tracing::error!(place, message = text(info), "panic");
        }
    }));
}

fn text(info: &PanicHookInfo<'_>) -> String {
    message(info.payload())
}

/// Runs a handler; a panic becomes its message and place.
pub(crate) async fn caught<T>(handler: impl Future<Output = T>) -> Result<T, String> {
    // What a handler owned is dropped with it; nothing half-changed is looked at again.
    AssertUnwindSafe(handler).catch_unwind().await.map_err(|payload| {
        let message = message(payload.as_ref());
        // The panic happened in this very poll, so the place is this thread's.
        match PLACE.take() {
            Some(place) => format!("{message} (at {place})"),
            None => message,
        }
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_its_message() {
        let number = 7;
        assert_eq!(caught(async { number }).await, Ok(7));
        let panicked = caught(async move { assert_eq!(number, 8, "not eight") }).await;
        assert!(panicked.unwrap_err().contains("not eight"));
    }
}
