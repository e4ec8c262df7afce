//! Jobs that Roadie adds are as those that BullMQ's own client adds: what is kept, in which order, under
//! which keys, and which events tell of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bullmq::options::DeduplicationOptions;
use bullmq::types::{BackoffStrategy, KeepJobs, RemoveOnFinish};
use bullmq::{JobOptions, Queue};
use redis::Value as Reply;
use roadie::queue::{NewJob, Queues};
use serde_json::{Value, json};

use super::support::stage::Stage;

/// What a producer does, in words of both.
#[derive(Clone, Debug, Default)]
struct Asked {
    ours: NewJob,
    theirs: JobOptions,
}

fn options(ours: impl FnOnce(&mut NewJob), theirs: JobOptions) -> Asked {
    let mut job = NewJob::default();
    ours(&mut job);
    Asked { ours: job, theirs }
}

/// A deduplication: `id`, and its rule as both know it.
fn duplicate(rule: &Value, delay: u64) -> Asked {
    let ours: NewJob = NewJob {
        deduplication: Some(serde_json::from_value(rule.clone()).unwrap()),
        delay: (delay > 0).then(|| Duration::from_millis(delay)),
        ..NewJob::default()
    };
    let theirs = JobOptions {
        deduplication: Some(serde_json::from_value::<DeduplicationOptions>(rule.clone()).unwrap()),
        delay: (delay > 0).then_some(delay),
        ..JobOptions::default()
    };
    Asked { ours, theirs }
}

async fn both(stage: &Stage, name: &str, asked: &[Asked], active: Option<&str>) {
    let queues = stage.queues().await;
    let (ours, theirs) = (format!("{name}-ours"), format!("{name}-theirs"));
    let handle = queues.queue(&theirs).await.unwrap();
    queues.queue(&ours).await.unwrap();
    for (number, asked) in asked.iter().enumerate() {
        let payload = json!({ "number": number, "text": "naïve \u{1F3B8}", "part": 0.5 });
        let job =
            NewJob { kind: "play".to_owned(), payload: payload.clone(), ..asked.ours.clone() };
        let added = queues.add(&ours, job).await.unwrap();
        let stock = handle.add("play", payload).options(asked.theirs.clone()).await.unwrap();
        assert_eq!(added, stock.id(), "{name}, job {number}");
        if number == 0
            && let Some(id) = active
        {
            reserve(&queues, &stage.prefix, &ours, id).await;
            reserve(&queues, &stage.prefix, &theirs, id).await;
        }
    }
    let ours = kept(&queues, &stage.prefix, &ours).await;
    assert_eq!(ours, kept(&queues, &stage.prefix, handle.name()).await, "{name}");
}

/// As a worker takes a job.
async fn reserve(queues: &Queues, prefix: &str, queue: &str, id: &str) {
    redis::pipe()
        .lrem(format!("{prefix}:{queue}:wait"), 1, id)
        .lpush(format!("{prefix}:{queue}:active"), id)
        .query_async::<()>(&mut queues.redis())
        .await
        .unwrap();
}

/// Everything that Redis keeps of a queue but times.
async fn kept(queues: &Queues, prefix: &str, queue: &str) -> BTreeMap<String, String> {
    let base = format!("{prefix}:{queue}:");
    let mut redis = queues.redis();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{base}*")).query_async(&mut redis).await.unwrap();
    let mut kept = BTreeMap::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await.unwrap();
        let ends: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut redis).await.unwrap();
        let name = key.strip_prefix(&base).unwrap().to_owned();
        let read: &[&str] = match kind.as_str() {
            "hash" => &["HGETALL"],
            "list" => &["LRANGE", "0", "-1"],
            "zset" => &["ZRANGE", "0", "-1"],
            "stream" => &["XRANGE", "-", "+"],
            "string" => &["GET"],
            other => panic!("{key} is a {other}"),
        };
        let mut command = redis::cmd(read[0]);
        command.arg(&key).arg(&read[1..]);
        let value: Reply = command.query_async(&mut redis).await.unwrap();
        let value = match (name.as_str(), value) {
            // What its client writes of itself.
            ("meta", _) => continue,
            ("events", Reply::Array(entries)) => entries.iter().map(event).collect(),
            (_, value) if kind == "hash" => fields(value),
            (_, value) => format!("{value:?}"),
        };
        kept.insert(name, format!("{value} {}", if ends > 0 { "ends" } else { "stays" }));
    }
    kept
}

