//! A store keeps versions of what was removed, and parts of what was never completed: an erased user's go, too.

use serde_json::json;

use super::support::neighbours::PRIVACY;
use super::support::stage::{Stage, user};
use super::support::versions::{Kept, VersionedStore};
use super::support::worker::Worker;

/// Versions and markers together are more than a store lists at once, and so are uploads.
const REMOVED: usize = 510;
const UPLOADS: usize = 210;

#[tokio::test]
async fn versions_and_uploads_of_an_erased_user_go() {
    let stage = need!(Stage::new());
    let mut store = need!(VersionedStore::start(&["images", "exports"]));
    let user = user();
    // The number of the one begins that of the other.
    let (variants, exports) = (format!("variants/{user}/"), format!("exports/{user}/"));
    let others =
        [("images", format!("variants/{user}0/")), ("exports", format!("exports/{user}0/"))];
    store.fill("images", &variants, REMOVED, UPLOADS);
    store.fill("exports", &exports, 2, 3);
    for (bucket, prefix) in &others {
        store.fill(bucket, prefix, 2, 3);
    }
    let put = store.client.put_object().bucket("exports").key(format!("{exports}e-1.csv"));
    put.send().await.unwrap();

    let stage = store.on(stage).set("queues.privacy.weight", 1);
    let worker = Worker::start(&stage).await;
    let payload = json!({ "requestId": "r", "userId": user });
    let id = stage.add(PRIVACY, "delete-user", payload).await;
    let receipt = stage.returned(PRIVACY, &id).await;
    let nothing = Kept { versions: 0, markers: 0, uploads: 0 };
    assert_eq!(store.kept("images", &variants).await, nothing);
    assert_eq!(store.kept("exports", &exports).await, nothing);
    for (bucket, prefix) in &others {
        let kept = store.kept(bucket, prefix).await;
        assert_eq!(kept, Kept { versions: 2, markers: 2, uploads: 3 }, "{prefix}");
    }
    // Uploads were no objects yet.
    assert_eq!(receipt["removed"]["objects"], json!({ "variants": 2 * REMOVED, "exports": 5 }));
    worker.stop().await;
}
