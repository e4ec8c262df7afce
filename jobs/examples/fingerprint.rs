//! Roadie's side of `tests/bench/fingerprint.sh`: the fingerprint of each photo, and one line of JSON with
//! the milliseconds per photo of each pass.
//!
//! `fingerprint look|content THREADS PASSES PHOTOS…`: `look` reads the file, its camera data (EXIF), decodes
//! it as far as it must and makes the fingerprint; `content` also hashes the file's bytes, as a scan does.

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, fs, thread};

use anyhow::{Context as _, Result, anyhow, bail};
use roadie_jobs::bench::{content_hash, fingerprint};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let mut argument = || arguments.next().context("look|content THREADS PASSES PHOTOS…");
    let (what, threads, passes) =
        (argument()?, argument()?.parse()?, argument()?.parse::<usize>()?);
    let photos: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    pass(&what, threads, &photos)?;
    let mut taken = Vec::new();
    for _ in 0..passes {
        let (cpu, begun) = (cpu_ms()?, Instant::now());
        pass(&what, threads, &photos)?;
        let each = f64::from(u32::try_from(photos.len())?);
        let wall = begun.elapsed().as_secs_f64() * 1000.0;
        taken.push(serde_json::json!({ "cpu": (cpu_ms()? - cpu) / each, "wall": wall / each }));
    }
    println!("{}", serde_json::json!({ "passes": taken, "peak": peak_mb()? }));
    Ok(())
}

fn pass(what: &str, threads: usize, photos: &[PathBuf]) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(photo) = photos.get(next.fetch_add(1, Ordering::Relaxed)) {
            let bytes = fs::read(photo)?;
            if what == "content" {
                black_box(content_hash(&bytes));
            }
            black_box(
                fingerprint(&bytes).map_err(|error| anyhow!("{}: {error}", photo.display()))?,
            );
        }
        Ok(())
    };
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
