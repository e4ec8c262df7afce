//! Adding jobs: one script for one job and for many, with BullMQ's effects and events.
//!
//! It is our own script because a record of what was added must be written together with the jobs:
//! only so can a caller that died half way repeat its call without adding anything twice, even if
//! the jobs have run and are gone by then.

use std::sync::LazyLock;
use std::time::Duration;

use bullmq::JobOptions;
use bullmq::options::ParentOptions;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use redis::{ErrorKind, Script};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::options::{Backoff, Deduplication, Keep};
use super::{QueueError, Queues, millis};

static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("scripts/common.lua"), include_str!("scripts/add.lua")))
});

const ADDING: &str = "add a job";
/// Jobs added by one call of the script, which nothing else can run beside.
const AT_ONCE: usize = 25;
/// Calls on their way at the same time.
const CALLS: usize = 8;

/// A job to add.
#[derive(Clone, Debug, Default)]
pub struct NewJob {
    /// Kind.
    pub kind: String,
    /// Payload.
    pub payload: Value,
    /// Own id; adding an id twice adds once.
    pub id: Option<String>,
    /// BullMQ's priority: 1 is first, none is before all numbers.
    pub priority: Option<u32>,
    /// Not before this has passed.
    pub delay: Option<Duration>,
    /// Attempts.
    pub attempts: Option<u32>,
    /// Pauses between attempts.
    pub backoff: Option<Backoff>,
    /// Before the others that wait.
    pub lifo: bool,
    /// Which completed jobs are kept.
    pub remove_on_complete: Option<Keep>,
    /// Which failed jobs are kept.
    pub remove_on_fail: Option<Keep>,
    /// When it is a duplicate.
    pub deduplication: Option<Deduplication>,
    /// The job that waits for it.
    pub parent: Option<Parent>,
    /// The trace that it belongs to, as BullMQ's telemetry writes it.
    pub telemetry: Option<String>,
}

/// A job that waits for another one.
#[derive(Clone, Debug)]
pub struct Parent {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Whether it fails when the child does; otherwise it goes on and is told.
    pub fails: bool,
}

impl NewJob {
    /// What BullMQ keeps as `opts`.
    fn options(&self) -> Value {
        let options = [
            ("jobId", self.id.as_ref().map(|id| json!(id))),
            ("priority", self.priority.filter(|number| *number > 0).map(|number| json!(number))),
            ("delay", self.delay.map(millis).filter(|ms| *ms > 0).map(|ms| json!(ms))),
            ("attempts", self.attempts.map(|attempts| json!(attempts))),
            ("backoff", self.backoff.as_ref().map(|backoff| json!(backoff))),
            ("lifo", self.lifo.then_some(json!(true))),
            ("removeOnComplete", self.remove_on_complete.as_ref().map(|keep| json!(keep))),
            ("removeOnFail", self.remove_on_fail.as_ref().map(|keep| json!(keep))),
            ("de", self.deduplication.as_ref().map(|rule| json!(rule))),
            ("tm", self.telemetry.as_ref().map(|context| json!(context))),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect::<Map<_, _>>())
    }
}

/// What became of a job that was to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The job that stands for it: its own id, or that of an earlier job.
    pub id: String,
    /// Whether it was added, or why not.
    pub how: How,
}

/// Whether a job was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum How {
    /// It was.
    Added,
    /// There is a job with its id.
    Existing,
    /// It is a duplicate of an earlier job.
    Deduplicated,
}

impl Added {
    /// Reads an answer of the script.
    fn of(answer: &str) -> Option<Self> {
        let (how, id) = answer.split_once(' ')?;
        let how = match how {
            "added" => How::Added,
            "existing" => How::Existing,
            "deduplicated" => How::Deduplicated,
            _ => return None,
        };
        Some(Self { id: id.to_owned(), how })
    }
}

/// What became of many jobs.
#[derive(Debug)]
pub struct AddedAll {
    /// In the jobs' order; none: not known to be added.
    pub added: Vec<Option<Added>>,
    /// Why, if any is not.
    pub failed: Option<QueueError>,
}

impl Queues {
    /// Adds a job; answers the id of the job that stands for it.
    pub async fn add(&self, queue: &str, job: NewJob) -> Result<String, QueueError> {
        if let Some(parent) = &job.parent {
            return Box::pin(self.add_child(queue, parent, &job)).await;
        }
        let all = Box::pin(self.add_all(queue, &[(0, job)], None, None)).await;
        match (all.added.into_iter().next().flatten(), all.failed) {
            (Some(added), _) => Ok(added.id),
            (None, Some(error)) => Err(error),
            (None, None) => Err(unreadable()),
        }
    }

