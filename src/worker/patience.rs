//! An outage of Redis pauses a job and does not fail it.

use std::time::Duration;

use crate::queue::QueueError;

/// Pause between tries while Redis does not answer.
const PAUSE: Duration = Duration::from_millis(300);

/// Repeats an operation until it succeeds, or until `gives_up` says that it has no point any more,
/// e.g. because the lease was lost meanwhile.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, QueueError>>>(
    gives_up: impl Fn() -> bool,
    operation: impl Fn() -> F,
) -> Result<T, QueueError> {
    loop {
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if gives_up() {
            return Err(error);
        }
        tracing::debug!(%error, "Redis did not answer; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}
