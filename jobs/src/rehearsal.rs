//! `rehearse`: a job that does as its payload says, for drills: does a dead letter show up on the
//! board, does an alert fire, does a deploy release what runs? Off unless `worker.rehearsals` is set.

use std::time::Duration;

use anyhow::anyhow;
use schemars::{JsonSchema, Schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::context::{ChildFailure, FollowUp, JobContext, Progress};
use crate::job::{Backoff, Job, JobError, SlotClass, Timeout};
use crate::schema::describe;

/// Does as its payload says: `{"act": "return", "value": …}`.
///
/// Effects: progress, a checkpoint and lines in the job's log, where asked for.
/// Safe to repeat because: it touches nothing else.
/// Gives up when: told to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "act": "return", "value": "encore" }]))]
pub(crate) struct Rehearse {
    #[serde(flatten, deserialize_with = "by_name")]
    act: Act,
    /// Attempts that fail before the act is played.
    #[serde(default)]
    failures: u32,
    /// Pause before the act is played, in milliseconds; deaf to being asked to stop.
    #[serde(default)]
    sleep_ms: u64,
    /// Whether each run begins with a line in the job's log: who, when, which attempt.
    #[serde(default)]
    trace: bool,
}

/// Serde would take a number for the variant of that place.
fn by_name<'de, D: Deserializer<'de>>(payload: D) -> Result<Act, D::Error> {
    let payload = Value::deserialize(payload)?;
    match payload.get("act") {
        Some(act) if !act.is_string() => Err(D::Error::custom("field `act`: expected a name")),
        _ => Act::deserialize(payload).map_err(D::Error::custom),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "act", rename_all = "camelCase")]
enum Act {
    /// Succeeds with a value.
    Return {
        #[serde(default)]
        value: Value,
    },
    /// Fails; the job is retried.
    Fail {
        #[serde(default)]
        message: Option<String>,
    },
    /// Fails for good.
    Discard {
        #[serde(default)]
        message: Option<String>,
    },
    /// Comes back later, once.
    #[serde(rename_all = "camelCase")]
    Postpone { after_ms: u64 },
    /// Panics.
    Panic,
    /// Never returns, but yields.
    Hang,
    /// Never returns and never yields.
    Spin,
    /// Takes the whole process down.
    Crash,
    /// Adds rehearsals as children, waits for them, and answers what they answered.
    Children {
        children: Vec<Value>,
        /// The queue that they go to.
        #[serde(default)]
        queue: Option<String>,
    },
    /// Adds a follow-up, which the job does not wait for.
    #[serde(rename_all = "camelCase")]
    FollowUp { queue: String, kind: String, payload: Value, id: String, delay_ms: u64 },
    /// Answers what the children of its flow answered.
    Collect,
    /// Writes lines into its log.
    Log { lines: Vec<String> },
    /// Sleeps in steps, with progress and a checkpoint after each.
    #[serde(rename_all = "camelCase")]
    Steps { steps: u64, step_ms: u64 },
    /// Tries a checkpoint, progress and a line in the log, whatever comes of it, then succeeds.
    Insist,
}

impl Job for Rehearse {
    const KIND: &'static str = "rehearse";
    const QUEUE: &'static str = "rehearsals";
    const BACKOFF: Backoff =
        Backoff { base: Duration::from_millis(100), cap: Duration::from_secs(1) };
    const TIMEOUT: Timeout = Timeout::Total(Duration::from_secs(30));
    const SLOTS: SlotClass = SlotClass::Io;
    type Output = Value;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<Value, JobError> {
        let attempt = cx.info().attempt;
        if self.trace {
            let (process, at) = (std::process::id(), cx.effects().clock.now_ms());
            let run = json!({ "attempt": attempt, "process": process, "at": at });
            cx.log(&run.to_string()).await;
        }
        if self.sleep_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.sleep_ms)).await;
        }
        if attempt <= self.failures {
            return Err(JobError::retry(anyhow!("attempt {attempt} fails as asked")));
        }
        let message = |text: Option<String>| anyhow!(text.unwrap_or_else(|| "as asked".to_owned()));
        match self.act {
            Act::Return { value } => Ok(value),
            Act::Fail { message: text } => Err(JobError::retry(message(text))),
            Act::Discard { message: text } => Err(JobError::discard(message(text))),
            Act::Postpone { after_ms } => postpone(&cx, Duration::from_millis(after_ms)).await,
            Act::Panic => panic!("panics as asked"),
            Act::Hang => std::future::pending().await,
            Act::Spin => loop {
                std::thread::sleep(Duration::from_millis(50));
            },
            Act::Crash => std::process::abort(),
            Act::Children { children, queue } => wait_for(&cx, children, queue).await,
            Act::FollowUp { queue, kind, payload, id, delay_ms } => {
                let delay = Some(Duration::from_millis(delay_ms));
                cx.enqueue(FollowUp { queue, kind, payload, id: id.clone(), delay }).await?;
                Ok(json!(id))
            }
            Act::Collect => collected(&cx).await,
            Act::Log { lines } => {
                for line in &lines {
                    cx.log(line).await;
                }
                Ok(json!(lines.len()))
            }
            Act::Steps { steps, step_ms } => play(&cx, steps, Duration::from_millis(step_ms)).await,
            Act::Insist => insist(&cx).await,
        }
    }
}

async fn postpone(cx: &JobContext, after: Duration) -> Result<Value, JobError> {
    if cx.resume::<bool>().await?.is_some() {
        return Ok(json!("came back"));
    }
    cx.checkpoint(&true).await?;
    Err(JobError::postpone(after, anyhow!("later, as asked")))
}

async fn wait_for(
    cx: &JobContext,
    children: Vec<Value>,
    queue: Option<String>,
) -> Result<Value, JobError> {
    if cx.resume::<bool>().await?.is_some() {
        return collected(cx).await;
    }
    let queue = queue.unwrap_or_else(|| Rehearse::QUEUE.to_owned());
    for (number, payload) in children.into_iter().enumerate() {
        let child = FollowUp {
            queue: queue.clone(),
            kind: Rehearse::KIND.to_owned(),
            payload,
            id: format!("{}-child-{number}", cx.info().id),
            delay: None,
        };
        cx.enqueue_child(child, ChildFailure::IsTold).await?;
    }
    cx.checkpoint(&true).await?;
    Err(JobError::await_children())
}

async fn collected(cx: &JobContext) -> Result<Value, JobError> {
    let children = cx.children().await?;
    Ok(json!({
        "completed": children.completed.values().collect::<Vec<_>>(),
        "failed": children.failed.values().collect::<Vec<_>>(),
    }))
}

async fn insist(cx: &JobContext) -> Result<Value, JobError> {
    let said = json!("insisted");
    let kept = cx.checkpoint(&said).await.is_ok();
    cx.report(Progress { value: said, mirror: None });
    cx.log("insisted").await;
    Ok(json!({ "checkpoint": kept }))
}

async fn play(cx: &JobContext, steps: u64, pause: Duration) -> Result<Value, JobError> {
    let first = cx.resume::<u64>().await?.unwrap_or(0);
    for step in first..steps {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cx.cancelled() => return Err(JobError::stopped()),
        }
        cx.checkpoint(&(step + 1)).await?;
        cx.report(Progress { value: json!({ "step": step + 1, "of": steps }), mirror: None });
    }
    Ok(json!({ "steps": steps, "resumedAt": first }))
}
