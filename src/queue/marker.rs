//! Waits for BullMQ's marker, which producers set when an idle worker should look.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Queues;

/// Pause after a wait that failed, e.g. while Redis restarts.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// One queue's marker. The wait happens in a task of its own: a blocking command that nobody waits for
/// any more would hold up its connection, and its marker would be lost.
#[derive(Debug)]
pub(super) struct Marker {
    ask: mpsc::Sender<Duration>,
    answers: mpsc::Receiver<bool>,
    waiting: bool,
}

impl Marker {
    /// Connects when it is first waited for.
    pub(super) fn open(queues: Queues, queue: &str) -> Self {
        let (ask, mut asked) = mpsc::channel::<Duration>(1);
        let (answer, answers) = mpsc::channel(1);
        let key = format!("{}:marker", queues.base(queue));
        tokio::spawn(async move {
            let mut connection = match queues.dedicated() {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::error!(%error, key, "new jobs are noticed late");
                    return;
                }
            };
            while let Some(patience) = asked.recv().await {
                let popped: Result<Option<(String, String, f64)>, _> = redis::cmd("BZPOPMIN")
                    .arg(&key)
                    .arg(patience.as_secs_f64())
                    .query_async(&mut connection)
                    .await;
                if popped.is_err() {
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                if answer.send(popped.is_ok_and(|popped| popped.is_some())).await.is_err() {
                    return;
                }
            }
        });
        Self { ask, answers, waiting: false }
    }

    /// Starts to wait, unless it does already.
    pub(super) fn listen(&mut self, patience: Duration) {
        if !self.waiting {
            self.waiting = self.ask.try_send(patience).is_ok();
        }
    }

    /// The end of the wait: whether a marker was taken. Does not end while nothing is waited for.
    pub(super) async fn heard(&mut self) -> bool {
        match self.answers.recv().await {
            Some(popped) => {
                self.waiting = false;
                popped
            }
            None => std::future::pending().await,
        }
    }
}
