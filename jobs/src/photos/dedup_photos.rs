//! `dedup-photos`

use std::time::Duration;

use anyhow::anyhow;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use super::catalogue_error;
use super::dedup::{self, Outcome};
use crate::context::{JobContext, Progress};
use crate::effects::catalogue::Proposals;
use crate::job::{Job, JobError, Timeout};
use crate::schema::describe;

/// How long a run waits for another one of its user.
const HELD_UP: Duration = Duration::from_secs(15);
/// How long a run waits that was overtaken by somebody's decision.
const OVERTAKEN: Duration = Duration::from_secs(1);
/// Groups whose ids are returned of each sort.
const IDS: usize = 1_000;

/// Proposes which photos of a user are duplicates of each other, and which one of them to keep.
///
/// Effects: rows of duplicate groups and their members; new photos are noted as compared. No photo is ever
/// changed or deleted, and no group about which somebody has decided.
/// Safe to repeat because: groups follow from the photos alone, and only what differs is written; all of
/// it or nothing.
/// Gives up when: the catalogue refuses for good. While another run of the user goes on, it waits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "userId": 7 }]))]
pub(crate) struct DedupPhotos {
    user_id: i64,
    #[serde(default)]
    scope: Scope,
}

/// Which photos are compared with all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Scope {
    /// Those that were not yet.
    #[default]
    New,
    /// All of them.
    All,
}

/// What came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deduplicated {
    /// Photos that were compared for the first time, or all.
    compared: usize,
    /// Groups that were not there before, with the first 1,000 ids.
    made: Groups,
    /// Groups that are others than before.
    changed: Groups,
    /// Groups that are none any more.
    gone: Groups,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Groups {
    count: usize,
    ids: Vec<String>,
}

impl Groups {
    fn of<'g>(ids: impl ExactSizeIterator<Item = &'g String>) -> Self {
        Self { count: ids.len(), ids: ids.take(IDS).cloned().collect() }
    }
}

impl Job for DedupPhotos {
    const KIND: &'static str = "dedup-photos";
    const QUEUE: &'static str = "photo-processing";
    const TIMEOUT: Timeout = Timeout::Silence(Duration::from_mins(10));
    type Output = Deduplicated;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<Deduplicated, JobError> {
        let user_id = self.user_id;
        if let Err(holder) = cx.claim(&format!("dedup:{user_id}")).await? {
            let running = anyhow!("photos of user {user_id} are being compared (job {holder})");
            return Err(JobError::postpone(HELD_UP, running));
        }
        let value = serde_json::json!({ "userId": user_id, "currentStatus": "comparing photos" });
        cx.report(Progress { value, mirror: None });
        let effects = cx.effects();
        let now = effects.clock.now_ms();
        let outcome = dedup::run(&effects.catalogue, user_id, self.scope == Scope::All, now);
        let (compared, proposals) = match outcome.await.map_err(catalogue_error)? {
            Outcome::Proposed(compared, proposals) => (compared, proposals),
            Outcome::Overtaken => {
                let why = anyhow!("somebody decided about a group of user {user_id} meanwhile");
                return Err(JobError::postpone(OVERTAKEN, why));
            }
        };
        let Proposals { made, changed, gone } = &proposals;
        Ok(Deduplicated {
            compared,
            made: Groups::of(made.iter().map(|group| &group.id)),
            changed: Groups::of(changed.iter().map(|group| &group.id)),
            gone: Groups::of(gone.iter().map(|(id, _)| id)),
        })
    }
}
