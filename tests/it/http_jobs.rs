//! Jobs come in over HTTP, each for itself, and what is wrong with one is told.

use serde_json::{Value, json};

use super::support::http::{Answer, Call};
use super::support::play::{PLAYS, call, part};
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::worker::Worker;
use super::support::{eventually, next};

fn act() -> Value {
    json!({ "kind": "rehearse", "payload": { "act": "return", "value": 7 } })
}

fn job_path(queue: &str, id: &str) -> String {
    format!("/api/v1/queues/{queue}/jobs/{id}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_comes_in_runs_and_can_be_looked_at() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let worker = Worker::start(&stage).await;
    let body = json!({
        "kind": "rehearse", "payload": { "act": "steps", "steps": 2, "stepMs": 1 }, "jobId": "über uns/1",
        "priority": "low", "attempts": 5, "backoff": { "type": "exponential", "delay": 50, "jitter": 0.5 },
        "removeOnComplete": { "count": 10 }, "removeOnFail": false, "deduplication": { "id": "d", "ttl": 60_000 },
    });
    let added = Call::post("rehearsals", &body).send(worker.http).await;
    assert_eq!((added.status, added.id().as_str()), (201, "über uns/1"), "{added:?}");
    let path = added.header("location").unwrap().to_owned();
    assert_eq!(path, job_path("rehearsals", "%C3%BCber%20uns%2F1"));

    let job = eventually("it has completed", async || {
        let job = Call::get(&path).send(worker.http).await.json();
        if job["state"] == "completed" { Ok(job) } else { Err(job.to_string()) }
    })
    .await;
    for (member, value) in [
        ("id", json!("über uns/1")),
        ("queue", json!("rehearsals")),
        ("kind", json!("rehearse")),
        ("payload", body["payload"].clone()),
        ("priority", json!(100)),
        ("delay", json!(0)),
        ("attempts", json!(5)),
        ("attemptsMade", json!(1)),
        ("progress", json!({ "step": 2, "of": 2 })),
        ("returnValue", json!({ "steps": 2, "resumedAt": 0 })),
    ] {
        assert_eq!(job[member], value, "{job}");
    }
    for time in ["addedAt", "startedAt", "finishedAt"] {
        assert!(job[time].as_str().is_some_and(|time| time.ends_with('Z')), "{job}");
    }
    // As BullMQ's clients read them.
    let options = stage.field("rehearsals", "über uns/1", "opts").await.unwrap();
    let options: Value = serde_json::from_str(&options).unwrap();
    assert_eq!(options["backoff"], body["backoff"]);
    assert_eq!(options["removeOnComplete"], body["removeOnComplete"]);
    assert_eq!(options["de"], body["deduplication"]);

    // The same id, and the same deduplication.
    let again = Call::post("rehearsals", &body).send(worker.http).await;
    assert_eq!((again.status, again.json()["outcome"].clone()), (200, json!("existing")));
    let other = json!({ "kind": "rehearse", "payload": { "act": "return" }, "deduplication": { "id": "d" } });
    let other = Call::post("rehearsals", &other).send(worker.http).await;
    assert_eq!(other.json(), json!({ "id": "über uns/1", "outcome": "deduplicated" }));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_batch_stand_for_themselves_and_keep_their_order() {
    let stage = need!(Stage::new()).with_plays(1);
    let (sender, mut played) = tokio::sync::mpsc::unbounded_channel();
    let part = part(move |_, line| {
        sender.send(line).unwrap();
        async { Ok(Value::Null) }
    });
    let worker = Worker::start(&stage).await;
    let mut jobs: Vec<Value> =
        (0..1_000).map(|n| json!({ "kind": "play", "payload": call(&part, n) })).collect();
    jobs[3] = json!({ "kind": "play", "payload": { "line": 3 } });
    jobs[500] = json!({ "kind": "encore", "payload": {} });
    jobs[999] = json!({ "kind": "play", "payload": call(&part, 999), "jobId": "7" });
    let answer = Call::post(PLAYS, &json!({ "jobs": jobs })).send(worker.http).await;
    assert_eq!(answer.status, 207, "{answer:?}");
    assert_eq!(answer.json()["refused"], 3);
    let results = answer.json()["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 1_000);
    let refused: Vec<usize> =
        (0..1_000).filter(|n| results[*n]["problem"]["status"] == 422).collect();
    assert_eq!(refused, [3, 500, 999]);
    assert_eq!(
        results[3]["problem"]["errors"],
        json!([{ "index": 3, "pointer": "/jobs/3/payload/part",
                 "detail": "payload of play: missing field `part`" }])
    );
    assert_eq!(results[500]["problem"]["errors"][0]["pointer"], "/jobs/500/kind");
    for n in (0..1_000).filter(|n| !refused.contains(n)) {
        assert_eq!(next(&mut played).await, json!(n));
        assert_eq!(results[n]["outcome"], "added");
    }

    let all_wrong = json!({ "jobs": [{ "kind": "encore", "payload": {} }, 5] });
    let problem = Call::post(PLAYS, &all_wrong).send(worker.http).await.problem(422);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
    assert_eq!(problem["instance"], format!("/api/v1/queues/{PLAYS}/jobs"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_are_told_what_is_wrong_with_them() {
    let stage = need!(Stage::new()).with_rehearsals(1).set("http.max_body", 50_000);
    let worker = Worker::start(&stage).await;
    let send = async |call: Call| call.send(worker.http).await;
    let post = |body: Vec<u8>| Call::post("rehearsals", &Value::Null).json(body);
    let text = |body: &str| post(body.as_bytes().to_vec());

    let deep = [vec![b'['; 20_000], vec![b']'; 20_000]].concat();
    let nested = r#"{"kind":"rehearse","payload":"#.to_owned() + &"{\"a\":".repeat(5_000);
    for body in [
        b"".to_vec(),
        b"{".to_vec(),
        b"\0".to_vec(),
        b"{\"kind\":\"\xff\xfe\"}".to_vec(),
        "{}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        b"{\"kind\":\"\\ud800\",\"payload\":{}}".to_vec(),
        b"{\"kind\":\"rehearse\",\"payload\":{\"value\":1e999}}".to_vec(),
        b"{\"kind\":\"rehearse\",\"payload\":{}} trailing".to_vec(),
        deep,
        nested.into_bytes(),
    ] {
        send(post(body)).await.problem(400);
    }
    for (body, pointer) in [
        ("[]", ""),
        ("null", ""),
        ("{}", "/kind"),
        (r#"{"kind":"rehearse\u0000","payload":{}}"#, "/kind"),
        (r#"{"kind":"rehearse","payload":[]}"#, "/payload"),
        (r#"{"kind":"rehearse","payload":{"act":"dance"}}"#, "/payload"),
        (r#"{"kind":"rehearse","payload":{"act":"panic"},"priority":-1}"#, "/priority"),
        (r#"{"kind":"rehearse","payload":{"act":"panic"},"delay":99999999999999999999}"#, "/delay"),
        (r#"{"kind":"rehearse","payload":{"act":"panic"},"attempts":1e300}"#, "/attempts"),
        (r#"{"kind":"rehearse","payload":{"act":"panic"},"jobId":"12"}"#, "/jobId"),
        (r#"{"kind":"rehearse","payload":{"act":"panic"},"jobId":"a:b"}"#, "/jobId"),
        (r#"{"kind":"rehearse","payload":{"act":"panic"},"jobId":"a\u0000"}"#, "/jobId"),
        (r#"{"kind":"rehearse","payload":{"act":"panic"},"jobId":"wait"}"#, "/jobId"),
        (
            r#"{"kind":"rehearse","payload":{"act":"panic"},"deduplication":{"id":""}}"#,
            "/deduplication/id",
        ),
        (r#"{"jobs":[]}"#, "/jobs"),
        (r#"{"jobs":[],"kind":"rehearse"}"#, "/kind"),
    ] {
        let problem = send(text(body)).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    send(text(&format!("\"{}\"", "x".repeat(60_000)))).await.problem(413);
    send(text(&" ".repeat(900_000))).await.problem(413);
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
    {
        send(post(act().to_string().into()).with("Content-Type", content_type)).await.problem(415);
    }
    send(post(act().to_string().into()).with("Content-Encoding", "gzip")).await.problem(415);
    let bare = Call::new("POST", "/api/v1/queues/rehearsals/jobs").body(act().to_string());
    send(bare).await.problem(415);

    for queue in ["nowhere", "a:b", "photo-processing%00", "..", "%20"] {
        send(Call::post(queue, &act())).await.problem(404);
    }
    send(Call::post("%ff", &act())).await.problem(400);
    for id in [
        "1",
        "none",
        "wait",
        "meta",
        "events",
        "id",
        "1:logs",
        "%00",
        "%2e%2e",
        "9".repeat(300).as_str(),
    ] {
        send(Call::get(&job_path("rehearsals", id))).await.problem(404);
    }
    for path in ["/api/v1/queues/rehearsals/nothing", "/api/v1/nothing"] {
        send(Call::get(path)).await.problem(404);
    }
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = send(Call::new(method, "/api/v1/queues/rehearsals/jobs")).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), Some("POST"), "{answer:?}");
    }
    // Nothing of it came in.
    assert_eq!(stage.queues().await.depth("rehearsals", 0).await.unwrap().jobs, [0; 8]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_takes_nothing_is_named_as_the_reason() {
    let redis = std::sync::Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(std::sync::Arc::clone(&redis)).with_rehearsals(1);
    let worker = Worker::start(&stage).await;
    let set = async |name: &str, value: &str| {
        let mut redis = stage.queues().await.redis();
        redis::cmd("CONFIG")
            .arg("SET")
            .arg(name)
            .arg(value)
            .query_async::<()>(&mut redis)
            .await
            .unwrap();
    };
    let unavailable = |answer: &Answer, reason: &str| {
        let problem = answer.problem(503);
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
        assert_eq!(answer.header("retry-after"), Some("5"));
    };
    let batch = json!({ "jobs": vec![act(); 30] });
    for (setting, refusing, usual, reason) in
        [("maxmemory", "1", "0", "maxmemory"), ("min-replicas-to-write", "1", "0", "replicas")]
    {
        set(setting, refusing).await;
        for body in [&act(), &batch] {
            unavailable(&Call::post("rehearsals", body).send(worker.http).await, reason);
        }
        let keyed = Call::post("rehearsals", &act()).with("Idempotency-Key", reason);
        unavailable(&keyed.send(worker.http).await, reason);
        set(setting, usual).await;
        // The key was not used up by it.
        assert_eq!(keyed.send(worker.http).await.status, 201);
    }
    let added = Call::post("rehearsals", &act()).send(worker.http).await;
    assert_eq!(added.status, 201, "{added:?}");

    redis.kill();
    for call in [Call::post("rehearsals", &act()), Call::get(&job_path("rehearsals", "1"))] {
        unavailable(&call.send(worker.http).await, "Redis is not reachable");
    }
    redis.restart();
    eventually("jobs are taken again", async || {
        let answer = Call::post("rehearsals", &act()).send(worker.http).await;
        if answer.status == 201 { Ok(()) } else { Err(answer.body) }
    })
    .await;
    worker.stop().await;
}
