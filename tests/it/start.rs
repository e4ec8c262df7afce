//! A process that cannot do its work says why, and what to do about it.

use std::sync::Arc;
use std::time::Duration;

use super::support::process::{Process, run};
use super::support::redis::RedisServer;
use super::support::stage::Stage;

const LIMIT: Duration = Duration::from_secs(20);

on_both_databases!(the_schema_is_a_step_of_its_own);

async fn the_schema_is_a_step_of_its_own(stage: Stage) {
    let stage = stage.set("database.migrate_on_start", false);
    let refused = run(&stage, &["run"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("lacks migrations (0001"), "{refused:?}");
    assert!(refused.err.contains("run `roadie migrate`"), "{refused:?}");
    let check = run(&stage, &["check"]).await;
    assert_eq!(check.code, 1);
    assert!(check.out.contains("FAULT  database"), "{check:?}");

    let dry = run(&stage, &["migrate", "--dry-run"]).await;
    assert_eq!(dry.code, 1, "{dry:?}");
    assert!(dry.out.starts_with("pending: 0001"), "{dry:?}");
    // It was dry.
    assert_eq!(run(&stage, &["migrate", "--dry-run"]).await.out, dry.out);
    // A deployment may start it everywhere at once.
    let (one, other) = tokio::join!(run(&stage, &["migrate"]), run(&stage, &["migrate"]));
    assert_eq!((one.code, other.code), (0, 0), "{one:?} {other:?}");
    let applied = [&one, &other].map(|said| said.out.matches("applied: 0001").count());
    assert_eq!(applied.iter().sum::<usize>(), 1, "{one:?} {other:?}");
    let dry = run(&stage, &["migrate", "--dry-run"]).await;
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(dry.out.starts_with("0 migrations to apply"), "{dry:?}");
    let check = run(&stage, &["check"]).await;
    assert_eq!(check.code, 0, "{check:?}");
    assert!(check.out.contains("everything is in order"), "{check:?}");
    Process::serving(&stage).await.kill().await;
}

#[tokio::test]
async fn check_names_every_fault_at_once() {
    let stage = need!(Stage::new());
    let file = stage.folder("not-a-database").display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let stage = stage
        .set("http.listen", &address)
        .set("redis.url", "redis+unix:///nowhere/redis.sock")
        .set("database.url", format!("sqlite://{file}"))
        .set("folders.roots", "/nowhere/photos");
    let said = run(&stage, &["check"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    for (fault, named) in [
        ("redis", "/nowhere/redis.sock"),
        ("database", "not-a-database"),
        ("folders", "/nowhere/photos"),
        ("http", &address),
    ] {
        let line = said.out.lines().find(|line| line.starts_with(&format!("FAULT  {fault}")));
        assert!(line.is_some_and(|line| line.contains(named)), "{fault}: {said:?}");
    }
    assert!(said.out.contains("ok     objects"), "{said:?}");
    assert!(said.out.contains("4 of 10 checks failed"), "{said:?}");
}

#[tokio::test]
async fn an_unknown_key_is_named_with_the_one_that_was_meant() {
    let stage = need!(Stage::new()).set("worker.slotz", 4).set("worker.lease", "soon");
    let mut process = Process::start(&stage);
    assert_eq!(process.exit(LIMIT).await, 64);
    process.logged("unknown key `worker.slotz`; did you mean `slots`?").await;
    process.logged("worker.lease: `soon` is not a duration").await;
    let said = run(&stage, &["queues"]).await;
    assert_eq!(said.code, 64);

    let stage = need!(Stage::new()).set("worker.lease", "10ms").set("redis.prefix", "");
    let said = run(&stage, &["run"]).await;
    assert_eq!(said.code, 64);
    for fault in ["worker.lease", "redis.prefix"] {
        assert!(said.err.contains(fault), "{said:?}");
    }
}

#[tokio::test]
async fn settings_for_a_kind_that_does_not_exist_are_refused() {
    let stage = need!(Stage::new()).set("kinds.scan-floppy.attempts", 9);
    for command in ["run", "check"] {
        let said = run(&stage, &[command]).await;
        assert_eq!(said.code, 64, "{said:?}");
        assert!(said.err.contains("kinds.scan-floppy is configured"), "{said:?}");
        assert!(said.err.contains("scan-folder, scan-s3"), "{said:?}");
    }
    // Who only looks may meet kinds of other processes.
    assert_eq!(run(&stage, &["queues"]).await.code, 0);
}

#[tokio::test]
async fn a_log_filter_that_is_none_is_a_fault_of_the_configuration() {
    let stage = need!(Stage::new()).set("log.level", "roadie=loudly");
    for command in ["run", "check"] {
        let said = run(&stage, &[command]).await;
        assert_eq!(said.code, 64, "{said:?}");
        assert!(said.err.contains("log.level `roadie=loudly` is not a filter"), "{said:?}");
    }
}

#[tokio::test]
async fn a_redis_that_may_evict_jobs_is_refused_unless_it_is_accepted_by_name() {
    let evicting = ["--maxmemory-policy", "allkeys-lru"];
    let redis = Arc::new(need!(RedisServer::start(&evicting)));
    let stage = Stage::on(redis);
    let said = run(&stage, &["run"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("maxmemory-policy is allkeys-lru"), "{said:?}");
    assert!(said.err.contains("redis.allow_eviction_policy = \"allkeys-lru\""), "{said:?}");
    let other = stage.set("redis.allow_eviction_policy", "volatile-lru");
    assert_eq!(run(&other, &["run"]).await.code, 1);
    let accepted = other.set("redis.allow_eviction_policy", "allkeys-lru");
    Process::serving(&accepted).await.kill().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let stage = need!(Stage::new());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let stage = stage.set("http.listen", address);
    let said = run(&stage, &["run"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&format!("listen on {address} (http.listen)")), "{said:?}");
}

#[tokio::test]
async fn secrets_are_not_printed() {
    let stage = need!(Stage::new());
    let stage = stage.set("redis.url", "redis://me:hunter2@127.0.0.1:1/0");
    let said = run(&stage, &["check"]).await;
    assert_eq!(said.code, 1);
    assert!(said.out.contains("redis://me:***@127.0.0.1:1/0"), "{said:?}");
    assert!(!said.out.contains("hunter2") && !said.err.contains("hunter2"), "{said:?}");
}
