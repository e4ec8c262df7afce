//! Cancelling: somebody's wish that a job ends, kept until it has.
//!
//! Whoever cancels writes the wish; every worker process reads the open ones again and again, so a
//! lost connection, a failover or a restart delays it and loses nothing.

use std::sync::LazyLock;

use redis::Script;
use serde::{Deserialize, Serialize};

use super::{QueueError, Queues};

static CANCEL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("scripts/common.lua"), include_str!("scripts/cancel.lua")))
});

/// Somebody's wish that a job ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Who.
    pub by: String,
    /// Why, in their words; may be empty.
    pub reason: String,
    /// Tells it from every other one.
    #[serde(default)]
    nonce: String,
}

impl Wish {
    /// A wish of its own.
    pub fn new(by: impl Into<String>, reason: impl Into<String>) -> Self {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        Self { by: by.into(), reason: reason.into(), nonce }
    }

    /// For `failedReason` and the dead letter, outermost first.
    pub fn chain(&self) -> Vec<String> {
        let reason = (!self.reason.is_empty()).then(|| self.reason.clone());
        std::iter::once(format!("cancelled by {}", self.by)).chain(reason).collect()
    }
}

/// Where a job is that somebody wants to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// The queue has no such job.
    Missing,
    /// It has completed.
    Completed,
    /// It has failed.
    Failed,
    /// A worker has it in hand.
    Running,
    /// It waits: for a slot, a moment, or other jobs.
    Waiting,
}

impl Queues {
    /// Asks a job to end. A job that has ended is left alone; of several wishes the first counts.
    /// Workers see to those in hand; see [`crate::outcome::cancel`] for the others.
    pub(crate) async fn wish(
        &self,
        queue: &str,
        id: &str,
        wish: &Wish,
    ) -> Result<Whereabouts, QueueError> {
        let wish = serde_json::to_string(wish).unwrap_or_default();
        self.must_exist(queue).await?;
        Ok(self.cancel_script(queue, id, &wish).await?.0)
    }

    /// The open wish that a job ends, and where the job is. One of a job that has ended is forgotten.
    pub(crate) async fn wished(
        &self,
        queue: &str,
        id: &str,
    ) -> Result<(Whereabouts, Option<Wish>), QueueError> {
        self.cancel_script(queue, id, "").await
    }

    /// All open wishes: queue and id of each job.
    pub(crate) async fn wishes(&self) -> Result<Vec<(String, String)>, QueueError> {
        let names: Vec<String> = redis::cmd("HKEYS")
            .arg(self.wishes_key())
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("cancel a job"))?;
        // Names of queues hold no colon.
        let split =
            |name: &String| name.split_once(':').map(|(queue, id)| (queue.into(), id.into()));
        Ok(names.iter().filter_map(split).collect())
    }

    async fn cancel_script(
        &self,
        queue: &str,
        id: &str,
        wish: &str,
    ) -> Result<(Whereabouts, Option<Wish>), QueueError> {
        let (place, wish): (String, Option<String>) = CANCEL
            .key(self.wishes_key())
            .arg(self.base(queue))
            .arg(queue)
            .arg(id)
            .arg(wish)
            .invoke_async(&mut self.redis())
            .await
            .map_err(QueueError::of("cancel a job"))?;
        let place = match place.as_str() {
            "missing" => Whereabouts::Missing,
            "completed" => Whereabouts::Completed,
            "failed" => Whereabouts::Failed,
            "running" => Whereabouts::Running,
            _ => Whereabouts::Waiting,
        };
        Ok((place, wish.and_then(|wish| serde_json::from_str(&wish).ok())))
    }

    pub(super) fn wishes_key(&self) -> String {
        format!("{}:roadie:cancels", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_says_who_and_why() {
        assert_eq!(Wish::new("ann", "").chain(), ["cancelled by ann"]);
        assert_eq!(Wish::new("ann", "wrong folder").chain(), ["cancelled by ann", "wrong folder"]);
    }
}