    /// Adds a job that another one waits for. Children may be there already, done or not, or have
    /// another parent: the stock scripts know what to do.
    async fn add_child(
        &self,
        queue: &str,
        parent: &Parent,
        job: &NewJob,
    ) -> Result<String, QueueError> {
        let options = JobOptions {
            priority: job.priority,
            delay: job.delay.map(millis),
            attempts: job.attempts,
            job_id: job.id.clone(),
            fail_parent_on_failure: Some(parent.fails),
            ignore_dependency_on_failure: Some(!parent.fails),
            parent: Some(ParentOptions {
                queue: self.base(&parent.queue),
                id: parent.id.clone(),
                wait_children: None,
            }),
            ..JobOptions::default()
        };
        let handle = self.queue(queue).await?;
        let adding = handle.add(&job.kind, &job.payload).options(options);
        let added = self.operate(ADDING, queue, adding).await?;
        if let Some(telemetry) = &job.telemetry {
            self.attach_telemetry(queue, added.id(), telemetry).await?;
        }
        Ok(added.id().to_owned())
    }

    /// The crate does not write a trace context.
    async fn attach_telemetry(
        &self,
        queue: &str,
        id: &str,
        telemetry: &str,
    ) -> Result<(), QueueError> {
        let options: Option<String> = redis::cmd("HGET")
            .arg(self.job_key(queue, id))
            .arg("opts")
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("attach a trace context"))?;
        let options = options.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        // Done and removed already, perhaps.
        let Some(Value::Object(mut options)) = options else { return Ok(()) };
        options.insert("tm".to_owned(), telemetry.into());
        self.set_options(queue, id, &Value::Object(options)).await
    }

    /// Adds jobs in their order, until the deadline. Where a record (a key) is named, each job is added
    /// once however often this is called: the record knows it by the number that comes with it.
    pub async fn add_all(
        &self,
        queue: &str,
        jobs: &[(usize, NewJob)],
        record: Option<&str>,
        deadline: Option<Instant>,
    ) -> AddedAll {
        let mut added = Vec::with_capacity(jobs.len());
        let mut failed = by(deadline, self.prepare(queue)).await.err();
        let calls = (0..jobs.len()).step_by(AT_ONCE).map(|from| {
            let to = jobs.len().min(from + AT_ONCE);
            self.call_add(queue, &jobs[from..to], record)
        });
        let mut calls = stream::iter(calls).buffered(CALLS);
        while failed.is_none() {
            match by(deadline, calls.try_next()).await {
                Ok(Some(answers)) => added.extend(answers.iter().map(|answer| Added::of(answer))),
                Ok(None) => break,
                Err(error) => failed = Some(error),
            }
        }
        added.resize(jobs.len(), None);
        AddedAll { added, failed }
    }

    /// Makes the queue known to boards, and the script to Redis: calls that find it missing would
    /// fall behind later ones.
    async fn prepare(&self, queue: &str) -> Result<(), QueueError> {
        self.queue(queue).await?;
        ADD.load_async(&mut self.redis()).await.map(drop).map_err(QueueError::of(ADDING))
    }

    async fn call_add(
        &self,
        queue: &str,
        jobs: &[(usize, NewJob)],
        record: Option<&str>,
    ) -> Result<Vec<String>, QueueError> {
        let base = self.base(queue);
        let mut call = ADD.prepare_invoke();
        call.key(format!("{base}:meta"));
        if let Some(record) = record {
            call.key(record);
        }
        call.arg(&base);
        for (number, job) in jobs {
            call.arg(number)
                .arg(job.id.as_deref().unwrap_or_default())
                .arg(&job.kind)
                .arg(job.payload.to_string())
                .arg(job.options().to_string());
        }
        call.invoke_async(&mut self.redis()).await.map_err(QueueError::of(ADDING))
    }
}

async fn by<T>(
    deadline: Option<Instant>,
    call: impl Future<Output = Result<T, QueueError>>,
) -> Result<T, QueueError> {
    match deadline {
        Some(deadline) => timeout_at(deadline, call).await.unwrap_or_else(|_| {
            Err(QueueError::of(ADDING)(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
        }),
        None => call.await,
    }
}

fn unreadable() -> QueueError {
    let source = (ErrorKind::UnexpectedReturnType, "the script's answer is not understood").into();
    QueueError::Redis { step: ADDING, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_that_were_given() {
        let plain = NewJob { priority: Some(0), delay: Some(Duration::ZERO), ..NewJob::default() };
        assert_eq!(plain.options(), json!({}));
        let job = NewJob {
            id: Some("mail-7".to_owned()),
            priority: Some(10),
            delay: Some(Duration::from_secs(3)),
            attempts: Some(5),
            lifo: true,
            remove_on_complete: Some(Keep::Remove(true)),
            ..NewJob::default()
        };
        assert_eq!(
            job.options(),
            json!({
                "jobId": "mail-7", "priority": 10, "delay": 3000, "attempts": 5, "lifo": true,
                "removeOnComplete": true,
            })
        );
    }

    #[test]
    fn answers_are_read() {
        let added = |how| Some(Added { id: "a b".to_owned(), how });
        assert_eq!(Added::of("added a b"), added(How::Added));
        assert_eq!(Added::of("existing a b"), added(How::Existing));
        assert_eq!(Added::of("deduplicated a b"), added(How::Deduplicated));
        assert_eq!(Added::of("lost a b"), None);
    }
}
