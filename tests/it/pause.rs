//! A pause has an owner, a reason and an end; it outlives everybody, and everybody sees it.

use std::sync::Arc;
use std::time::Duration;

use bullmq::JobState;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::eventually;
use super::support::http::{get, ready, sample};
use super::support::process::{Process, Said, run};
use super::support::redis::RedisServer;
use super::support::stage::Stage;

const QUEUE: &str = "rehearsals";

fn ok(said: Said) -> Said {
    assert_eq!(said.code, 0, "{said:?}");
    said
}

async fn pause(stage: &Stage, by: &str, more: &[&str]) -> Said {
    let command = ["queues", "pause", QUEUE, "--by", by, "--reason", "load in"];
    run(stage, &[&command, more].concat()).await
}

async fn resume(stage: &Stage, more: &[&str]) -> Said {
    run(stage, &[&["queues", "resume", QUEUE], more].concat()).await
}

/// What `roadie queues --json` says of the queue.
async fn shown(stage: &Stage) -> Value {
    let said = ok(run(stage, &["queues", "--json"]).await);
    let list: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    list.into_iter().find(|queue| queue["queue"] == QUEUE).unwrap()
}

async fn owners(stage: &Stage) -> Vec<Value> {
    let pauses = shown(stage).await["pauses"].take();
    pauses.as_array().unwrap().iter().map(|pause| pause["owner"].clone()).collect()
}

async fn add(stage: &Stage) -> String {
    stage.add(QUEUE, "rehearse", json!({ "act": "return" })).await
}

/// How often the queue has told that it goes on.
async fn told(stage: &Stage, event: &str) -> usize {
    let events: Vec<(String, Vec<String>)> = redis::cmd("XRANGE")
        .arg(format!("{}:{QUEUE}:events", stage.prefix))
        .arg("-")
        .arg("+")
        .query_async(&mut stage.queues().await.redis())
        .await
        .unwrap();
    events.iter().filter(|(_, fields)| fields[1] == event).count()
}

#[tokio::test]
async fn a_paused_queue_starts_nothing_and_everybody_sees_why() {
    let stage = need!(Stage::new()).with_rehearsals(2);
    let process = Process::serving(&stage).await;
    let said = ok(pause(&stage, "ann@desk", &["--for", "2h"]).await);
    assert!(said.out.contains("ann@desk") && said.out.contains("load in"), "{said:?}");
    process.logged("queue paused").await;
    let id = add(&stage).await;

    let list = shown(&stage).await;
    assert_eq!(list["paused"], true);
    let seen = &list["pauses"][0];
    assert_eq!((&seen["owner"], &seen["reason"]), (&json!("ann@desk"), &json!("load in")));
    let moment = |key: &str| {
        chrono::DateTime::parse_from_rfc3339(seen[key].as_str().unwrap()).unwrap().to_utc()
    };
    assert_eq!(moment("until") - moment("since"), chrono::Duration::hours(2));
    let table = ok(run(&stage, &["queues"]).await).out;
    let row = table.lines().find(|line| line.contains("ann@desk")).unwrap();
    assert!(row.starts_with(QUEUE) && row.ends_with("load in"), "{table}");
    assert!(stage.queues().await.queue(QUEUE).await.unwrap().is_paused().await.unwrap());
    let paused = format!("roadie_queue_paused{{queue=\"{QUEUE}\"}}");
    let (_, scrape) = get(process.http(), "/metrics").await;
    assert_eq!(sample(&scrape, &paused), Some(1.0), "{scrape}");
    // It is nobody's fault.
    ready(process.http()).await;

    // Another process that starts meanwhile says so and starts nothing either.
    let late = Process::serving(&stage).await;
    late.logged("queue paused").await;
    let (job, place) = stage.queues().await.job(QUEUE, &id).await.unwrap();
    assert_eq!((place, job.attempts_started()), (JobState::Waiting, 0));

    ok(resume(&stage, &["--by", "ann@desk"]).await);
    stage.completed(QUEUE, &id).await;
    for process in [process, late] {
        process.logged("queue resumed").await;
        let (_, scrape) = get(process.http(), "/metrics").await;
        assert_eq!(sample(&scrape, &paused), Some(0.0), "{scrape}");
        process.kill().await;
    }
    let list = shown(&stage).await;
    assert_eq!((&list["paused"], &list["pauses"]), (&json!(false), &json!([])));
}

