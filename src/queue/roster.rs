//! The processes that serve queues under this prefix.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use serde::{Deserialize, Serialize};

use super::{QueueError, Queues, millis};

static ROSTER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("scripts/common.lua"), include_str!("scripts/roster.lua")))
});

/// How long a process counts as there after it was last heard of.
pub const SILENT_AFTER: Duration = Duration::from_secs(15);

/// What a process says of itself. As JSON, in camel case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// Its name on jobs and dead letters.
    pub name: String,
    /// Where it runs.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Roadie's version.
    pub version: String,
    /// When it began to serve, in Unix milliseconds.
    pub started_at: i64,
    /// Whether it is stopping: it takes no jobs any more.
    pub draining: bool,
    /// What it serves.
    pub queues: Vec<Served>,
}

/// A queue that a process serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Its name.
    pub queue: String,
    /// Jobs at once, at most.
    pub slots: usize,
    /// Jobs in hand.
    pub jobs: usize,
}

/// A process that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Present {
    /// What it says of itself.
    #[serde(flatten)]
    pub card: Card,
    /// Milliseconds since it said so, by Redis' clock.
    pub heartbeat_age_ms: u64,
}

impl Queues {
    /// The processes that were heard of within [`SILENT_AFTER`], by name.
    pub async fn workers(&self) -> Result<Vec<Present>, QueueError> {
        let there: Vec<(String, u64)> = self.roster("", "").await?;
        // A card that a newer build wrote differently is not ours to read.
        let mut workers: Vec<Present> = there
            .into_iter()
            .filter_map(|(card, heartbeat_age_ms)| {
                Some(Present { card: serde_json::from_str(&card).ok()?, heartbeat_age_ms })
            })
            .collect();
        workers.sort_by(|a, b| a.card.name.cmp(&b.card.name));
        Ok(workers)
    }

    /// A heartbeat.
    pub(crate) async fn announce(&self, card: &Card) -> Result<(), QueueError> {
        let text = serde_json::to_string(card).unwrap_or_default();
        self.roster(&card.name, &text).await.map(drop)
    }

    /// The last word of a process.
    pub(crate) async fn leave(&self, name: &str) -> Result<(), QueueError> {
        self.roster(name, "").await.map(drop)
    }

    async fn roster(&self, name: &str, card: &str) -> Result<Vec<(String, u64)>, QueueError> {
        ROSTER
            .key(format!("{}:roadie:workers", self.prefix))
            .key(format!("{}:roadie:workers:beats", self.prefix))
            .arg(millis(SILENT_AFTER))
            .arg(name)
            .arg(card)
            .invoke_async(&mut self.redis())
            .await
            .map_err(QueueError::of("look who works"))
    }
}
