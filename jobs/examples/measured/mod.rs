//! What the programs that are measured have in common.

use std::time::Instant;
use std::{fs, thread};

use anyhow::{Context as _, Result, bail};

/// Repeats a pass over so many photos; answers a line of JSON with the milliseconds per photo of each, and
/// the peak of memory in MB.
pub(crate) fn passes(
    count: usize,
    photos: usize,
    pass: impl Fn() -> Result<()>,
) -> Result<serde_json::Value> {
    let each = f64::from(u32::try_from(photos)?);
    let mut taken = Vec::new();
    for _ in 0..count {
        let (cpu, begun) = (cpu_ms()?, Instant::now());
        pass()?;
        let wall = begun.elapsed().as_secs_f64() * 1000.0;
        taken.push(serde_json::json!({ "cpu": (cpu_ms()? - cpu) / each, "wall": wall / each }));
    }
    Ok(serde_json::json!({ "passes": taken, "peak": peak_mb()? }))
}

/// Does the same work on so many threads; they divide it among themselves.
pub(crate) fn on_threads(
    threads: usize,
    work: impl Fn() -> Result<()> + Copy + Send,
) -> Result<()> {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(done) => done,
            Err(_) => bail!("a worker panicked"),
        })
    })
}

/// User and system time of this process so far.
fn cpu_ms() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything: fields 14 and 15 in hundredths of a second (proc(5)).
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).flat_map(str::parse).collect();
    Ok(ticks.iter().sum::<f64>() * 10.0)
}

/// The most memory that this process has had resident.
fn peak_mb() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    Ok(kilobytes.context("no VmHWM in /proc/self/status")?.parse::<f64>()? / 1024.0)
}