#[tokio::test]
async fn a_queue_goes_on_when_its_last_owner_lifts_the_pause() {
    let stage = need!(Stage::new());
    add(&stage).await;
    // Who types, if it is not said.
    let own = ok(run(&stage, &["queues", "pause", QUEUE, "--reason", "x"]).await);
    assert!(own.out.contains('@'), "{own:?}");
    ok(pause(&stage, "ann", &[]).await);
    ok(pause(&stage, "bob", &["--for", "1h"]).await);
    // A second pause of an owner is instead of the first.
    ok(pause(&stage, "bob", &[]).await);
    assert_eq!(owners(&stage).await[1..], [json!("ann"), json!("bob")]);
    assert_eq!(shown(&stage).await["pauses"][2]["until"], Value::Null);

    let other = resume(&stage, &["--by", "eve"]).await;
    assert_eq!(other.code, 1);
    assert!(other.err.contains("eve has not paused rehearsals"), "{other:?}");
    ok(resume(&stage, &[]).await);
    ok(resume(&stage, &["--by", "ann"]).await);
    assert_eq!(owners(&stage).await, [json!("bob")]);
    assert_eq!(told(&stage, "resumed").await, 0);
    assert_eq!(ok(resume(&stage, &["--by", "bob"]).await).out, "rehearsals is open\n");
    assert_eq!((told(&stage, "paused").await, told(&stage, "resumed").await), (1, 1));
    // What is open already stays so.
    assert_eq!(ok(resume(&stage, &["--by", "bob"]).await).out, "rehearsals is open\n");
    assert_eq!(told(&stage, "resumed").await, 1);
    ok(pause(&stage, "ann", &[]).await);
    ok(pause(&stage, "bob", &[]).await);
    assert_eq!(ok(resume(&stage, &["--all"]).await).out, "rehearsals is open\n");
}

#[tokio::test]
async fn a_pause_that_is_over_is_lifted_once_by_whoever_is_there() {
    // Neither of them serves the queue; whoever set the pause is gone.
    let stage = need!(Stage::new());
    let fleet = [Process::serving(&stage).await, Process::serving(&stage).await];
    let id = add(&stage).await;
    let began = Instant::now();
    // However long each of these takes, one of them holds until all stand.
    ok(pause(&stage, "eve", &[]).await);
    ok(pause(&stage, "ann", &["--for", "1500ms"]).await);
    ok(pause(&stage, "bob", &["--for", "2500ms"]).await);
    ok(resume(&stage, &["--by", "eve"]).await);
    let queue = stage.queues().await.queue(QUEUE).await.unwrap();
    eventually("the queue goes on", async || {
        if queue.is_paused().await.unwrap() { Err("paused".to_owned()) } else { Ok(()) }
    })
    .await;
    assert!(began.elapsed() >= Duration::from_millis(2_500), "{:?}", began.elapsed());
    assert_eq!(told(&stage, "resumed").await, 1);
    let server = Process::serving(&Stage::joining(&stage).with_rehearsals(1)).await;
    stage.completed(QUEUE, &id).await;
    for process in fleet.into_iter().chain([server]) {
        process.kill().await;
    }
    assert_eq!(told(&stage, "resumed").await, 1);
}

#[tokio::test]
async fn a_pause_survives_the_restart_of_everything() {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let redis = Arc::new(need!(RedisServer::start(&durable)));
    let stage = Stage::on(Arc::clone(&redis)).with_rehearsals(1);
    let before = Process::serving(&stage).await;
    ok(pause(&stage, "ann", &[]).await);
    let id = add(&stage).await;
    before.kill().await;
    redis.kill();
    redis.restart();
    let after = Process::serving(&stage).await;
    after.logged("queue paused").await;
    assert_eq!(owners(&stage).await, [json!("ann")]);
    assert_eq!(stage.queues().await.job(QUEUE, &id).await.unwrap().1, JobState::Waiting);
    ok(resume(&stage, &["--by", "ann"]).await);
    stage.completed(QUEUE, &id).await;
    after.kill().await;
}

