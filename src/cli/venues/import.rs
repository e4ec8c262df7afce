//! `roadie venues import`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use roadie_jobs::effects::Clock;
use roadie_jobs::effects::catalogue::Catalogue;
use roadie_jobs::venue_import::{self, Imported, Progress};
use serde_json::json;

use super::{ATTRIBUTION, day};
use crate::cli::{complain, say};
use crate::observe::logs;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Without a terminal: a line at most this often.
const LINE_EVERY: u32 = 25;
const MEGABYTE: f64 = 1e6;

/// Imports one file after the other. What is wrong with one says nothing of the others.
pub(super) async fn import(
    catalogue: &Catalogue,
    files: &[PathBuf],
    name: Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    for file in files {
        let name = name.clone().unwrap_or_else(|| extract_name(file));
        let begun = Instant::now();
        match followed(catalogue, file, &name).await {
            Ok((imported, bytes)) => say(&summary(&name, &imported, bytes, begun.elapsed(), json)),
            Err(error) => {
                failed += 1;
                let why = logs::one_line(error.chain());
                complain(&format!(
                    "{} is not imported, nothing was changed: {why}",
                    file.display()
                ));
            }
        }
    }
    if !json && failed < files.len() {
        say(ATTRIBUTION);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Imports a file and tells how far that is.
async fn followed(
    catalogue: &Catalogue,
    file: &Path,
    name: &str,
) -> anyhow::Result<(Imported, u64)> {
    let progress = Arc::new(Progress::default());
    let importing = venue_import::import(catalogue, Clock::System, file, name, &progress);
    tokio::pin!(importing);
    let terminal = std::io::stderr().is_terminal();
    let bar = ProgressBar::new(0);
    let style = "{bar:32} {bytes}/{total_bytes} {bytes_per_sec} {elapsed} {wide_msg}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut looks = 0_u32;
    loop {
        let imported = tokio::time::timeout(LOOK_EVERY, &mut importing).await;
        bar.set_length(progress.total().max(1));
        bar.set_position(progress.read());
        bar.set_message(format!("{name}: {} places", progress.places()));
        if let Ok(imported) = imported {
            bar.finish_and_clear();
            return Ok((imported?, progress.read()));
        }
        looks += 1;
        if !terminal && looks.is_multiple_of(LINE_EVERY) {
            let percent = progress.read() * 100 / progress.total().max(1);
            complain(&format!("{name}: {percent} % read, {} places", progress.places()));
        }
    }
}

fn summary(name: &str, imported: &Imported, bytes: u64, took: Duration, json: bool) -> String {
    let seconds = took.as_secs_f64().max(1e-3);
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let (megabytes, places) = (bytes as f64 / MEGABYTE, imported.places as f64);
    let memory = peak_memory();
    if json {
        return json!({ "extract": name, "places": imported.places, "withoutNodes": imported.without_nodes,
            "dataAt": imported.data_at, "bytes": bytes, "seconds": seconds, "peakMemoryBytes": memory })
        .to_string();
    }
    let of = imported.data_at.map(|at| format!(" as of {}", day(at))).unwrap_or_default();
    let left_out = match imported.without_nodes {
        0 => String::new(),
        some => format!("; {some} are left out, for the extract does not hold their nodes"),
    };
    let memory = memory.map(|bytes| format!(", {} MB of memory at the peak", bytes / 1_000_000));
    format!(
        "{name}: {} places{of} in {seconds:.1} s ({:.1} MB/s, {:.0} places/s{}){left_out}",
        imported.places,
        megabytes / seconds,
        places / seconds,
        memory.unwrap_or_default(),
    )
}

/// What Geofabrik and others add to the name of an extract: `germany-latest.osm.pbf`, `germany-261120.osm.pbf`.
fn extract_name(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name =
        [".osm.pbf", ".pbf"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    match name.rsplit_once('-') {
        Some((before, "latest")) => before.to_owned(),
        Some((before, date))
            if date.len() == 6 && date.bytes().all(|digit| digit.is_ascii_digit()) =>
        {
            before.to_owned()
        }
        _ => name.to_owned(),
    }
}

/// The most that this process ever had, in bytes; where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extract_keeps_its_name_from_month_to_month() {
        for (file, name) in [
            ("/srv/germany-latest.osm.pbf", "germany"),
            ("germany-261120.osm.pbf", "germany"),
            ("isle-of-man.osm.pbf", "isle-of-man"),
            ("planet-260101.pbf", "planet"),
            ("köln", "köln"),
            ("us-west.osm.pbf", "us-west"),
        ] {
            assert_eq!(extract_name(Path::new(file)), name, "{file}");
        }
    }
}
