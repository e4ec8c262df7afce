//! Questions to services, within their budgets, and services that count them.

use std::sync::Arc;
use std::time::Duration;

use roadie::budget::{Budgets, frugal};
use roadie::queue::Queues;
use roadie::stand_in::StandIns;
use roadie_jobs::effects::web::{Answer, Ask, Fetch, Judge, Reply, Unanswered, Web};
use roadie_jobs::effects::{Clock, Target};
use serde_json::json;

use super::stage::Stage;

/// Services that know of nothing.
pub(crate) async fn stand_ins(stage: &Stage) -> StandIns {
    let write = |name: &str, content: serde_json::Value| {
        let path = stage.path().join(name);
        std::fs::write(&path, content.to_string()).unwrap();
        path
    };
    let setlists = write("setlists.json", json!({ "setlist": [] }));
    let pois = write("pois.json", json!({ "elements": [] }));
    StandIns::start(&setlists, &pois, None).await.unwrap()
}

/// A process as far as it asks services: connections of its own to Redis and to them.
pub(crate) async fn asker(stage: &Stage) -> Arc<dyn Fetch> {
    far_asker(stage, Duration::ZERO).await
}

/// One whose questions are on their way for up to so long.
pub(crate) async fn far_asker(stage: &Stage, way: Duration) -> Arc<dyn Fetch> {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = stage.config();
    let queues = Queues::connect(&config.redis).await.unwrap();
    let web = Arc::new(Far { web: Web::new("roadie-tests/0").unwrap(), way });
    let budgets = Budgets::new(queues.clone(), &config.budgets);
    frugal(web, &queues, budgets, config.cache, Clock::System)
}

#[derive(Debug)]
struct Far {
    web: Web,
    way: Duration,
}

#[async_trait::async_trait]
impl Fetch for Far {
    async fn fetch(&self, ask: &Ask, judge: Judge<'_>) -> Result<(), Unanswered> {
        tokio::time::sleep(self.way.mul_f64(fastrand::f64())).await;
        self.web.fetch(ask, judge).await
    }
}

pub(crate) async fn budgets(stage: &Stage) -> Budgets {
    Budgets::new(stage.queues().await, &stage.config().budgets)
}

/// What setlist.fm has of a page number: nothing.
pub(crate) fn question(stand_ins: &StandIns, number: usize) -> Ask {
    let services = stand_ins.services();
    let url = format!("{}/search/setlists?date=14-06-2019&p={number}", services.setlist_fm);
    let headers = vec![("x-api-key", services.setlist_fm_key.clone())];
    Ask { headers, ..Ask::get(Target::SetlistFm, url) }
}

/// Asks as a client does that reads nothing.
pub(crate) async fn put(fetch: &dyn Fetch, ask: &Ask) -> Result<(), Unanswered> {
    let service = ask.service;
    let mut judge = |reply: &Reply| match reply.status {
        404 if reply.body.starts_with(b"{") => {
            Ok(Answer::Shows { date: "2019-06-14".parse().unwrap(), found: false })
        }
        429 => Err(Unanswered::Limited { service, status: 429, after: reply.retry_after }),
        403 => Err(Unanswered::Refused { service, reason: "status 403".to_owned() }),
        200 | 404 => Err(Unanswered::Garbled { service, reason: "no answer".to_owned() }),
        status => Err(Unanswered::Failed { service, reason: format!("status {status}") }),
    };
    fetch.fetch(ask, &mut judge).await
}
