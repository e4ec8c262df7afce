//! What the demo found, as a table.

use std::path::Path;

use roadie_jobs::effects::catalogue::{Catalogue, OutcomeCount, OutcomeStatus};
use serde_json::Value;

use super::super::say;
use super::super::table::{clip, table};
use crate::config::Config;
use crate::daemon::catalogue_options;

/// Different reasons read at most.
const REASONS: u32 = 200;
/// Rows shown; files that were not taken come first.
const ROWS: usize = 24;

pub(super) async fn print(
    config: &Config,
    result: &Value,
    user: i64,
    metrics: &Path,
) -> anyhow::Result<()> {
    let catalogue = Catalogue::connect(catalogue_options(config)).await?;
    let summary = catalogue.summary(user, REASONS).await?;
    catalogue.close().await;
    let number = |name: &str| result.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (files, ms) = (number("totalPhotos"), number("duration").max(1));
    let per_second = files.saturating_mul(1_000) / ms;
    let formats: Vec<String> =
        summary.by_format.iter().map(|(format, photos)| format!("{photos} {format}")).collect();
    let rows = [
        ("files", format!("{files} in {}.{:03} s: {per_second} a second", ms / 1_000, ms % 1_000)),
        ("photos", format!("{} ({})", summary.photos, formats.join(", "))),
        ("with time", summary.with_time.to_string()),
        ("with GPS", summary.with_place.to_string()),
        ("with a note", summary.flawed.to_string()),
        ("refused", (summary.refused + summary.failed).to_string()),
        ("catalogue", config.database_url()),
        ("metrics", metrics.display().to_string()),
    ];
    say("");
    for (name, value) in rows {
        say(&format!("{name:<12}{value}"));
    }
    let (noted, not_taken): (Vec<_>, Vec<_>) =
        summary.reasons.iter().partition(|reason| reason.status == OutcomeStatus::Flawed);
    let shown: Vec<&OutcomeCount> = not_taken.into_iter().chain(noted).collect();
    if !shown.is_empty() {
        let rows: Vec<Vec<String>> = shown.iter().take(ROWS).map(|reason| row(reason)).collect();
        say("");
        say(&table(&["files", "", "reason"], &rows));
        if shown.len() > ROWS {
            say(&format!(
                "… and {} other reasons, in the table photo_outcomes",
                shown.len() - ROWS
            ));
        }
    }
    say("\nnext:  bash deploy/demo.sh FOLDER     your own photos");
    say("       bash deploy/demo.sh --serve    stay up, and enqueue jobs from another terminal");
    Ok(())
}

fn row(reason: &OutcomeCount) -> Vec<String> {
    let what = match reason.status {
        OutcomeStatus::Flawed => "noted",
        OutcomeStatus::Refused => "refused",
        OutcomeStatus::Failed => "not read",
    };
    vec![reason.files.to_string(), what.to_owned(), clip(&reason.reason, 80)]
}
