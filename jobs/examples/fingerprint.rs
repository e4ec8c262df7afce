//! Roadie's side of `tests/bench/fingerprint.sh`: the fingerprint of each photo, and one line of JSON with
//! the milliseconds per photo of each pass.
//!
//! `fingerprint look|content THREADS PASSES PHOTOS…`: `look` reads the file, its camera data (EXIF), decodes
//! it as far as it must and makes the fingerprint; `content` also hashes the file's bytes, as a scan does.

#![expect(clippy::print_stdout, reason = "its output is its result")]

mod measured;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use anyhow::{Context as _, Result, anyhow};
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
    println!("{}", measured::passes(passes, photos.len(), || pass(&what, threads, &photos))?);
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
    measured::on_threads(threads, work)
}
