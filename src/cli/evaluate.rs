//! `roadie evaluate`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use chrono::Utc;
use roadie_jobs::evaluation::{self, Files, Prediction};

use super::say;

const EXAMPLE: &str = "\
Example:
  roadie evaluate matching --photos photos.jsonl --setlists setlists_world.json \\
         --pois pois_overpass_shaped.json --out predictions.jsonl";

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Decide which shows photos were taken at, with the world as files: one line of JSON per photo
    #[command(after_help = EXAMPLE)]
    Matching(Matching),
}

#[derive(Debug, clap::Args)]
pub(super) struct Matching {
    /// Photos, one per line: what Drive, EXIF and Takeout say of them
    #[arg(long, value_name = "FILE")]
    photos: PathBuf,
    /// Setlists, as setlist.fm's `/search/setlists` answers them
    #[arg(long, value_name = "FILE")]
    setlists: PathBuf,
    /// Places, as Overpass answers them
    #[arg(long, value_name = "FILE")]
    pois: PathBuf,
    /// Coordinates of venues: a list of `{setlistfm_venue_id, lat, lng}`
    #[arg(long, value_name = "FILE")]
    venues: Option<PathBuf>,
    /// Where the decisions go: `{photoId, decision, eventDate, setlistfmVenueId, score}`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the decisions go together with why: sources, distances, names, all candidates
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
}

pub(super) async fn evaluate(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Matching(args) = command;
    let begun = Instant::now();
    let files = Files {
        photos: args.photos,
        setlists: args.setlists,
        pois: args.pois,
        venues: args.venues,
    };
    let predictions = evaluation::matching(&files, Utc::now()).await?;
    let took = begun.elapsed();
    if let Some(evidence) = &args.evidence {
        write(evidence, predictions.iter().cloned())?;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for prediction in &predictions {
        *counts.entry(prediction.decision()).or_default() += 1;
    }
    let count = |decision| counts.get(decision).copied().unwrap_or(0);
    say(&format!(
        "{} photos in {:.1} s: {} linked, {} for review, {} without a show",
        predictions.len(),
        took.as_secs_f64(),
        count("auto"),
        count("review"),
        count("none"),
    ));
    write(&args.out, predictions.into_iter().map(Prediction::briefly))?;
    Ok(ExitCode::SUCCESS)
}

/// One line of JSON each.
fn write(path: &Path, lines: impl Iterator<Item = Prediction>) -> anyhow::Result<()> {
    let named = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(named)?);
    for line in lines {
        serde_json::to_writer(&mut file, &line).with_context(named)?;
        file.write_all(b"\n").with_context(named)?;
    }
    file.flush().with_context(named)
}
