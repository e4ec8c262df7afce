//! A Cluster: all that is done on a single server, and the death of the node that holds the queues.

use std::time::Duration;

use bullmq::JobState;
use roadie_jobs::effects::Clock;
use serde_json::json;

use super::support::cluster::{Cluster, PATIENT};
use super::support::fleet::promised;
use super::support::operator::day_at_work;
use super::support::process::{Process, run};
use super::support::redis::shared;
use super::support::stage::{Stage, user};
use super::support::{Missing, photos, within};

const QUEUE: &str = "rehearsals";
const SCANS: &str = "photo-processing";
/// What is promised of a free machine.
const GOES_ON_WITHIN: Duration = Duration::from_secs(12);

async fn stage(down_after: Duration) -> Result<(Stage, Cluster), Missing> {
    let stage = Stage::on(shared()?).with_hash_tag().with_rehearsals(4);
    let cluster = Cluster::start(&stage.prefix, down_after).await?;
    let settings = cluster.settings().into_iter();
    Ok((settings.fold(stage, |stage, (key, value)| stage.set(key, value)), cluster))
}

#[tokio::test]
async fn jobs_of_all_sorts_are_done_in_a_cluster() {
    let (stage, _cluster) = need!(stage(PATIENT).await);
    let folder = stage.folder("photos");
    photos::write_many(&folder, 20);
    let stage = stage.set("folders.roots", folder.display());
    let said = run(&stage, &["check"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let process = Process::serving(&stage).await;
    let add = async |payload| stage.add(QUEUE, "rehearse", payload).await;
    let retried = add(json!({ "act": "return", "failures": 1 })).await;
    let later = add(json!({ "act": "postpone", "afterMs": 50 })).await;
    let steps = add(json!({ "act": "steps", "steps": 3, "stepMs": 5 })).await;
    let flow =
        add(json!({ "act": "children", "children": [{ "act": "return", "value": 1 }] })).await;
    let dead = add(json!({ "act": "discard" })).await;
    // A claim, progress under a key that lies elsewhere, and a return value.
    let payload = json!({ "userId": user(), "path": folder });
    let scan = stage.add(SCANS, "scan-folder", payload).await;
    for id in [&retried, &later, &steps, &flow] {
        stage.completed(QUEUE, id).await;
    }
    assert_eq!(stage.returned(SCANS, &scan).await["totalPhotos"], 20);
    stage.reached(QUEUE, &dead, JobState::Failed).await;
    let letter = stage.letter(&dead).await;
    let said = run(&stage, &["dead", "retry", &letter.id]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let said = run(&stage, &["queues"]).await;
    assert!(said.out.contains(QUEUE) && said.out.contains(SCANS), "{said:?}");
    day_at_work(&stage, QUEUE).await;
    process.kill().await;
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "the gap is what readers ask for")]
async fn work_goes_on_at_the_replica_of_a_node_that_dies() {
    let (stage, cluster) = need!(stage(Duration::from_millis(1_500)).await);
    let mut process = Process::serving(&stage).await;
    let queues = stage.queues().await;
    let before = stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
    stage.completed(QUEUE, &before).await;
    let long = json!({ "act": "steps", "steps": 30, "stepMs": 100 });
    let long = stage.add(QUEUE, "rehearse", long).await;
    stage.checkpoint(QUEUE, &long, |_| true).await;
    let fault = Clock::System.now_ms();
    cluster.home().kill();
    let job = || roadie::queue::NewJob {
        kind: "rehearse".to_owned(),
        payload: json!({ "act": "return" }),
        ..roadie::queue::NewJob::default()
    };
    let next = within(promised(GOES_ON_WITHIN), "a producer may add", async || {
        queues.add(QUEUE, job()).await.map_err(|e| format!("{e:?}"))
    })
    .await;
    stage.completed(QUEUE, &next).await;
    let gap = Clock::System.now_ms() - fault;
    eprintln!("cluster: the first job was done {gap} ms after its node had died");
    let job = stage.completed(QUEUE, &long).await;
    assert_eq!(job.failed_reason(), "");
    assert!(process.runs(), "{}", process.log());
    process.kill().await;
}

#[tokio::test]
async fn a_prefix_without_a_hash_tag_is_refused() {
    let stage = Stage::on(need!(shared())).set("redis.cluster_nodes", "127.0.0.1:1");
    let said = run(&stage, &["check"]).await;
    assert_eq!(said.code, 64, "{said:?}");
    assert!(said.err.contains("redis.prefix must hold a hash tag, such as \"{bull}\""), "{said:?}");
}

#[tokio::test]
async fn schedules_and_retention_are_looked_after_in_a_cluster() {
    let (stage, _cluster) = need!(stage(PATIENT).await);
    let stage = stage
        .set("schedules.tick.kind", "rehearse")
        .set("schedules.tick.payload", r#"{"act":"return"}"#)
        .set("schedules.tick.every", "200ms")
        .set("retention.every", "300ms")
        .set("retention.completed", 2)
        .set("retention.max_bytes", "1GB");
    let process = Process::serving(&stage).await;
    process.logged("finished jobs removed").await;
    assert!(!process.log().contains("WARN"), "{}", process.log());
    super::support::http::ready(process.http()).await;
    process.kill().await;
}
