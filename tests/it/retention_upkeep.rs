//! What is kept of finished jobs where their producer did not say, and within a budget of bytes.

use std::collections::BTreeSet;
use std::sync::Arc;

use bullmq::options::RedisConnectionOptions;
use bullmq::{FlowJob, FlowProducer, FlowProducerOptions, JobOptions, JobState};
use roadie_jobs::effects::Clock;
use roadie_jobs::effects::catalogue::DeadLetterFilter;
use serde_json::json;

use super::support::http::counted;
use super::support::process::{Process, run};
use super::support::redis::RedisServer;
use super::support::stage::Stage;
use super::support::{SOON, eventually};

const QUEUE: &str = "rehearsals";

/// Serves a queue whose finished jobs are looked after all the time.
fn stage(redis: Option<Arc<RedisServer>>) -> Result<Stage, super::support::Missing> {
    let stage = redis.map_or_else(Stage::new, |redis| Ok(Stage::on(redis)))?;
    Ok(stage.with_rehearsals(4).set("retention.every", "100ms"))
}

/// Finished jobs as other clients leave them, in any number: `ago` minutes ago, with a payload of so
/// many bytes and these options.
async fn finished(stage: &Stage, set: &str, ids: &[String], ago: i64, bytes: usize, opts: &str) {
    let base = format!("{}:{QUEUE}", stage.prefix);
    let ended = Clock::System.now_ms() - ago * 60_000;
    let payload = format!("{{\"act\":\"return\",\"pad\":\"{}\"}}", "x".repeat(bytes));
    for chunk in ids.chunks(500) {
        let mut pipe = redis::pipe();
        for id in chunk {
            let job = format!("{base}:{id}");
            let fields = [
                ("name", "rehearse"),
                ("data", &payload),
                ("opts", opts),
                ("atm", "1"),
                ("finishedOn", &ended.to_string()),
                ("failedReason", "the string broke"),
            ];
            pipe.hset_multiple(&job, &fields).ignore();
            pipe.rpush(format!("{job}:logs"), "tuned").ignore();
            pipe.hset(format!("{job}:processed"), "child", "1").ignore();
            pipe.zadd(format!("{base}:{set}"), id, ended).ignore();
        }
        pipe.query_async::<()>(&mut stage.queues().await.redis()).await.unwrap();
    }
}

fn ids(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{name}{i:05}")).collect()
}

async fn left(stage: &Stage, set: &str) -> BTreeSet<String> {
    redis::cmd("ZRANGE")
        .arg(format!("{}:{QUEUE}:{set}", stage.prefix))
        .arg(0)
        .arg(-1)
        .query_async(&mut stage.queues().await.redis())
        .await
        .unwrap()
}

/// Waits until exactly these are left.
async fn only(stage: &Stage, set: &str, wanted: &[&[String]]) {
    let wanted: BTreeSet<String> = wanted.iter().flat_map(|ids| ids.iter().cloned()).collect();
    eventually(&format!("{} {set} jobs are left", wanted.len()), async || {
        let left = left(stage, set).await;
        if left == wanted { Ok(()) } else { Err(format!("{} {left:?}", left.len())) }
    })
    .await;
}

/// Everything that Redis keeps of finished jobs and events, in bytes.
async fn occupied(stage: &Stage) -> u64 {
    let script = "local sum = 0 for _, key in ipairs(redis.call('KEYS', ARGV[1])) do \
                  sum = sum + redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) end return sum";
    redis::Script::new(script)
        .arg(format!("{}:{QUEUE}:*", stage.prefix))
        .invoke_async(&mut stage.queues().await.redis())
        .await
        .unwrap()
}

async fn keys(stage: &Stage, pattern: &str) -> Vec<String> {
    redis::cmd("KEYS")
        .arg(format!("{}:{QUEUE}:{pattern}", stage.prefix))
        .query_async(&mut stage.queues().await.redis())
        .await
        .unwrap()
}

