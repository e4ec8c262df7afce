//! An outage of Redis pauses a job and does not fail it.

use std::time::Duration;

use crate::queue::QueueError;

/// Pause between tries while Redis does not answer.
const PAUSE: Duration = Duration::from_millis(300);

/// An error that lasts is tried again all the same, for what it may not have told.
const LASTING_TRIES: u32 = 3;

/// Repeats an operation until it succeeds, until it cannot succeed, or until `gives_up` says that it
/// has no point any more, e.g. because the lease was lost meanwhile.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, QueueError>>>(
    gives_up: impl Fn() -> bool,
    operation: impl Fn() -> F,
) -> Result<T, QueueError> {
    let mut lasting = 0;
    loop {
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        lasting = if error.is_lasting() { lasting + 1 } else { 0 };
        if error.is_final() || gives_up() || lasting >= LASTING_TRIES {
            return Err(error);
        }
        tracing::debug!(%error, "Redis did not answer; trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_cannot_succeed_is_not_repeated() {
        let invalid = || bullmq::Error::InvalidConfig("Custom Id cannot contain :".to_owned());
        for (error, tries) in [(invalid as fn() -> _, 1), (|| bullmq::Error::ConnectionClosed, 2)] {
            let tried = AtomicU32::new(0);
            let result: Result<(), _> = patiently(
                || tried.load(Ordering::Relaxed) > 1,
                async || {
                    tried.fetch_add(1, Ordering::Relaxed);
                    Err(QueueError::Step {
                        step: "add a job",
                        queue: "q".to_owned(),
                        source: Box::new(error()),
                    })
                },
            )
            .await;
            assert!(result.is_err());
            assert_eq!(tried.into_inner(), tries);
        }
    }
}
