//! `roadie venues`

mod import;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::DateTime;
use roadie_jobs::effects::catalogue::{Catalogue, OsmExtract, OsmPlace, Surroundings};
use serde_json::{Value, json};

use super::table::{clip, table, time};
use super::{complain, say};
use crate::config::Config;
use crate::daemon::{catalogue_options, prepare_schema};

/// Whose data they are; to be shown with them.
const ATTRIBUTION: &str =
    "© OpenStreetMap contributors, ODbL, https://www.openstreetmap.org/copyright";
/// Look-ups that a measurement repeats.
const REPEATED: u32 = 100;
/// Metres that a look-up may reach.
const FURTHEST: f64 = 50_000.0;

/// Show the extracts of OpenStreetMap in the venue table, where matching looks for venues before it asks
/// Overpass and Nominatim; import and remove them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

const IMPORT: &str = "\
Extracts of countries and regions: https://download.geofabrik.de (.osm.pbf). Matching sees the new places all
at once, when the import has ended; until then, and if it fails, those of the last one.
Example:
  roadie venues import germany-latest.osm.pbf austria-latest.osm.pbf";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Import extracts (.osm.pbf): the places where concerts could be. Importing one again replaces it
    #[command(after_help = IMPORT)]
    Import {
        /// Files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// What to call the extract; by default as its file, without ending and date
        #[arg(long)]
        name: Option<String>,
    },
    /// Show what the table has around a position, and how long that takes
    #[command(allow_negative_numbers = true)]
    Near {
        /// Degrees north
        #[arg(value_parser = degrees::<90>)]
        lat: f64,
        /// Degrees east
        #[arg(value_parser = degrees::<180>)]
        lon: f64,
        /// So many metres around
        #[arg(long, default_value_t = 500.0, value_parser = reach)]
        radius: f64,
    },
    /// Take an extract out of the table
    Remove {
        /// Its name
        extract: String,
    },
}

fn degrees<const MOST: u8>(text: &str) -> Result<f64, String> {
    let degrees = text.parse().ok().filter(|degrees: &f64| degrees.abs() <= f64::from(MOST));
    degrees.ok_or_else(|| format!("degrees are from -{MOST} to {MOST}"))
}

fn reach(text: &str) -> Result<f64, String> {
    let metres = text.parse().ok().filter(|metres| (1.0..=FURTHEST).contains(metres));
    metres.ok_or_else(|| format!("metres are from 1 to {FURTHEST}"))
}

pub(super) async fn venues(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::connect(catalogue_options(&config)).await?;
    prepare_schema(&config, &catalogue).await?;
    match args.command {
        None => list(&catalogue.osm_extracts().await?, args.json),
        Some(Command::Import { files, name }) => {
            anyhow::ensure!(
                name.is_none() || files.len() == 1,
                "--name is for one file, {} are named",
                files.len()
            );
            return import::import(&catalogue, &files, name, args.json).await;
        }
        Some(Command::Near { lat, lon, radius }) => {
            let found = catalogue.osm_around(lat, lon, radius).await?;
            let mut times = Vec::new();
            for _ in 0..REPEATED {
                let begun = Instant::now();
                catalogue.osm_around(lat, lon, radius).await?;
                times.push(begun.elapsed());
            }
            times.sort_unstable();
            near(&found, times[times.len() / 2], args.json);
        }
        Some(Command::Remove { extract }) => {
            if !catalogue.remove_osm_extract(&extract).await? {
                complain(&format!(
                    "no extract `{extract}`; `roadie venues` shows those that there are"
                ));
                return Ok(ExitCode::FAILURE);
            }
            say(&format!("{extract}: removed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(extracts: &[OsmExtract], json: bool) {
    if json {
        let extracts: Vec<Value> = extracts.iter().map(describe).collect();
        say(&json!({ "extracts": extracts, "attribution": ATTRIBUTION }).to_string());
    } else if extracts.is_empty() {
        say("no extracts; `roadie venues import FILE.osm.pbf` adds one");
    } else {
        let rows: Vec<Vec<String>> = extracts.iter().map(row).collect();
        say(&table(
            &["extract", "data of", "imported (UTC)", "places", "south, west", "north, east"],
            &rows,
        ));
        say(ATTRIBUTION);
    }
}

fn row(extract: &OsmExtract) -> Vec<String> {
    let area = extract.area;
    vec![
        extract.name.clone(),
        extract.data_at.map_or_else(|| "-".to_owned(), day),
        time(extract.imported_at),
        extract.places.to_string(),
        format!("{:.2}, {:.2}", area.south, area.west),
        format!("{:.2}, {:.2}", area.north, area.east),
    ]
}

fn describe(extract: &OsmExtract) -> Value {
    let area = extract.area;
    json!({ "name": extract.name, "dataAt": extract.data_at, "importedAt": extract.imported_at,
        "places": extract.places, "south": area.south, "west": area.west, "north": area.north, "east": area.east })
}

fn near(found: &Surroundings, took: Duration, json: bool) {
    if json {
        let place = |(metres, place): &(f64, OsmPlace)| json!({ "osm": place.osm, "lat": place.lat, "lon": place.lon, "metres": metres, "tags": place.tags });
        let places: Vec<Value> = found.places.iter().map(place).collect();
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        say(&json!({ "extracts": found.extracts, "places": places, "micros": micros, "attribution": ATTRIBUTION })
            .to_string());
        return;
    }
    if found.places.is_empty() {
        say("no places");
    } else {
        let row = |(metres, place): &(f64, OsmPlace)| {
            let name = place.tags.get("name").map_or("", String::as_str);
            let other = place.tags.iter().filter(|(key, _)| *key != "name");
            let other: Vec<String> = other.map(|(key, value)| format!("{key}={value}")).collect();
            vec![
                format!("{metres:.0}"),
                clip(name, 40),
                clip(&other.join(" "), 80),
                place.osm.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = found.places.iter().map(row).collect();
        say(&table(&["metres", "name", "tags", "element"], &rows));
    }
    let extracts = match &found.extracts[..] {
        [] => "no extract".to_owned(),
        extracts => extracts.join(", "),
    };
    say(&format!("in {extracts}; a look-up takes {} µs (median of {REPEATED})", took.as_micros()));
    say(ATTRIBUTION);
}

/// Unix milliseconds as a day in UTC.
fn day(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |at| at.format("%Y-%m-%d").to_string())
}
