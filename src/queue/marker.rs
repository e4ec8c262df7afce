//! Waits for BullMQ's marker, which producers set when an idle worker should look.

use std::time::Duration;

use bullmq::QueueKeys;
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
    /// Connects under the name by which BullMQ's clients know a queue's workers.
    pub(super) fn open(queues: &Queues, queue: &str, worker: &str) -> Self {
        let (ask, mut asked) = mpsc::channel::<Duration>(1);
        let (answer, answers) = mpsc::channel(1);
        let key = format!("{}:marker", queues.base(queue));
        let name = QueueKeys::new(queue, Some(&queues.prefix)).client_name(&format!(":w:{worker}"));
        let mut link = queues.redis().dedicated(&name);
        tokio::spawn(async move {
            while let Some(patience) = asked.recv().await {
                let popped: Result<Option<(String, String, f64)>, _> = redis::cmd("BZPOPMIN")
                    .arg(&key)
                    .arg(patience.as_secs_f64())
                    .query_async(&mut link)
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
