//! The way of a task from an apalis-redis queue into one of ours. The only code that knows apalis' Redis
//! layout: that of `apalis-redis` 1.0 (its `config.rs` and `lua/batch_push.lua`), whose keys all begin
//! with the name of its queue.
//!
//! Since 1.0 every push, also a plain one, goes into the sorted set `scheduled`, scored with the second
//! in which it is due, and wakes nobody; only what apalis' own workers give back goes into the list
//! `active`.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::{QueueError, Queues, millis};

static PEEK: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/peek_tasks.lua")));
static MOVE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("scripts/common.lua"), include_str!("scripts/move_tasks.lua")))
});
static SETTLE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("scripts/common.lua"),
        include_str!("scripts/settle_tasks.lua")
    ))
});

/// A task that waits in apalis' lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Task {
    /// As its producer chose it, or a ULID.
    pub(crate) id: Vec<u8>,
    /// Unix seconds; none: one of apalis' workers gave it back.
    pub(crate) due: Option<f64>,
    /// As the producer's codec wrote them; none when they are gone.
    pub(crate) args: Option<Vec<u8>>,
    /// apalis' own fields (`attempts`, `max_attempts`, …) and the producer's metadata.
    pub(crate) meta: HashMap<String, String>,
}

/// The job that a task becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskJob {
    /// The task.
    pub(crate) task: Vec<u8>,
    /// The job's id.
    pub(crate) id: String,
    /// JSON; none: there is nothing to run, the task only leaves apalis' lists.
    pub(crate) payload: Option<String>,
    /// BullMQ's options, as JSON.
    pub(crate) options: String,
    /// BullMQ's priority; 0: none.
    pub(crate) priority: u32,
    /// Unix milliseconds.
    pub(crate) added_ms: u64,
    /// Unix milliseconds; when it is not later than now it may run at once.
    pub(crate) due_ms: u64,
    /// Attempts that failed in apalis' own workers.
    pub(crate) attempts_made: u32,
    /// What to take a job for that is gone before anybody saw how it ended: completed, or failed.
    pub(crate) completed_when_gone: bool,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Became jobs.
    pub(crate) jobs: u64,
    /// Were jobs already.
    pub(crate) known: u64,
    /// Had no arguments.
    pub(crate) empty: u64,
}

impl Moved {
    /// Tasks that left apalis' lists; the others of the batch were somebody else's by then.
    pub(crate) fn all(self) -> u64 {
        self.jobs + self.known + self.empty
    }
}

/// One apalis queue and the queue of ours that its tasks go to.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    queues: Queues,
    /// apalis' name of its queue.
    namespace: String,
    queue: String,
    kind: String,
}

impl Handover {
    /// Opens our queue, and makes sure that Redis can move tasks in one step.
    pub(crate) async fn open(
        queues: Queues,
        namespace: String,
        queue: String,
        kind: String,
    ) -> Result<Self, QueueError> {
        queues.queue(&queue).await?;
        let handover = Self { queues, namespace, queue, kind };
        handover.take(&[], 0, 0).await.map_err(|error| match error {
            QueueError::Redis { source, .. } if source.code() == Some("CROSSSLOT") => {
                QueueError::OtherSlot {
                    namespace: handover.namespace.clone(),
                    prefix: handover.queues.prefix.clone(),
                }
            }
            other => other,
        })?;
        Ok(handover)
    }

    /// The tasks that are next, and no more than fit: so many, with so many bytes of arguments.
    pub(crate) async fn peek(&self, tasks: usize, bytes: usize) -> Result<Vec<Task>, QueueError> {
        type Entry = (Vec<u8>, Option<f64>, Option<Vec<u8>>, Vec<Vec<u8>>);
        let entries: Vec<Entry> = PEEK
            .key(self.source("active"))
            .key(self.source("scheduled"))
            .key(self.source("data"))
            .arg(self.source("meta:"))
            .arg(tasks)
            .arg(bytes)
            .invoke_async(&mut self.queues.redis())
            .await
            .map_err(QueueError::of("read apalis tasks"))?;
        Ok(entries
            .into_iter()
            .map(|(id, due, args, meta)| Task { id, due, args, meta: pairs(&meta) })
            .collect())
    }

    /// Makes jobs of those that still wait in apalis' lists. They were among the first `seen`.
    pub(crate) async fn take(
        &self,
        jobs: &[TaskJob],
        seen: usize,
        now_ms: u64,
    ) -> Result<Moved, QueueError> {
        let mut call = MOVE.key(self.source("active"));
        call.key(self.source("scheduled"))
            .key(self.source("roadie"))
            .key(format!("{}:meta", self.base()))
            .arg(self.base())
            .arg(self.source("meta:"))
            .arg(&self.queue)
            .arg(&self.kind)
            .arg(now_ms)
            .arg(seen);
        for job in jobs {
            call.arg(&job.task)
                .arg(&job.id)
                .arg(job.payload.as_deref().unwrap_or_default())
                .arg(&job.options)
                .arg(job.priority)
                .arg(job.added_ms)
                .arg(job.due_ms)
                .arg(job.attempts_made)
                .arg(if job.completed_when_gone { "Done" } else { "Failed" });
        }
        let (jobs, known, empty) = call
            .invoke_async(&mut self.queues.redis())
            .await
            .map_err(QueueError::of("move apalis tasks"))?;
        Ok(Moved { jobs, known, empty })
    }

    /// Tells apalis' books how the jobs of moved tasks ended, and clears what was kept for `keep`;
    /// answers how many tasks are done with.
    pub(crate) async fn settle(
        &self,
        now_ms: u64,
        keep: Duration,
        tasks: usize,
    ) -> Result<usize, QueueError> {
        SETTLE
            .key(self.source("roadie"))
            .key(self.source("data"))
            .key(format!("{}:meta", self.base()))
            .arg(self.base())
            .arg(self.source("meta:"))
            .arg(now_ms)
            .arg(millis(keep))
            .arg(tasks)
            .invoke_async(&mut self.queues.redis())
            .await
            .map_err(QueueError::of("settle apalis tasks"))
    }

    fn source(&self, part: &str) -> String {
        format!("{}:{part}", self.namespace)
    }

    fn base(&self) -> String {
        self.queues.base(&self.queue)
    }
}

/// Tasks of an apalis queue that wait to be moved.
pub(crate) async fn backlog(queues: &Queues, namespace: &str) -> Result<u64, QueueError> {
    let (given_back, scheduled): (u64, u64) = redis::pipe()
        .llen(format!("{namespace}:active"))
        .zcard(format!("{namespace}:scheduled"))
        .query_async(&mut queues.redis())
        .await
        .map_err(QueueError::of("count apalis tasks"))?;
    Ok(given_back + scheduled)
}

/// Metadata that is no text is nothing that apalis writes: what can be read of it is.
fn pairs(flat: &[Vec<u8>]) -> HashMap<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (pairs, _) = flat.as_chunks();
    pairs.iter().map(|[field, value]| (text(field), text(value))).collect()
}
