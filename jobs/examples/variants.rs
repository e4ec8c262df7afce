//! Roadie's side of `tests/bench/variants.sh`: all variants of each photo, and one line of JSON with what
//! each pass took.
//!
//! A photo's pass is everything that its job does but for the object store: read the file, find its
//! size and camera data (EXIF), decode, make the variants, the placeholder and the fingerprint.

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, fs, thread};

use anyhow::{Context as _, Result, anyhow, bail};
use roadie_jobs::bench;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Default)]
struct Options {
    format: String,
    quality: u8,
    effort: u8,
    threads: usize,
    passes: usize,
    out: Option<PathBuf>,
    photos: Vec<PathBuf>,
}

fn main() -> Result<()> {
    let options = options()?;
    pass(&options, options.out.as_deref())?;
    let mut passes = Vec::new();
    for _ in 0..options.passes {
        let (cpu, begun) = (cpu_ms()?, Instant::now());
        pass(&options, None)?;
        let each = f64::from(u32::try_from(options.photos.len())?);
        let wall = begun.elapsed().as_secs_f64() * 1000.0;
        passes.push(serde_json::json!({ "cpu": (cpu_ms()? - cpu) / each, "wall": wall / each }));
    }
    println!("{}", serde_json::json!({ "passes": passes, "peak": peak_mb()? }));
    Ok(())
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let Some(name) = argument.strip_prefix("--") else {
            options.photos.push(argument.into());
            continue;
        };
        let value = arguments.next().with_context(|| format!("--{name} needs a value"))?;
        match name {
            "format" => options.format = value,
            "quality" => options.quality = value.parse()?,
            "effort" => options.effort = value.parse()?,
            "threads" => options.threads = value.parse()?,
            "passes" => options.passes = value.parse()?,
            "out" => options.out = Some(value.into()),
            _ => bail!("unknown option --{name}"),
        }
    }
    Ok(options)
}

fn pass(options: &Options, out: Option<&Path>) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some(photo) = options.photos.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Options { format, quality, effort, .. } = options;
            let bytes = fs::read(photo)?;
            let made = bench::variants(&bytes, format, *quality, *effort)
                .map_err(|error| anyhow!("{}: {error}", photo.display()))?;
            let name = photo.file_stem().unwrap_or_default().to_string_lossy();
            for (width, bytes) in made.files {
                if let Some(out) = out {
                    fs::write(out.join(format!("{name}-{width}.{format}")), bytes)?;
                }
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
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
