//! A kind of job that does what the test says.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use roadie_jobs::{Job, JobContext, JobError};
use serde::Deserialize;
use serde_json::{Value, json};

/// The queue that tests put it into.
pub(crate) const PLAYS: &str = "plays";

type Part = dyn Fn(JobContext, Value) -> BoxFuture<'static, Result<Value, JobError>> + Send + Sync;

static PARTS: LazyLock<Mutex<HashMap<String, Arc<Part>>>> = LazyLock::new(Mutex::default);

/// Kind `play`: runs the part that its payload names.
#[derive(Debug, Deserialize)]
pub(crate) struct Play {
    part: String,
    #[serde(default)]
    line: Value,
}

/// Keeps a handler under a name of its own.
pub(crate) fn part<R>(act: impl Fn(JobContext, Value) -> R + Send + Sync + 'static) -> String
where
    R: Future<Output = Result<Value, JobError>> + Send + 'static,
{
    let name = uuid::Uuid::new_v4().to_string();
    let act: Arc<Part> = Arc::new(move |cx, line| act(cx, line).boxed());
    PARTS.lock().unwrap().insert(name.clone(), act);
    name
}

/// The payload that calls a part.
pub(crate) fn call(part: &str, line: impl Into<Value>) -> Value {
    json!({ "part": part, "line": line.into() })
}

impl Job for Play {
    const KIND: &'static str = "play";
    const QUEUE: &'static str = PLAYS;
    type Output = Value;

    async fn run(self, cx: JobContext) -> Result<Value, JobError> {
        let act = Arc::clone(PARTS.lock().unwrap().get(&self.part).unwrap());
        act(cx, self.line).await
    }
}