/// A hash without times, its JSON in one spelling.
fn fields(value: Reply) -> String {
    let fields: BTreeMap<String, String> = redis::from_redis_value(value).unwrap();
    let shown = fields.into_iter().filter(|(name, _)| name != "timestamp").map(|(name, value)| {
        let value = match name.as_str() {
            "opts" | "data" => serde_json::from_str::<Value>(&value).unwrap().to_string(),
            _ => value,
        };
        format!("{name}={value}")
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// An event without times.
fn event(entry: &Reply) -> String {
    let (_, fields): (String, Vec<String>) = redis::from_redis_value(entry.clone()).unwrap();
    let delayed = fields.contains(&"delayed".to_owned());
    let shown =
        fields.iter().filter(|text| !(delayed && text.len() == 13 && text.starts_with('1')));
    format!("[{}]", shown.cloned().collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn jobs_are_kept_as_bullmqs_client_keeps_them() {
    let stage = need!(Stage::new());
    let everything = options(
        |job| {
            job.id = Some("encore".to_owned());
            job.attempts = Some(5);
            job.backoff =
                Some(serde_json::from_value(json!({ "type": "exponential", "delay": 9 })).unwrap());
            job.remove_on_complete = Some(serde_json::from_value(json!(true)).unwrap());
            job.remove_on_fail =
                Some(serde_json::from_value(json!({ "age": 9, "count": 3 })).unwrap());
        },
        JobOptions {
            job_id: Some("encore".to_owned()),
            attempts: Some(5),
            backoff: Some(BackoffStrategy::Exponential(9)),
            remove_on_complete: Some(RemoveOnFinish::Bool(true)),
            remove_on_fail: Some(RemoveOnFinish::Options(KeepJobs {
                age: Some(9),
                count: Some(3),
                limit: None,
            })),
            ..JobOptions::default()
        },
    );
    let lifo =
        options(|job| job.lifo = true, JobOptions { lifo: Some(true), ..JobOptions::default() });
    let priority = |number| {
        let theirs = JobOptions { priority: Some(number), ..JobOptions::default() };
        options(|job| job.priority = Some(number), theirs)
    };
    let late = |ms| {
        let theirs = JobOptions { delay: Some(ms), priority: Some(4), ..JobOptions::default() };
        let ours = |job: &mut NewJob| {
            job.delay = Some(Duration::from_millis(ms));
            job.priority = Some(4);
        };
        options(ours, theirs)
    };
    let plain = Asked::default();
    both(&stage, "order", &[plain.clone(), lifo.clone(), plain.clone(), lifo], None).await;
    both(&stage, "numbers", &[priority(5), priority(1), priority(5), plain], None).await;
    both(&stage, "later", &[late(90_000), late(10_000), late(90_000)], None).await;
    both(&stage, "own-id", &[everything.clone(), everything], None).await;
}

#[tokio::test]
async fn duplicates_are_dealt_with_as_by_bullmqs_client() {
    let stage = need!(Stage::new());
    let simple = duplicate(&json!({ "id": "d" }), 0);
    both(&stage, "simple", &[simple.clone(), simple.clone(), simple], None).await;
    let throttle = duplicate(&json!({ "id": "d", "ttl": 60_000 }), 0);
    both(&stage, "throttle", &[throttle.clone(), throttle], None).await;
    let extend = duplicate(&json!({ "id": "d", "ttl": 60_000, "extend": true }), 0);
    both(&stage, "extend", &[extend.clone(), extend], None).await;
    for (name, rule) in [
        ("debounce", json!({ "id": "d", "ttl": 60_000, "extend": true, "replace": true })),
        ("debounce-once", json!({ "id": "d", "ttl": 60_000, "replace": true })),
        ("debounce-open", json!({ "id": "d", "replace": true })),
    ] {
        let late = duplicate(&rule, 30_000);
        both(&stage, name, &[late.clone(), late.clone(), late], None).await;
        // The first one is not delayed, so it stays.
        both(&stage, &format!("{name}-now"), &[duplicate(&rule, 0), duplicate(&rule, 0)], None)
            .await;
    }
    for (name, rule) in [
        ("last", json!({ "id": "d", "keepLastIfActive": true })),
        ("last-ttl", json!({ "id": "d", "keepLastIfActive": true, "ttl": 60_000 })),
        ("last-replace", json!({ "id": "d", "keepLastIfActive": true, "replace": true })),
    ] {
        let rule = duplicate(&rule, 0);
        let three = [rule.clone(), rule.clone(), rule];
        both(&stage, &format!("{name}-waits"), &three, None).await;
        both(&stage, &format!("{name}-runs"), &three, Some("1")).await;
    }
}

#[tokio::test]
async fn a_duplicate_of_a_job_that_is_gone_is_added() {
    let stage = need!(Stage::new());
    let queues = stage.queues().await;
    let job = |number: u64| NewJob {
        kind: "play".to_owned(),
        payload: json!(number),
        deduplication: Some(serde_json::from_value(json!({ "id": "d" })).unwrap()),
        ..NewJob::default()
    };
    assert_eq!(queues.add("plays", job(1)).await.unwrap(), "1");
    assert_eq!(queues.add("plays", job(2)).await.unwrap(), "1");
    // As an outage or a foreign hand takes it.
    let key = format!("{}:plays:1", stage.prefix);
    redis::cmd("DEL").arg(key).query_async::<()>(&mut queues.redis()).await.unwrap();
    assert_eq!(queues.add("plays", job(3)).await.unwrap(), "3");
    let queue: std::sync::Arc<Queue> = queues.queue("plays").await.unwrap();
    assert_eq!(queue.get_deduplication_job_id("d").await.unwrap().as_deref(), Some("3"));
}