#[tokio::test]
async fn pauses_of_other_clients_are_theirs() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let id = add(&stage).await;
    let client = stage.queues().await.queue(QUEUE).await.unwrap();
    let over = async || {
        eventually("only the other pause is left", async || match owners(&stage).await {
            owners if owners == [Value::Null] => Ok(()),
            owners => Err(format!("{owners:?}")),
        })
        .await;
        assert!(client.is_paused().await.unwrap());
    };
    // The other client was first.
    client.pause().await.unwrap();
    assert_eq!(owners(&stage).await, [Value::Null]);
    assert!(run(&stage, &["queues"]).await.out.contains("unknown (another client)"));
    let process = Process::serving(&stage).await;
    ok(pause(&stage, "ann", &[]).await);
    assert_eq!(owners(&stage).await, [Value::Null, json!("ann")]);
    ok(pause(&stage, "ann", &["--for", "500ms"]).await);
    over().await;
    let mine = resume(&stage, &["--by", "ann"]).await;
    assert_eq!(mine.code, 1, "{mine:?}");
    ok(resume(&stage, &["--all"]).await);
    stage.completed(QUEUE, &id).await;

    // We were first.
    ok(pause(&stage, "ann", &["--for", "1s"]).await);
    client.pause().await.unwrap();
    over().await;

    // A client that resumes a queue lifts everything.
    ok(pause(&stage, "ann", &[]).await);
    client.resume().await.unwrap();
    assert_eq!(owners(&stage).await, [] as [Value; 0]);
    let id = add(&stage).await;
    stage.completed(QUEUE, &id).await;
    // Also when it pauses it anew before anybody has noticed.
    process.signal("STOP");
    ok(pause(&stage, "ann", &[]).await);
    client.resume().await.unwrap();
    client.pause().await.unwrap();
    assert_eq!(owners(&stage).await, [Value::Null]);
    process.kill().await;
}

/// Clients of BullMQ 5 add to another list while a queue is paused.
#[tokio::test]
async fn jobs_keep_their_order_through_a_pause() {
    let stage = need!(Stage::new()).with_rehearsals(1);
    let process = Process::serving(&stage).await;
    ok(pause(&stage, "ann", &[]).await);
    let mut ids = vec![add(&stage).await, add(&stage).await];
    let mut redis = stage.queues().await.redis();
    let key = |part: &str| format!("{}:{QUEUE}:{part}", stage.prefix);
    for _ in 0..2 {
        let id = add(&stage).await;
        redis::pipe()
            .atomic()
            .cmd("LREM")
            .arg(key("wait"))
            .arg(1)
            .arg(&id)
            .cmd("LPUSH")
            .arg(key("paused"))
            .arg(&id)
            .query_async::<()>(&mut redis)
            .await
            .unwrap();
        ids.push(id);
    }
    eventually("they are in one list", async || {
        let waiting: Vec<String> = redis::cmd("LRANGE")
            .arg(key("wait"))
            .arg(0)
            .arg(-1)
            .query_async(&mut redis.clone())
            .await
            .unwrap();
        if waiting.iter().rev().eq(&ids) { Ok(()) } else { Err(format!("{waiting:?}")) }
    })
    .await;
    ok(resume(&stage, &["--by", "ann"]).await);
    let mut started = Vec::new();
    for id in &ids {
        started.push(stage.completed(QUEUE, id).await.processed_on());
    }
    assert!(started.is_sorted(), "{started:?}");
    process.kill().await;
}

#[tokio::test]
async fn a_full_redis_is_no_obstacle() {
    let redis = Arc::new(need!(RedisServer::start(&[])));
    let stage = Stage::on(Arc::clone(&redis)).with_rehearsals(1);
    let process = Process::serving(&stage).await;
    ok(pause(&stage, "ann", &[]).await);
    let id = add(&stage).await;
    redis.ask::<()>("CONFIG SET maxmemory 1").unwrap();
    ok(pause(&stage, "bob", &["--for", "500ms"]).await);
    eventually("only one pause is left", async || match owners(&stage).await {
        owners if owners == [json!("ann")] => Ok(()),
        owners => Err(format!("{owners:?}")),
    })
    .await;
    ok(resume(&stage, &["--by", "ann"]).await);
    assert_eq!(shown(&stage).await["paused"], false);
    redis.ask::<()>("CONFIG SET maxmemory 0").unwrap();
    stage.completed(QUEUE, &id).await;
    process.kill().await;
}

#[tokio::test]
async fn what_makes_no_pause_is_refused() {
    let stage = need!(Stage::new());
    let nowhere = pause(&stage, "ann", &[]).await;
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.err.contains("there is no queue rehearsals"), "{nowhere:?}");
    add(&stage).await;
    for end in [["--until", "2020-01-01T00:00:00Z"], ["--for", "0s"]] {
        let over = pause(&stage, "ann", &end).await;
        assert_eq!(over.code, 1);
        assert!(over.err.contains("over already"), "{over:?}");
    }
    for wrong in [&["--until", "soon"][..], &["--for", "1h", "--until", "2090-01-01 00:00"]] {
        assert_eq!(pause(&stage, "ann", wrong).await.code, 2);
    }
    assert_eq!(pause(&stage, " ", &[]).await.code, 2);
    assert_eq!(owners(&stage).await, [] as [Value; 0]);
}