#[tokio::test]
async fn count_and_age_bound_what_no_producer_spoke_of() {
    let stage = need!(stage(None))
        .set("queues.rehearsals.retention.completed", 300)
        .set("queues.rehearsals.retention.failed_for", "1h");
    let [old, new, kept] = ["old", "new", "kept"].map(|name| ids(name, 300));
    let [dead, fresh, few] = ["dead", "fresh", "few"].map(|name| ids(name, 300));
    finished(&stage, "completed", &old, 30, 10, "{}").await;
    finished(&stage, "completed", &kept, 90, 10, r#"{"removeOnComplete":false}"#).await;
    finished(&stage, "completed", &new, 1, 10, r#"{"removeOnComplete":null}"#).await;
    finished(&stage, "failed", &dead, 61, 10, r#"{"attempts":2}"#).await;
    finished(&stage, "failed", &few, 62, 10, r#"{"removeOnFail":{"age":86400}}"#).await;
    finished(&stage, "failed", &fresh, 30, 10, "{}").await;
    let process = Process::serving(&stage).await;
    only(&stage, "completed", &[&new, &kept]).await;
    only(&stage, "failed", &[&fresh, &few]).await;
    for gone in ["old*", "dead*"] {
        let rests: Vec<String> = keys(&stage, gone).await;
        assert!(rests.is_empty(), "{rests:?}");
    }
    assert_eq!(keys(&stage, "new*").await.len(), 900);
    // They failed elsewhere, so nobody had buried them.
    let catalogue = stage.catalogue().await;
    let counts = catalogue.dead_letter_counts().await.unwrap();
    assert_eq!(counts, [(QUEUE.to_owned(), "discarded".to_owned(), 300)]);
    let any = DeadLetterFilter { limit: 1, ..DeadLetterFilter::default() };
    let letter = catalogue.dead_letters(&any).await.unwrap().remove(0);
    assert_eq!((letter.error.as_str(), letter.attempts), ("the string broke", 1));
    assert!(letter.payload.contains("\"act\":\"return\""), "{}", letter.payload);

    for (state, reason, jobs) in [
        ("completed", "count", 300.0),
        ("failed", "age", 300.0),
        ("completed", "age", 0.0),
        ("failed", "bytes", 0.0),
    ] {
        let name = format!(
            "roadie_retention_removed_total{{queue=\"{QUEUE}\",state=\"{state}\",reason=\"{reason}\"}}"
        );
        counted(process.http(), &name, |now| now == Some(jobs)).await;
    }
    process.logged("finished jobs removed").await;
    let said = process.log().matches("finished jobs removed").count();
    assert!((1..=4).contains(&said), "one line a round: {}", process.log());
    // What goes on ending is bounded just so.
    for _ in 0..3 {
        stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
    }
    eventually("the oldest made room", async || {
        let left = left(&stage, "completed").await;
        let [old, new] =
            ["kept", "new"].map(|p| left.iter().filter(|id| id.starts_with(p)).count());
        if (left.len(), old, new) == (600, 300, 297) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    process.kill().await;
}

#[tokio::test]
async fn nothing_goes_unless_somebody_asked() {
    let stage = need!(stage(None));
    let old = ids("old", 20);
    finished(&stage, "completed", &old, 60 * 24 * 400, 10, "{}").await;
    finished(&stage, "failed", &old, 60 * 24 * 400, 10, "{}").await;
    let process = Process::serving(&stage).await;
    // A round has passed when a later claim stands.
    let claim = format!("{}:roadie:claim:retention", stage.prefix);
    eventually("rounds were made", async || {
        let mut redis = stage.queues().await.redis();
        let held: bool = redis::cmd("EXISTS").arg(&claim).query_async(&mut redis).await.unwrap();
        if held { Ok(()) } else { Err("no claim".to_owned()) }
    })
    .await;
    only(&stage, "completed", &[&old]).await;
    only(&stage, "failed", &[&old]).await;
    process.kill().await;
}

#[tokio::test]
async fn a_flow_keeps_its_children_until_its_parent_has_ended() {
    let stage = need!(stage(None))
        .set("queues.rehearsals.retention.completed", 0)
        .set("worker.stop_within", "100ms");
    let process = Process::serving(&stage).await;
    let connection = RedisConnectionOptions {
        url: stage.config().redis.url.reveal().to_owned(),
        ..RedisConnectionOptions::default()
    };
    let producer = FlowProducer::with_options(
        FlowProducerOptions::new().connection(connection).prefix(&stage.prefix),
    )
    .await
    .unwrap();
    let job = |id: &str, act: serde_json::Value, delay: Option<u64>| {
        let options = JobOptions { job_id: Some(id.to_owned()), delay, ..JobOptions::default() };
        FlowJob::new("rehearse", QUEUE, act).unwrap().options(options)
    };
    let flow = job("parent", json!({ "act": "return" }), None).children(vec![
        job("quick", json!({ "act": "return", "value": 7 }), None),
        job("late", json!({ "act": "return" }), Some(86_400_000)),
    ]);
    producer.add(flow).await.unwrap();
    let stranger = stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await;
    stage.completed(QUEUE, "quick").await;
    stage.gone(QUEUE, &stranger).await;
    for (id, expected) in [("parent", JobState::WaitingChildren), ("quick", JobState::Completed)] {
        assert_eq!(stage.queues().await.job(QUEUE, id).await.unwrap().1, expected, "{id}");
    }
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    queue.get_job("late").await.unwrap().unwrap().promote().await.unwrap();
    for id in ["parent", "quick", "late"] {
        stage.gone(QUEUE, id).await;
    }
    process.kill().await;
}

#[tokio::test]
async fn a_failed_job_stays_until_the_catalogue_has_it() {
    let stage = need!(stage(None)).set("queues.rehearsals.retention.failed", 0);
    let process = Process::serving(&stage).await;
    let url = stage.config().database_url();
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query("ALTER TABLE dead_letters RENAME TO elsewhere").execute(&pool).await.unwrap();
    let failed = ids("failed", 30);
    finished(&stage, "failed", &failed, 5, 10, "{}").await;
    process.logged("failed jobs stay in Redis, they are no dead letters yet").await;
    only(&stage, "failed", &[&failed]).await;
    sqlx::query("ALTER TABLE elsewhere RENAME TO dead_letters").execute(&pool).await.unwrap();
    only(&stage, "failed", &[]).await;
    let counts = stage.catalogue().await.dead_letter_counts().await.unwrap();
    assert_eq!(counts.iter().map(|(.., letters)| letters).sum::<i64>(), 30);
    process.kill().await;
}

#[tokio::test]
async fn bytes_are_bounded_and_the_oldest_go_first() {
    const BUDGET: u64 = 3_000_000;
    let stage = need!(stage(None)).set("queues.rehearsals.retention.max_bytes", "3MB");
    let [old, middle, new] = ["a", "b", "c"].map(|name| ids(name, 1000));
    // A producer's word ends where Redis does.
    finished(&stage, "completed", &old, 30, 1000, r#"{"removeOnComplete":false}"#).await;
    finished(&stage, "failed", &middle, 20, 1000, "{}").await;
    finished(&stage, "completed", &new, 10, 1000, "{}").await;
    let before = occupied(&stage).await;
    assert!(before > 4_500_000, "{before}");
    let process = Process::serving(&stage).await;
    eventually("the budget is kept", async || {
        let bytes = occupied(&stage).await;
        if bytes <= BUDGET * 11 / 10 { Ok(()) } else { Err(format!("{bytes} bytes")) }
    })
    .await;
    // Said when a round is over.
    process.logged("finished jobs removed").await;
    let bytes = occupied(&stage).await;
    assert!(bytes > BUDGET * 8 / 10, "no more than needed: {bytes}");
    let completed = left(&stage, "completed").await;
    assert!(new.iter().all(|id| completed.contains(id)), "the newest stay");
    assert!(!completed.iter().any(|id| id.starts_with('a')), "the oldest went");
    let failed = left(&stage, "failed").await;
    assert!(!failed.is_empty() && failed.len() < 1000, "{}", failed.len());
    let letters = stage.catalogue().await.dead_letter_counts().await.unwrap();
    let buried = letters.iter().map(|(.., letters)| *letters).sum::<i64>();
    assert!(usize::try_from(buried).unwrap() >= 1000 - failed.len());
    process.kill().await;
}

#[tokio::test]
async fn the_budget_of_all_queues_counts_events_too() {
    let stage = need!(stage(None)).set("retention.max_bytes", "1MB");
    let process = Process::serving(&stage).await;
    // Results stand in the events as well.
    for _ in 0..60 {
        let value = "x".repeat(50_000);
        stage.add(QUEUE, "rehearse", json!({ "act": "return", "value": value })).await;
    }
    let queues = stage.queues().await;
    eventually("all have run", async || {
        let depth = queues.depth(QUEUE, 0).await.unwrap();
        if depth.of("waiting") + depth.of("active") == 0 {
            Ok(())
        } else {
            Err(format!("{depth:?}"))
        }
    })
    .await;
    eventually("the budget is kept", async || {
        let bytes = occupied(&stage).await;
        if bytes <= 1_200_000 { Ok(()) } else { Err(format!("{bytes} bytes")) }
    })
    .await;
    process.kill().await;
}

#[tokio::test]
async fn a_full_redis_gets_air_without_a_hand() {
    let redis = Arc::new(need!(RedisServer::start(&["--maxmemory", "48mb"])));
    let stage = need!(stage(Some(redis)));
    let mut connection = stage.queues().await.redis();
    finished(&stage, "completed", &ids("done", 2_000), 5, 5_000, "{}").await;
    // What waits is never touched, however full it is.
    let mut waiting = 0;
    let payload = json!({ "act": "return", "pad": "x".repeat(20_000) });
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    let delayed = JobOptions { delay: Some(86_400_000), ..JobOptions::default() };
    while queue.add("rehearse", payload.clone()).options(delayed.clone()).await.is_ok() {
        waiting += 1;
        assert!(waiting < 10_000, "Redis never fills up");
    }
    let process = Process::serving(&stage).await;
    eventually("jobs are taken again", async || {
        let added = queue.add("rehearse", payload.clone()).options(delayed.clone()).await;
        added.map(drop).map_err(|error| error.to_string())
    })
    .await;
    let still: usize = redis::cmd("ZCARD")
        .arg(format!("{}:{QUEUE}:delayed", stage.prefix))
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(still, waiting + 1);
    eventually("a tenth is free", async || {
        let info: String =
            redis::cmd("INFO").arg("memory").query_async(&mut connection.clone()).await.unwrap();
        let number = |name: &str| -> u64 {
            let line = info.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse().unwrap()
        };
        let (used, max) = (number("used_memory:"), number("maxmemory:"));
        if used * 10 <= max * 9 { Ok(()) } else { Err(format!("{used} of {max}")) }
    })
    .await;
    process.kill().await;
}

#[tokio::test]
async fn one_process_of_the_fleet_looks_after_a_queue_and_another_takes_over() {
    let stage = need!(stage(None)).set("queues.rehearsals.retention.completed", 10);
    let first = Process::serving(&stage).await;
    let holder = async || -> Option<String> {
        redis::cmd("GET")
            .arg(format!("{}:roadie:claim:retention:{QUEUE}", stage.prefix))
            .query_async(&mut stage.queues().await.redis())
            .await
            .unwrap()
    };
    let held = eventually("the queue is claimed", async || holder().await.ok_or("no".to_owned()));
    let held = held.await;
    let mut second = Process::serving(&stage).await;
    finished(&stage, "completed", &ids("a", 500), 5, 10, "{}").await;
    only(&stage, "completed", &[&ids("a", 500)[490..]]).await;
    assert_eq!(holder().await, Some(held.clone()));
    let labels = format!("{{queue=\"{QUEUE}\",state=\"completed\",reason=\"count\"}}");
    let removed = format!("roadie_retention_removed_total{labels}");
    for (process, jobs) in [(&first, 490.0), (&second, 0.0)] {
        counted(process.http(), &removed, |now| now == Some(jobs)).await;
    }
    first.kill().await;
    finished(&stage, "completed", &ids("b", 500), 4, 10, "{}").await;
    only(&stage, "completed", &[&ids("b", 500)[490..]]).await;
    assert_ne!(holder().await, Some(held));
    // A process that stops makes way at once.
    second.signal("TERM");
    assert_eq!(second.exit(SOON).await, 0);
    assert_eq!(holder().await, None);
}

#[tokio::test]
async fn a_limit_that_cannot_be_meant_is_named() {
    let stage = need!(Stage::new())
        .set("retention.completed", "some")
        .set("retention.max_bytes", "big")
        .set("retention.nearly_full", 300);
    let said = run(&stage, &["check"]).await;
    assert_eq!(said.code, 64, "{said:?}");
    for fault in [
        "retention.completed: `some` is neither a number of jobs nor \"all\"",
        "retention.max_bytes: `big` is not a size such as \"256MiB\"",
        "retention.nearly_full is 300; it is per cent",
    ] {
        assert!(said.err.contains(fault), "{fault}: {}", said.err);
    }
}
