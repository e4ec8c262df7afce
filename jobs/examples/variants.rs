//! Roadie's side of `tests/bench/variants.sh`: all variants of each photo, and one line of JSON with what
//! each pass took.
//!
//! A photo's pass is everything that its job does but for the object store: read the file, find its
//! size and camera data (EXIF), decode, make the variants, the placeholder and the fingerprint.

#![expect(clippy::print_stdout, reason = "its output is its result")]

mod measured;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

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
    let photos = options.photos.len();
    println!("{}", measured::passes(options.passes, photos, || pass(&options, None))?);
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
    measured::on_threads(options.threads, work)
}
