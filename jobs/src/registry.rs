//! Kind → handler. A kind that is not registered here does not exist.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use schemars::Schema;
use serde_json::Value;

use crate::context::JobContext;
use crate::job::{Backoff, Job, JobError, SlotClass, Timeout};

type Run = dyn Fn(&str, JobContext) -> Result<Running, Undecodable> + Send + Sync;
type Check = dyn Fn(&Value) -> Result<(), Undecodable> + Send + Sync;

/// A decoded job, ready to be awaited.
pub type Running = BoxFuture<'static, Result<Value, JobError>>;

/// A payload that is not what the kind asks for.
#[derive(Debug, thiserror::Error)]
#[error("payload of {kind}: {reason}")]
pub struct Undecodable {
    kind: &'static str,
    reason: String,
    pointer: String,
}

impl Undecodable {
    /// Where in the payload the fault is, as a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> &str {
        &self.pointer
    }
}

/// Where in a document a fault is, as a JSON pointer (RFC 6901). A missing field is where it should be.
pub fn pointer(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    use serde_path_to_error::Segment;

    let message = error.inner().to_string();
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let known = error.path().iter().map_while(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    let parts = known.chain(missing.map(str::to_owned));
    parts.flat_map(|part| ["/".to_owned(), part.replace('~', "~0").replace('/', "~1")]).collect()
}

/// What the engine knows of one kind.
pub struct Entry {
    /// The kind's name.
    pub kind: &'static str,
    /// Its usual queue.
    pub queue: &'static str,
    /// Default attempts.
    pub attempts: u32,
    /// Default backoff.
    pub backoff: Backoff,
    /// Default time limit.
    pub timeout: Timeout,
    /// Slot class.
    pub slots: SlotClass,
    /// Whether it is run for users who were erased.
    pub for_erased: bool,
    /// What its payload looks like.
    pub payload: Schema,
    run: Box<Run>,
    check: Box<Check>,
}

impl Entry {
    fn of<J: Job>() -> Self {
        Self {
            kind: J::KIND,
            queue: J::QUEUE,
            attempts: J::ATTEMPTS,
            backoff: J::BACKOFF,
            timeout: J::TIMEOUT,
            slots: J::SLOTS,
            for_erased: J::FOR_ERASED,
            payload: J::payload(),
            check: Box::new(|payload| decode::<J>(payload).map(drop)),
            run: Box::new(|payload, cx| {
                let job = decode::<J>(&parse::<J>(payload)?)?;
                Ok(Box::pin(async move {
                    let output = job.run(cx).await?;
                    serde_json::to_value(output).map_err(|error| {
                        JobError::discard(anyhow::Error::new(error).context("encode the output"))
                    })
                }))
            }),
        }
    }

    /// Decodes the payload's text and prepares the run.
    pub fn run(&self, payload: &str, cx: JobContext) -> Result<Running, Undecodable> {
        (self.run)(payload, cx)
    }

    /// Whether today's handler understands the payload.
    pub fn check(&self, payload: &Value) -> Result<(), Undecodable> {
        (self.check)(payload)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn parse<J: Job>(payload: &str) -> Result<Value, Undecodable> {
    serde_json::from_str(payload).map_err(|error| Undecodable {
        kind: J::KIND,
        reason: format!("the payload is not JSON: {error}"),
        pointer: String::new(),
    })
}

fn decode<J: Job>(payload: &Value) -> Result<J, Undecodable> {
    // serde would fill a struct's fields from an array, in the order in which they are written.
    let what = match payload {
        Value::Object(_) => None,
        Value::Null => Some("null"),
        Value::Bool(_) => Some("a boolean"),
        Value::Number(_) => Some("a number"),
        Value::String(_) => Some("a string"),
        Value::Array(_) => Some("an array"),
    };
    if let Some(what) = what {
        let reason = format!("the payload must be a JSON object, not {what}");
        return Err(Undecodable { kind: J::KIND, reason, pointer: String::new() });
    }
    serde_path_to_error::deserialize(payload).map_err(|error| {
        let pointer = pointer(&error);
        let path = error.path().to_string();
        let inner = error.into_inner();
        let reason =
            if path == "." { inner.to_string() } else { format!("field `{path}`: {inner}") };
        Undecodable { kind: J::KIND, reason, pointer }
    })
}

/// All kinds that a process can run.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Shared: every attempt has its own.
    entries: BTreeMap<&'static str, Arc<Entry>>,
    twice: Vec<&'static str>,
}

/// A registry that must not be started.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RegistryError {
    /// Two handlers claim one kind.
    #[error("two handlers are registered for kind `{0}`")]
    Twice(&'static str),
}

impl Registry {
    /// Adds a kind.
    #[must_use]
    pub fn with<J: Job>(mut self) -> Self {
        if self.entries.insert(J::KIND, Arc::new(Entry::of::<J>())).is_some() {
            self.twice.push(J::KIND);
        }
        self
    }

    /// Refuses a registry in which two handlers claim one kind.
    pub fn verify(&self) -> Result<(), RegistryError> {
        self.twice.first().map_or(Ok(()), |kind| Err(RegistryError::Twice(kind)))
    }

    /// The handler of a kind.
    pub fn get(&self, kind: &str) -> Option<&Arc<Entry>> {
        self.entries.get(kind)
    }

    /// All kinds, by name.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|entry| &**entry)
    }

    /// The same registry without one kind.
    #[must_use]
    pub fn without(mut self, kind: &str) -> Self {
        self.entries.remove(kind);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Greet {
        #[expect(dead_code, reason = "only decoded")]
        user_id: i64,
    }

    impl Job for Greet {
        const KIND: &'static str = "greet";
        const QUEUE: &'static str = "test";
        type Output = ();
        async fn run(self, _cx: JobContext) -> Result<(), JobError> {
            Ok(())
        }
    }

    #[test]
    fn an_undecodable_payload_names_the_field() {
        let registry = Registry::default().with::<Greet>();
        let entry = registry.get("greet").unwrap();
        for (payload, pointer, expected) in [
            (
                r#"{"userId":"seven"}"#,
                "/userId",
                "field `userId`: invalid type: string \"seven\", expected i64",
            ),
            (r"{}", "/userId", "missing field `userId`"),
            (r"null", "", "payload of greet: the payload must be a JSON object, not null"),
            (r"[7]", "", "the payload must be a JSON object, not an array"),
            (r#""seven""#, "", "the payload must be a JSON object, not a string"),
            (r"7", "", "the payload must be a JSON object, not a number"),
            (r"true", "", "the payload must be a JSON object, not a boolean"),
        ] {
            let payload = serde_json::from_str(payload).unwrap();
            let error = entry.check(&payload).unwrap_err();
            assert_eq!(error.pointer(), pointer);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn objects_are_understood_by_every_shape_of_handler() {
        let registry = crate::registry().with::<Greet>();
        for (kind, payload) in [
            ("greet", r#"{"userId":7,"unknown":true}"#),
            ("rehearse", r#"{"act":"steps","steps":2,"stepMs":1,"failures":1}"#),
        ] {
            let payload = serde_json::from_str(payload).unwrap();
            registry.get(kind).unwrap().check(&payload).unwrap();
        }
    }

    #[test]
    fn variants_are_told_by_their_names() {
        let registry = crate::registry();
        let entry = registry.get("rehearse").unwrap();
        for act in ["0", "null", "\"dance\""] {
            let payload = serde_json::from_str(&format!("{{\"act\":{act}}}")).unwrap();
            entry.check(&payload).unwrap_err();
        }
    }

    #[test]
    fn two_handlers_for_one_kind_are_refused() {
        let registry = Registry::default().with::<Greet>().with::<Greet>();
        assert_eq!(registry.verify(), Err(RegistryError::Twice("greet")));
    }

    #[test]
    fn every_kind_is_registered_once() {
        crate::registry().verify().unwrap();
    }
}
