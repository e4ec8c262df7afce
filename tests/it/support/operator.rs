//! Somebody who cancels jobs, in a process without workers.

use std::collections::BTreeMap;

use bullmq::JobState;
use roadie::outcome::cancel::{Cancelled, cancel};
use roadie::queue::Queues;
use roadie::queue::cancel::Wish;
use roadie_jobs::effects::catalogue::Catalogue;
use serde_json::json;

use super::eventually;
use super::process::run;
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

    /// Waits until nothing is kept of cancels.
    pub(crate) async fn has_no_wishes(&self, stage: &Stage) {
        eventually("all wishes are forgotten", async || match self.wishes(stage).await {
            wishes if wishes.is_empty() => Ok(()),
            wishes => Err(format!("{wishes:?}")),
        })
        .await;
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

/// Everything that an operator does with a queue of rehearsals that one process serves.
pub(crate) async fn day_at_work(stage: &Stage, queue: &str) {
    let operator = Operator::of(stage).await;
    let typed = async |command: &[&str]| {
        let said = run(stage, command).await;
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    };
    typed(&["queues", "pause", queue, "--by", "ann", "--reason", "load in"]).await;
    let waiting = stage.add(queue, "rehearse", json!({ "act": "return" })).await;
    let listed = typed(&["queues"]).await;
    assert!(listed.contains("ann") && listed.contains("load in"), "{listed}");
    assert_eq!(operator.cancel(queue, &waiting).await, Cancelled::Ended);
    ended(stage, queue, &waiting).await;
    typed(&["queues", "resume", queue, "--by", "ann"]).await;
    let running = stage.add(queue, "rehearse", json!({ "act": "hang" })).await;
    stage.reached(queue, &running, JobState::Active).await;
    assert_eq!(operator.cancel(queue, &running).await, Cancelled::Asked);
    ended(stage, queue, &running).await;
    let workers = typed(&["workers"]).await;
    assert_eq!(workers.lines().count(), 2, "{workers}");
}
