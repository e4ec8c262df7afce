//! How long matching takes for a whole library, look-ups answered from memory, without and with a
//! catalogue (`SQLite` in a temporary folder, or what a URL names):
//! `cargo run --release -p roadie-jobs --example matching -- 100000 [URL]`

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use roadie_jobs::bench;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let photos = std::env::args().nth(1).unwrap_or_else(|| "100000".to_owned());
    let photos = photos.parse().context("how many photos?")?;
    for run in 1..=3 {
        let matched = bench::match_library(photos).await.map_err(|error| anyhow!("{error}"))?;
        println!(
            "run {run}: {photos} photos, {} sessions, {} linked",
            matched.sessions, matched.linked
        );
        for (part, took) in &matched.took {
            println!("  {part:<22}{:>8.3} s", took.as_secs_f64());
        }
        let total: Duration = matched.took.iter().map(|(_, took)| took).sum();
        println!("  {:<22}{:>8.3} s", "all", total.as_secs_f64());
    }
    let folder = tempfile::tempdir()?;
    let embedded = format!("sqlite:{}", folder.path().join("catalogue.db").display());
    let url = std::env::args().nth(2).unwrap_or(embedded);
    println!("in {}:", url.split(':').next().unwrap_or_default());
    for (part, took) in bench::store_library(&url, photos).await? {
        println!("  {part:<25}{:>8.3} s", took.as_secs_f64());
    }
    Ok(())
}
