//! Masters die and freeze: sentinels name another one, and the work goes on there by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roadie::queue::{NewJob, Queues};
use roadie_jobs::effects::Clock;
use serde_json::json;
use tokio::task::JoinHandle;

use super::support::fleet::full;
use super::support::process::{Process, Said, run};
use super::support::redis;
use super::support::sentinels::Sentinels;
use super::support::stage::Stage;
use super::support::within;

const QUEUE: &str = "rehearsals";
const FAILOVERS: usize = 5;
/// Held with `CHAOS=full`, on a free machine: the sentinels need two seconds to notice, and about as long to agree.
const RESUMES_WITHIN: Duration = Duration::from_secs(12);
const ALL_DONE_WITHIN: Duration = Duration::from_mins(1);

fn stage(sentinels: &Sentinels) -> Option<Stage> {
    let stage = Stage::on(redis::shared().ok()?).with_rehearsals(8);
    Some(sentinels.settings().into_iter().fold(stage, |stage, (key, value)| stage.set(key, value)))
}

/// Adds jobs all the time, and remembers those that Redis said yes to.
fn produce(queues: Queues, stop: Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            let job = NewJob {
                kind: "rehearse".to_owned(),
                payload: json!({ "act": "return" }),
                id: Some(format!("job-{number}")),
                ..NewJob::default()
            };
            if let Ok(id) = queues.add(QUEUE, job).await {
                acknowledged.push(id);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        acknowledged
    })
}

/// When jobs ended, in order.
async fn ends(queues: &Queues, prefix: &str) -> Vec<(String, u64)> {
    ::redis::cmd("ZRANGE")
        .arg(format!("{prefix}:{QUEUE}:completed"))
        .arg(&["0", "-1", "WITHSCORES"])
        .query_async(&mut queues.redis())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "the gaps are what readers ask for")]
async fn work_goes_on_after_each_failover_and_nothing_is_lost() {
    let sentinels = need!(Sentinels::start().await);
    let stage = stage(&sentinels).unwrap();
    let mut processes = [Process::serving(&stage).await, Process::serving(&stage).await];
    let queues = stage.queues().await;
    let stop = Arc::new(AtomicBool::new(false));
    let producer = produce(queues.clone(), Arc::clone(&stop));

    let mut faults = Vec::new();
    for failover in 0..FAILOVERS {
        let before = sentinels.master();
        let old = sentinels.server(before);
        faults.push(u64::try_from(Clock::System.now_ms()).unwrap());
        let frozen = failover % 2 == 1;
        old.signal(if frozen { "STOP" } else { "KILL" });
        let new = within(ALL_DONE_WITHIN, "another master", async || match sentinels.master() {
            master if master == before => Err(format!("still {master}")),
            master => Ok(master),
        })
        .await;
        let fault = faults[failover];
        within(ALL_DONE_WITHIN, "jobs end again", async || {
            let ended: i64 = sentinels
                .server(new)
                .ask(&format!("ZCOUNT {}:{QUEUE}:completed {} +inf", stage.prefix, fault + 2_000))
                .map_err(|error| error.to_string())?;
            if ended > 0 { Ok(()) } else { Err("none yet".to_owned()) }
        })
        .await;
        if frozen {
            old.signal("CONT");
        } else {
            old.restart_with(&["--replicaof", &format!("127.0.0.1 {new}")]);
        }
        sentinels.healed().await;
    }
    stop.store(true, Ordering::Relaxed);
    let acknowledged = producer.await.unwrap();

    let ended = within(ALL_DONE_WITHIN, "every acknowledged job ends", async || {
        let ended = ends(&queues, &stage.prefix).await;
        let ids: std::collections::HashSet<&str> =
            ended.iter().map(|(id, _)| id.as_str()).collect();
        let missing: Vec<&String> =
            acknowledged.iter().filter(|id| !ids.contains(id.as_str())).collect();
        if missing.is_empty() { Ok(ended) } else { Err(format!("{missing:?}")) }
    })
    .await;
    let times: Vec<u64> = ended.iter().map(|(_, at)| *at).collect();
    for (number, fault) in faults.iter().enumerate() {
        let until = faults.get(number + 1).copied().unwrap_or(u64::MAX);
        let ends = times.iter().copied().filter(|at| (*fault + 1..=until).contains(at));
        let moments: Vec<u64> = std::iter::once(*fault).chain(ends).collect();
        let gap = moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        let gap = Duration::from_millis(gap);
        eprintln!("failover {number}: no job ended for {gap:?}");
        if full() {
            assert!(gap <= RESUMES_WITHIN, "failover {number}: {gap:?}");
        }
    }
    eprintln!("{} jobs acknowledged, all done", acknowledged.len());
    // Producers, too, were served by each master.
    for pair in faults.windows(2) {
        let between = ended.iter().filter(|(_, at)| (pair[0]..pair[1]).contains(at)).count();
        assert!(between > 50, "only {between} jobs between two failovers");
    }
    for process in &mut processes {
        assert!(process.runs(), "{}", process.log());
        // No more than a handful for each: the connection, a replica that is not the master yet.
        let lost = process.log().matches("lost the connection").count();
        assert!(lost <= 4 * FAILOVERS, "{lost} times: {}", process.log());
    }
    for process in processes {
        process.kill().await;
    }
}

#[tokio::test]
async fn a_name_that_sentinels_do_not_know_is_named() {
    let sentinels = need!(Sentinels::start().await);
    let stage = stage(&sentinels).unwrap();
    let said = run(&stage, &["check"]).await;
    let master = format!("now 127.0.0.1:{}", sentinels.master());
    let line = said.out.lines().find(|line| line.starts_with("ok     redis")).unwrap();
    for part in [&master, "sentinel 127.0.0.1:1 does not help: Connection refused"] {
        assert!(line.contains(part), "{line}");
    }
    let stage = stage.set("redis.sentinel_master", "concertz");
    let said = run(&stage, &["check"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let fault = |said: &Said| {
        said.out.lines().find(|line| line.starts_with("FAULT  redis")).unwrap().to_owned()
    };
    let line = fault(&said);
    assert!(line.contains("concertz") && line.contains("redis.sentinel_master"), "{line}");
    let stage = stage.set("redis.sentinel_password", "not-this-one");
    let line = fault(&run(&stage, &["check"]).await);
    assert!(line.contains("Password authentication failed"), "{line}");
    assert!(!line.contains("not-this-one"), "{line}");
}
