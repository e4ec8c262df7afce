//! A Redis user with no more rights than Roadie needs.

use std::sync::Arc;

use bullmq::JobState;
use serde_json::json;

use super::support::apalis::Producer;
use super::support::eventually;
use super::support::operator::day_at_work;
use super::support::process::{Process, run};
use super::support::redis::{RedisServer, complete, free_port};
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";
const MANUAL: &str = include_str!("../../config/default.toml");

/// The rule as the manual has it.
fn rule(prefix: &str) -> String {
    let rule =
        MANUAL.lines().find_map(|line| line.strip_prefix("#   ACL SETUSER roadie ")).unwrap();
    rule.replace("~bull:*", &format!("~{prefix}:*")).replace(">secret", ">p@ss:w/rd")
}

/// A server that knows nobody else over TCP.
fn guarded(more: &str) -> Option<(Arc<RedisServer>, Stage)> {
    let port = free_port();
    let redis = Arc::new(RedisServer::start(&["--port", &port.to_string()]).ok()?);
    let stage = Stage::on(Arc::clone(&redis)).with_rehearsals(4);
    redis.ask::<()>(&format!("ACL SETUSER roadie {} {more}", rule(&stage.prefix))).unwrap();
    let url = format!("redis://roadie:p%40ss%3Aw%2Frd@127.0.0.1:{port}");
    Some((redis, stage.set("redis.url", url)))
}

/// What a day at work asks for.
async fn works(stage: &Stage) {
    let said = run(stage, &["check"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let mut process = Process::serving(stage).await;
    let payload = r#"{"act":"steps","steps":2,"stepMs":10}"#;
    let said = run(stage, &["enqueue", QUEUE, "rehearse", payload, "--watch"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let retried = json!({ "act": "return", "failures": 1 });
    let retried = stage.add(QUEUE, "rehearse", retried).await;
    let later = stage.add(QUEUE, "rehearse", json!({ "act": "postpone", "afterMs": 50 })).await;
    let dead = stage.add(QUEUE, "rehearse", json!({ "act": "discard" })).await;
    stage.reached(QUEUE, &dead, JobState::Failed).await;
    for id in [&retried, &later] {
        stage.completed(QUEUE, id).await;
    }
    for command in [&["queues"][..], &["jobs", "list", QUEUE, "--state", "failed"]] {
        let said = run(stage, command).await;
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains(if command.len() == 1 { QUEUE } else { &dead }), "{said:?}");
    }
    day_at_work(stage, QUEUE).await;
    super::support::http::ready(process.http()).await;
    let (status, _) = super::support::http::get(process.http(), "/metrics").await;
    assert_eq!(status, 200);
    assert!(process.runs(), "{}", process.log());
    assert!(!process.log().contains("NOPERM"), "{}", process.log());
    process.kill().await;
}

#[tokio::test]
async fn the_rule_of_the_manual_is_enough() {
    need!(complete());
    let (redis, stage) = guarded("").unwrap();
    works(&stage).await;
    let denied: Vec<redis::Value> = redis.ask("ACL LOG").unwrap();
    // `CLIENT SETINFO` of older servers aside, nothing was asked for in vain.
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn an_intake_needs_no_more_than_the_keys_of_its_tasks() {
    need!(complete());
    let (redis, stage) = guarded("~tasks:*").unwrap();
    let stage = stage.set("intake.apalis.drills.kind", "rehearse");
    let stage = stage.set("intake.apalis.drills.namespace", "tasks");
    let process = Process::serving(&stage).await;
    let mut producer = Producer::to(&redis.url(), "tasks").await;
    producer.push_as("quiet", json!({ "act": "return" }), |task| task).await;
    stage.completed(QUEUE, "drills.quiet").await;
    let books = producer.key("meta:quiet");
    eventually("the books tell of it", async || {
        match redis.ask::<Option<String>>(&format!("HGET {books} status")).unwrap().as_deref() {
            Some("Done") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let denied: Vec<redis::Value> = redis.ask("ACL LOG").unwrap();
    assert!(denied.is_empty(), "{denied:?}");
    process.kill().await;
}

#[tokio::test]
async fn a_user_who_may_not_look_at_the_server_works_all_the_same() {
    need!(complete());
    let (_redis, stage) = guarded("-info -role -client").unwrap();
    works(&stage).await;
    let said = run(&stage, &["check"]).await;
    let line = said.out.lines().find(|line| line.starts_with("ok     redis")).unwrap();
    assert!(line.contains("maxmemory-policy") && line.contains("INFO"), "{line}");
}

#[tokio::test]
async fn rights_that_are_missing_are_named_and_the_password_is_not() {
    need!(complete());
    let (redis, stage) = guarded("-@scripting").unwrap();
    let said = run(&stage, &["enqueue", QUEUE, "rehearse", r#"{"act":"return"}"#]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("NoPerm: this user has no permissions to run"), "{said:?}");
    redis.ask::<()>("ACL SETUSER roadie resetpass >other").unwrap();
    let said = run(&stage, &["check"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("roadie:***@"), "{said:?}");
    assert!(!said.out.contains("p%40ss") && !said.out.contains("p@ss"), "{said:?}");
}
