//! Whoever has the link of an export gets its file, for some time.

use serde_json::json;

use super::exports::serving;
use super::support::eventually;
use super::support::history::concerts;
use super::support::http::Call;
use super::support::process::run;
use super::support::s3::S3Server;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const QUEUE: &str = "exports";

/// What a browser gets that follows a link.
async fn fetched(url: &str) -> (u16, String) {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let call = Call::get(&format!("/{path}")).with("Host", host);
    let answer = call.send(host.parse().unwrap()).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_link_lets_in_for_a_while_and_upkeep_removes_the_file() {
    let stage = serving(need!(Stage::new()));
    let server = S3Server::start(&stage).await;
    server.bucket("exports");
    let stage = server.on(stage);
    let user = user();
    concerts(&stage, user, 10).await;
    let worker = Worker::start(&stage).await;
    let ask = json!({ "exportId": "e-1", "userId": user, "format": "csv" });
    let id = stage.add(QUEUE, "export-history", ask.clone()).await;
    let answer = stage.returned(QUEUE, &id).await;
    let key = answer["key"].as_str().unwrap();
    let head = server.client().head_object().bucket("exports").key(key).send().await.unwrap();
    assert_eq!(head.cache_control(), Some("private, no-store"));
    assert_eq!(
        head.content_disposition(),
        Some("attachment; filename=\"concert-history-e-1.csv\"")
    );
    assert!(head.content_type().unwrap().starts_with("text/csv"));
    let url = answer["url"].as_str().unwrap();
    assert!(url.contains("X-Amz-Expires=3600&") && url.contains("X-Amz-Signature="), "{url}");
    let object = std::fs::read_to_string(server.bucket("exports").join(key)).unwrap();
    assert_eq!(fetched(url).await, (200, object));
    // Whoever changes it, or asks for somebody else's.
    let (before, signature) = url.split_once("X-Amz-Signature=").unwrap();
    let forged: String = signature.chars().rev().collect();
    assert_eq!(fetched(&format!("{before}X-Amz-Signature={forged}")).await.0, 403);
    assert_eq!(fetched(&url.replace("e-1.csv", "e-2.csv")).await.0, 403);
    let (expires, removed) = (&answer["urlExpiresAt"], &answer["expiresAt"]);
    assert!(expires.as_i64().unwrap() < removed.as_i64().unwrap());
    let catalogue = stage.catalogue().await;
    let known = catalogue.exports(user).await.unwrap();
    assert_eq!((known.len(), known[0].expires_at), (1, removed.as_i64().unwrap()));
    worker.drain().await;

    let brief = stage.set("exports.link_lasts", "1s");
    let worker = Worker::start(&brief).await;
    let ask = json!({ "exportId": "e-0", "userId": user, "format": "csv" });
    let id = brief.add(QUEUE, "export-history", ask).await;
    let answer = brief.returned(QUEUE, &id).await;
    eventually("the link is over", async || match fetched(answer["url"].as_str().unwrap()).await {
        (403, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    worker.drain().await;

    // A process whose clock cannot be moved keeps files for a shorter time instead.
    let shorter = brief.set("exports.keep", "1ms").set("exports.every", "20ms");
    let worker = Worker::start(&shorter).await;
    let ask = json!({ "exportId": "e-2", "userId": user, "format": "json" });
    shorter.add(QUEUE, "export-history", ask.clone()).await;
    eventually("the file is removed", async || {
        let known = catalogue.exports(user).await.unwrap();
        let brief = known.iter().find(|export| export.export_id == "e-2").map(|e| e.state);
        let object = server.bucket("exports").join(format!("exports/{user}/e-2.json"));
        match brief {
            Some(roadie_jobs::effects::catalogue::ExportState::Removed) if !object.exists() => {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(server.bucket("exports").join(key).exists(), "the other one has its time");
    let id = shorter.add(QUEUE, "export-history", ask).await;
    let reason = shorter.failed(QUEUE, &id).await;
    assert!(reason.failed_reason().contains("needs a new exportId"), "{}", reason.failed_reason());
    worker.stop().await;
    let checked = run(&shorter, &["check"]).await;
    assert!(checked.out.contains("bucket exports, keys exports/…"), "{}", checked.out);
}
