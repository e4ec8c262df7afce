//! Several workers, the process manager that replaces those that end, and what their jobs tell.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use redis::AsyncCommands as _;
use serde::Deserialize;
use tokio::time::Instant;

use super::SOON;
use super::http::ready;
use super::process::Process;
use super::stage::Stage;

/// Worker processes of one stage.
#[derive(Debug)]
pub(crate) struct Fleet<'a> {
    stage: &'a Stage,
    workers: Vec<Process>,
}

/// One `kill -9`.
#[derive(Debug)]
pub(crate) struct Killed {
    pub(crate) pid: u32,
    /// Unix milliseconds.
    pub(crate) at: i64,
}

/// When the next one of a fleet is killed.
#[derive(Debug)]
pub(crate) struct Storm {
    every: Duration,
    /// So many jobs end between two kills, but with `CHAOS=full`: where processes take longer to begin than the
    /// others live, nothing would ever be done.
    apart: u64,
    next: Instant,
    then: u64,
}

impl Storm {
    pub(crate) fn new(every: Duration, apart: u64) -> Self {
        Self { every, apart, next: Instant::now() + every, then: 0 }
    }
}

impl<'a> Fleet<'a> {
    pub(crate) async fn serving(stage: &'a Stage, size: usize) -> Self {
        // One after the other: the first makes the schema.
        let mut workers = Vec::new();
        for _ in 0..size {
            workers.push(Process::serving(stage).await);
        }
        Self { stage, workers }
    }

    /// Kills one of them, and starts another in its place.
    pub(crate) async fn kill_any(&mut self) -> Killed {
        let victim = self.workers.swap_remove(fastrand::usize(..self.workers.len()));
        let pid = victim.pid();
        let at = now_ms();
        victim.kill().await;
        self.workers.push(Process::start(self.stage));
        Killed { pid, at }
    }

    /// Kills one of them when it is time to, and starts another in its place.
    pub(crate) async fn strike(&mut self, storm: &mut Storm, ended: u64) -> Option<Killed> {
        if Instant::now() < storm.next || (ended < storm.then && !full()) {
            return None;
        }
        let killed = self.kill_any().await;
        (storm.next, storm.then) = (Instant::now() + storm.every, ended + storm.apart);
        Some(killed)
    }

    /// Starts a new one for each that has ended by itself; answers how many.
    pub(crate) fn replace_ended(&mut self) -> usize {
        let all = self.workers.len();
        self.workers.retain_mut(Process::runs);
        let ended = all - self.workers.len();
        self.workers.extend((0..ended).map(|_| Process::start(self.stage)));
        ended
    }

    /// Where their metrics are.
    pub(crate) fn http(&self) -> Vec<SocketAddr> {
        self.workers.iter().map(Process::http).collect()
    }

    /// Replaces them one after the other, as the runbook says: SIGTERM, wait for the end, start another, wait
    /// until it is ready. Answers their exit codes.
    pub(crate) async fn restart_one_by_one(&mut self) -> Vec<i32> {
        let mut codes = Vec::new();
        for worker in &mut self.workers {
            worker.signal("TERM");
            codes.push(worker.exit(SOON).await);
            *worker = Process::serving(self.stage).await;
            ready(worker.http()).await;
        }
        codes
    }

    pub(crate) async fn end(self) {
        for worker in self.workers {
            worker.kill().await;
        }
    }
}

/// A line that a traced rehearsal leaves when it begins.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) process: u32,
    /// Unix milliseconds.
    pub(crate) at: i64,
}

/// The runs of traced jobs, oldest first, by job.
pub(crate) async fn runs(stage: &Stage, queue: &str, ids: &[String]) -> HashMap<String, Vec<Run>> {
    let mut redis = stage.queues().await.redis();
    let mut found = HashMap::new();
    for chunk in ids.chunks(1_000) {
        let mut pipe = redis::pipe();
        for id in chunk {
            pipe.lrange(format!("{}:{queue}:{id}:logs", stage.prefix), 0, -1);
        }
        let logs: Vec<Vec<String>> = pipe.query_async(&mut redis).await.unwrap();
        let read = |lines: Vec<String>| {
            lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
        };
        found.extend(chunk.iter().cloned().zip(logs.into_iter().map(read)));
    }
    found
}

/// The active jobs that a process holds, as BullMQ's boards see it.
pub(crate) async fn held_by(stage: &Stage, queue: &str, pid: u32) -> Vec<String> {
    let mut redis = stage.queues().await.redis();
    let base = format!("{}:{queue}", stage.prefix);
    let active: Vec<String> = redis.lrange(format!("{base}:active"), 0, -1).await.unwrap();
    let mut held = Vec::new();
    for id in active {
        let holder: Option<String> = redis.hget(format!("{base}:{id}"), "pb").await.unwrap();
        // host-pid-random
        let holder = holder.as_deref().and_then(|name| name.rsplit('-').nth(1));
        if holder == Some(pid.to_string().as_str()) {
            held.push(id);
        }
    }
    held
}

/// The machine's clock, as Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    roadie_jobs::effects::Clock::System.now_ms()
}

/// The value that this share of all values does not exceed.
pub(crate) fn percentile(values: &mut [i64], share: f64) -> i64 {
    values.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
    let at = ((values.len() as f64 * share).ceil() as usize).saturating_sub(1);
    values.get(at).copied().unwrap_or(0)
}

/// Whether to run at full length (`CHAOS=full`) instead of what fits between other tests.
pub(crate) fn full() -> bool {
    std::env::var("CHAOS").is_ok_and(|chaos| chaos == "full")
}

/// What is promised of a free machine, where this is one (`CHAOS=full`), else [`SOON`]: next to other tests a
/// machine may be too busy to keep it.
pub(crate) fn promised(limit: Duration) -> Duration {
    if full() { limit } else { SOON }
}

/// How long leases and the pause between scans for lost ones are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovery {
    pub(crate) lease: Duration,
    pub(crate) scan: Duration,
}

impl Recovery {
    /// The defaults at full length, else as short as a busy machine allows.
    pub(crate) fn of_this_run() -> Self {
        let (lease, scan) = if full() { (15_000, 5_000) } else { (2_500, 500) };
        Self { lease: Duration::from_millis(lease), scan: Duration::from_millis(scan) }
    }

    /// What is promised by default is 25 s: a lease, a scan, and five seconds for all else.
    pub(crate) fn promised(self) -> Duration {
        self.lease + self.scan + Duration::from_secs(5)
    }

    pub(crate) fn set(self, stage: Stage) -> Stage {
        stage
            .set("worker.lease", humantime::format_duration(self.lease))
            .set("worker.recovery_scan", humantime::format_duration(self.scan))
    }
}

/// Tells what was measured.
#[expect(clippy::print_stderr, reason = "figures for whoever runs with --nocapture")]
pub(crate) fn figures(text: &str) {
    eprintln!("{text}");
}
