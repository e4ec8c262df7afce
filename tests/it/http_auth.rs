//! The API is for those who know a token, or for this host; health and metrics are for all.

use serde_json::{Value, json};

use super::support::http::{Call, ready};
use super::support::process::run;
use super::support::stage::Stage;
use super::support::worker::Worker;

const PATH: &str = "/api/v1/queues/rehearsals/jobs/none";

fn act() -> Value {
    json!({ "kind": "rehearse", "payload": { "act": "return" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_the_tokens_opens_the_api() {
    let stage = need!(Stage::new()).with_rehearsals(1).set("http.tokens", "old-secret,new-secret");
    let worker = Worker::start(&stage).await;
    let nobody = Call::get(PATH).send(worker.http).await;
    nobody.problem(401);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer realm=\"roadie\""));
    for wrong in ["Bearer secret", "Bearer old-secret,new-secret", "Basic old-secret", "Bearer"] {
        Call::get(PATH).with("Authorization", wrong).send(worker.http).await.problem(401);
        let post = Call::post("rehearsals", &act()).with("Authorization", wrong);
        post.send(worker.http).await.problem(401);
    }
    // What is there is not told either.
    Call::get("/api/v1/nothing").send(worker.http).await.problem(401);
    for token in ["old-secret", "new-secret"] {
        let authorized = |call: Call| call.with("Authorization", format!("Bearer {token}"));
        authorized(Call::get(PATH)).send(worker.http).await.problem(404);
        // From wherever: a browser does not know it.
        let post = authorized(Call::post("rehearsals", &act())).with("Host", "roadie.example");
        assert_eq!(post.send(worker.http).await.status, 201);
    }
    ready(worker.http).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        let open = Call::get(path).with("Host", "roadie.example").send(worker.http).await;
        assert_eq!(open.status, 200, "{open:?}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_web_pages_are_kept_out() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let worker = Worker::start(&stage).await;
    let post = || Call::post("rehearsals", &act());
    assert_eq!(post().send(worker.http).await.status, 201);
    for call in [
        post().with("Host", "evil.example"),
        post().with("Host", "127.0.0.1.evil.example"),
        post().with("Origin", "https://evil.example"),
        post().with("Sec-Fetch-Site", "cross-site"),
        Call::get(PATH).with("Host", "evil.example"),
    ] {
        call.send(worker.http).await.problem(403);
    }
    // What a form of a page can send.
    for content_type in ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded"] {
        post().with("Content-Type", content_type).send(worker.http).await.problem(415);
    }
    worker.stop().await;
}

#[tokio::test]
async fn others_are_not_served_without_a_token() {
    let stage = need!(Stage::new()).set("http.listen", "0.0.0.0:0");
    let refused = run(&stage, &["run"]).await;
    assert_eq!(refused.code, 64, "{refused:?}");
    for word in [
        "http.listen is 0.0.0.0:0",
        "http.tokens is empty",
        "ROADIE_HTTP__TOKENS",
        "http.api = false",
    ] {
        assert!(refused.err.contains(word), "{refused:?}");
    }
    // Nothing else is wrong with it.
    for (key, value) in [("http.api", "false"), ("http.tokens", "secret")] {
        let stage = need!(Stage::new()).set("http.listen", "0.0.0.0:0").set(key, value);
        assert_eq!(run(&stage, &["migrate"]).await.code, 0);
    }
    let stage = need!(Stage::new()).set("http.tokens", "a b");
    let refused = run(&stage, &["run"]).await;
    assert!(refused.err.contains("http.tokens: number 1"), "{refused:?}");
    assert!(!refused.err.contains("a b"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_can_be_switched_off() {
    let stage = need!(Stage::new()).with_rehearsals(1).set("http.api", false);
    let worker = Worker::start(&stage).await;
    assert_eq!(Call::post("rehearsals", &act()).send(worker.http).await.status, 404);
    assert_eq!(Call::get("/livez").send(worker.http).await.status, 200);
    worker.stop().await;
}
