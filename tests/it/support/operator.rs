//! Somebody who cancels jobs, in a process without workers.

use std::collections::BTreeMap;

use roadie::outcome::cancel::{Cancelled, cancel};
use roadie::queue::Queues;
use roadie::queue::cancel::Wish;
use roadie_jobs::effects::catalogue::Catalogue;

use super::stage::Stage;

/// Somebody who cancels.
pub(crate) struct Operator {
    pub(crate) queues: Queues,
    catalogue: Catalogue,
}

impl Operator {
    pub(crate) async fn of(stage: &Stage) -> Self {
        Self { queues: stage.queues().await, catalogue: stage.catalogue().await }
    }

    pub(crate) async fn cancel(&self, queue: &str, id: &str) -> Cancelled {
        let wish = Wish::new("ann", "wrong folder");
        cancel(&self.queues, &self.catalogue, queue, id, &wish).await.unwrap()
    }

    /// Redis' clock, in ms.
    pub(crate) async fn now(&self) -> u64 {
        let (s, us): (u64, u64) =
            redis::cmd("TIME").query_async(&mut self.queues.redis()).await.unwrap();
        s * 1_000 + us / 1_000
    }

    /// What is kept of cancels, by job.
    pub(crate) async fn wishes(&self, stage: &Stage) -> BTreeMap<String, String> {
        redis::cmd("HGETALL")
            .arg(format!("{}:roadie:cancels", stage.prefix))
            .query_async(&mut self.queues.redis())
            .await
            .unwrap()
    }
}

/// Waits until the job is the dead letter that [`Operator::cancel`] makes of it.
pub(crate) async fn ended(stage: &Stage, queue: &str, id: &str) {
    let job = stage.failed(queue, id).await;
    assert_eq!(job.failed_reason(), "cancelled by ann: wrong folder");
    let letter = stage.letter(id).await;
    assert_eq!((letter.reason.as_str(), letter.error.as_str()), ("cancelled", "cancelled by ann"));
    assert_eq!(letter.error_chain, ["cancelled by ann", "wrong folder"]);
    assert!(letter.timeline.last().unwrap().error.starts_with("cancelled by ann"), "{letter:?}");
}
