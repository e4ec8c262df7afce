//! Queues are looked at, paused and resumed over HTTP.

use serde_json::{Value, json};

use super::support::http::{Answer, Call};
use super::support::play::{PLAYS, call, part};
use super::support::stage::Stage;
use super::support::worker::Worker;

fn show(queue: &str) -> Call {
    Call::get(&format!("/api/v1/queues/{queue}"))
}

fn pause(queue: &str, body: &Value) -> Call {
    Call::new("PUT", &format!("/api/v1/queues/{queue}/pause")).json(body.to_string())
}

fn resume(queue: &str, whose: &str) -> Call {
    Call::new("DELETE", &format!("/api/v1/queues/{queue}/pause{whose}"))
}

fn ok(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_paused_and_goes_on() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    let empty = ok(&show(PLAYS).send(worker.http).await);
    assert_eq!((&empty["paused"], &empty["pauses"]), (&json!(false), &json!([])));

    let ann = json!({ "by": "ann", "reason": "load in", "for": 3_600_000 });
    let paused = ok(&pause(PLAYS, &ann).send(worker.http).await);
    assert_eq!(paused["paused"], true);
    let own = &paused["pauses"][0];
    assert_eq!((&own["owner"], &own["reason"]), (&json!("ann"), &json!("load in")));
    let time = |text: &Value| chrono::DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap();
    assert_eq!((time(&own["until"]) - time(&own["since"])).num_hours(), 1);
    let until = json!({ "reason": "x", "until": "2090-01-01T00:00:00+01:00" });
    let both = ok(&pause(PLAYS, &until).send(worker.http).await);
    assert_eq!(both["pauses"][1]["owner"], "HTTP API");
    assert_eq!(both["pauses"][1]["until"], "2089-12-31T23:00:00.000Z");

    let part = part(async |_, _| Ok(json!("played")));
    let id = stage.add(PLAYS, "play", call(&part, 0)).await;
    let all = ok(&Call::get("/api/v1/queues").send(worker.http).await);
    let names: Vec<&Value> =
        all["queues"].as_array().unwrap().iter().map(|queue| &queue["queue"]).collect();
    assert_eq!(names, ["photo-processing", PLAYS]);
    assert_eq!(all["queues"][1]["jobs"]["waiting"], 1);
    assert_eq!(all["queues"][1]["pauses"], both["pauses"]);

    let others = resume(PLAYS, "?by=eve").send(worker.http).await.problem(409);
    assert!(others["detail"].as_str().unwrap().contains("but by ann, HTTP API"), "{others}");
    let left = ok(&resume(PLAYS, "").send(worker.http).await);
    assert_eq!((&left["paused"], left["pauses"].as_array().unwrap().len()), (&json!(true), 1));
    let open = ok(&resume(PLAYS, "?by=ann").send(worker.http).await);
    assert_eq!((&open["paused"], &open["pauses"]), (&json!(false), &json!([])));
    assert_eq!(stage.returned(PLAYS, &id).await, "played");
    // What is open stays so.
    ok(&resume(PLAYS, "?by=ann").send(worker.http).await);
    ok(&pause(PLAYS, &ann).send(worker.http).await);
    assert_eq!(ok(&resume(PLAYS, "?all=true").send(worker.http).await)["paused"], false);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_pause_is_named_with_its_place() {
    let stage = need!(Stage::new()).with_plays(1);
    let worker = Worker::start(&stage).await;
    for (body, pointer) in [
        (json!({}), "/reason"),
        (json!(["x", null, null, null]), ""),
        (json!({ "reason": 7 }), "/reason"),
        (json!({ "reason": "x".repeat(501) }), "/reason"),
        (json!({ "reason": "x", "by": " " }), "/by"),
        (json!({ "reason": "x", "for": 0 }), "/for"),
        (json!({ "reason": "x", "for": "2h" }), "/for"),
        (json!({ "reason": "x", "until": "soon" }), "/until"),
        (json!({ "reason": "x", "until": "2020-01-01T00:00:00Z" }), "/until"),
        (json!({ "reason": "x", "until": "2090-01-01T00:00:00Z", "for": 1 }), "/until"),
        (json!({ "reason": "x", "owner": "ann" }), "/owner"),
    ] {
        let problem = pause(PLAYS, &body).send(worker.http).await.problem(422);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body} → {problem}");
    }
    let text = Call::new("PUT", &format!("/api/v1/queues/{PLAYS}/pause")).json("{");
    text.send(worker.http).await.problem(400);
    pause("nowhere", &json!({ "reason": "x" })).send(worker.http).await.problem(404);
    show("nowhere").send(worker.http).await.problem(404);
    for whose in ["?by=%20", "?all=perhaps", "?who=ann"] {
        resume(PLAYS, whose).send(worker.http).await.problem(400);
    }
    assert_eq!(ok(&show(PLAYS).send(worker.http).await)["paused"], false);
    worker.stop().await;
}
