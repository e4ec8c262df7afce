//! What the demo found, as a table.

use std::path::Path;

use roadie_jobs::effects::catalogue::{Catalogue, OutcomeStatus};
use serde_json::Value;

use super::super::say;
use super::super::table::{clip, table};
use crate::config::Config;
use crate::daemon::catalogue_options;

/// Reasons shown at most.
const REASONS: u32 = 12;

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
    let formats: Vec<String> = summary
        .by_format
        .iter()
        .map(|(format, photos)| format!("{photos} {format}"))
        .collect();
    let rows = [
        (
            "files",
            format!(
                "{files} in {}.{:03} s: {per_second} a second",
                ms / 1_000,
                ms % 1_000
            ),
        ),
        (
            "photos",
            format!("{} ({})", summary.photos, formats.join(", ")),
        ),
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
    if !summary.reasons.is_empty() {
        say("");
        let rows: Vec<Vec<String>> = summary
            .reasons
            .iter()
            .map(|reason| {
                let what = match reason.status {
                    OutcomeStatus::Flawed => "noted",
                    OutcomeStatus::Refused => "refused",
                    OutcomeStatus::Failed => "not read",
                };
                vec![
                    reason.files.to_string(),
                    what.to_owned(),
                    clip(&reason.reason, 110),
                ]
            })
            .collect();
        say(&table(&["files", "", "reason"], &rows));
    }
    say("\nnext:  bash deploy/demo.sh FOLDER     your own photos");
    say("       bash deploy/demo.sh --serve    stay up, and enqueue jobs from another terminal");
    Ok(())
}
