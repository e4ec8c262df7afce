//! What web tiers keep in the same Redis of what jobs have changed.

use serde_json::json;

use super::{QueueError, Queues};

const DROPPING: &str = "drop what web tiers have cached";

impl Queues {
    /// Drops keys and publishes their names on a channel, if it has a name. One by one: in a Cluster they
    /// lie on several nodes.
    pub(crate) async fn drop_cached(
        &self,
        keys: &[String],
        channel: &str,
    ) -> Result<(), QueueError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut redis = self.redis();
        for key in keys {
            let dropped = redis::cmd("UNLINK").arg(key).exec_async(&mut redis).await;
            dropped.map_err(QueueError::of(DROPPING))?;
        }
        if !channel.is_empty() {
            let names = json!(keys).to_string();
            let told = redis::cmd("PUBLISH").arg(channel).arg(names).exec_async(&mut redis).await;
            told.map_err(QueueError::of(DROPPING))?;
        }
        Ok(())
    }
}
