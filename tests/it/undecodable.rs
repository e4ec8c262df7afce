//! Jobs that nobody here understands.

use roadie_jobs::{Job, JobContext, JobError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::play::{PLAYS, Play};
use super::support::stage::Stage;
use super::support::worker::Worker;

/// Asks for a number.
#[derive(Debug, Deserialize)]
struct Encore {
    #[serde(rename = "songCount")]
    _songs: u32,
}

impl Job for Encore {
    const KIND: &'static str = "encore";
    const QUEUE: &'static str = PLAYS;
    type Output = ();

    async fn run(self, _: JobContext) -> Result<(), JobError> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_understood_is_a_dead_letter_that_names_it() {
    let stage = need!(Stage::new()).with_plays(4);
    let registry = roadie_jobs::registry().with::<Play>().with::<Encore>();
    let worker = Worker::with(&stage, registry).await;
    let missing = json!({ "songs": 2 });
    let wrong = json!({ "songCount": "two" });
    for (kind, payload, named) in [
        ("soundcheck", json!({}), "`soundcheck`"),
        ("encore", missing, "missing field `songCount`"),
        ("encore", wrong, "field `songCount`: invalid type: string \"two\""),
        ("encore", json!([1, 2]), "encore"),
    ] {
        let id = stage.add(PLAYS, kind, payload.clone()).await;
        let job = stage.failed(PLAYS, &id).await;
        assert!(job.failed_reason().contains(named), "{}", job.failed_reason());
        let letter = stage.letter(&id).await;
        assert_eq!((letter.reason.as_str(), letter.attempts), ("undecodable", 1));
        assert_eq!(letter.kind, kind);
        assert!(letter.error.contains(named), "{letter:?}");
        assert_eq!(serde_json::from_str::<Value>(&letter.payload).unwrap(), payload);
    }
    // The worker is none the worse for it.
    let id = stage.add(PLAYS, "encore", json!({ "songCount": 2, "unknown": true })).await;
    stage.completed(PLAYS, &id).await;
    worker.stop().await;
}
