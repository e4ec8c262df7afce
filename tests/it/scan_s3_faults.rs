//! Buckets and objects that cannot be read.

use roadie_jobs::effects::catalogue::OutcomeStatus;
use serde_json::json;

use super::support::photos::PHONE;
use super::support::s3::S3Server;
use super::support::stage::{Stage, user};
use super::support::worker::Worker;

const SCANS: &str = "photo-processing";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_cannot_be_read_is_named() {
    let stage = need!(Stage::new());
    let server = S3Server::start(&stage).await;
    server.put("photos", "a.jpg", &PHONE.jpeg());
    for (bucket, secret, why) in [
        ("nowhere", None, "there is no bucket `nowhere`"),
        ("photos", Some("wrong"), "access to bucket `photos` is denied"),
    ] {
        let stage = server.on(need!(Stage::new()));
        let stage = match secret {
            Some(secret) => stage.set("objects.secret_access_key", secret),
            None => stage,
        };
        let worker = Worker::start(&stage).await;
        let payload = json!({ "userId": user(), "bucket": bucket });
        let id = stage.add(SCANS, "scan-s3", payload).await;
        let job = stage.failed(SCANS, &id).await;
        assert!(job.failed_reason().contains(why), "{}", job.failed_reason());
        let letter = stage.letter(&id).await;
        assert_eq!((letter.reason.as_str(), letter.attempts), ("discarded", 1));
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_vanishes_meanwhile_is_that_objects_problem() {
    let stage = need!(Stage::new());
    let victim = stage.folder("s3/photos").join("b.jpg");
    let gone = victim.clone();
    let server = S3Server::meddled(&stage, move |asked, _| {
        // Listed, but not there any more when it is read.
        if asked.range.is_some() {
            let _ = std::fs::remove_file(&gone);
        }
    })
    .await;
    for key in ["a.jpg", "b.jpg", "c.jpg"] {
        server.put("photos", key, &PHONE.jpeg());
    }
    // One at a time, so that `a` is read before `b`.
    let stage = server.on(stage).set("photos.read_ahead", 1);
    let worker = Worker::start(&stage).await;
    let user = user();
    let payload = json!({ "userId": user, "bucket": "photos" });
    let id = stage.add(SCANS, "scan-s3", payload).await;
    let result = stage.returned(SCANS, &id).await;
    assert_eq!((&result["catalogued"], &result["failed"]), (&json!(2), &json!(1)));
    let catalogue = stage.catalogue().await;
    let outcomes = catalogue.photo_outcomes(user, None, 100).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!((outcomes[0].name.as_str(), outcomes[0].status), ("b.jpg", OutcomeStatus::Failed));
    assert!(outcomes[0].note.reason.contains("no object `b.jpg`"), "{outcomes:?}");
    assert!(!victim.exists());
    worker.stop().await;
}
