//! `roadie evaluate`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use chrono::Utc;
use roadie_jobs::effects::web::{Fetch, Online, Web};
use roadie_jobs::evaluation::{self, Prediction};

use super::say;
use crate::stand_in::{Service, StandIns};

const EXAMPLE: &str = "\
Example:
  roadie evaluate matching --photos photos.jsonl --setlists setlists_world.json \\
         --pois pois_overpass_shaped.json --out predictions.jsonl";

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Decide which shows photos were taken at: one line of JSON per photo. The services are stand-ins on
    /// this machine that know what is in the files
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
    /// Where venues are, as Nominatim then answers: a list of `{setlistfm_name, setlistfm_city, lat, lng}`
    #[arg(long, value_name = "FILE")]
    venues: Option<PathBuf>,
    /// Put the places into a venue table, as an imported extract would be, instead of asking Overpass
    #[arg(long)]
    table: bool,
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
    let stand_ins = StandIns::start(&args.setlists, &args.pois, args.venues.as_deref()).await?;
    let user_agent = concat!("roadie-evaluate/", env!("CARGO_PKG_VERSION"));
    let fetch: Arc<dyn Fetch> = Arc::new(Web::new(user_agent)?);
    let services = Online::new(&fetch, stand_ins.services());
    let predictions = if args.table {
        evaluation::matching_with_table(&args.photos, &args.pois, services, Utc::now()).await?
    } else {
        evaluation::matching(&args.photos, &services, Utc::now()).await?
    };
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
    say(&format!(
        "questions to the stand-ins of setlist.fm: {}, Overpass: {}, Nominatim: {}",
        stand_ins.asked(Service::SetlistFm),
        stand_ins.asked(Service::Overpass),
        stand_ins.asked(Service::Nominatim),
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
