//! What the demo found, as a table.

use std::path::Path;

use roadie_jobs::effects::catalogue::{Catalogue, Concert, Concerts, OutcomeCount, OutcomeStatus};
use serde_json::Value;

use super::super::say;
use super::super::table::{clip, plain, table};
use super::mail;
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
    let concerts = catalogue.concerts(user).await?;
    let mails = mail::sent(&catalogue, config, user).await?;
    catalogue.close().await;
    let number = |name: &str| result.get(name).and_then(Value::as_u64).unwrap_or(0);
    let (files, ms) = (number("totalPhotos"), number("duration").max(1));
    let matching = result.get("matching").and_then(Value::as_str).unwrap_or("off");
    let speed = match matching {
        "off" => format!(": {} a second", files.saturating_mul(1_000) / ms),
        _ => ", with matching".to_owned(),
    };
    let formats: Vec<String> =
        summary.by_format.iter().map(|(format, photos)| format!("{photos} {format}")).collect();
    let rows = [
        ("files", format!("{files} in {}.{:03} s{speed}", ms / 1_000, ms % 1_000)),
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
    say("");
    say(&told(&concerts, matching));
    say("");
    say(&format!("mails       {} in {}", mails.len(), config.mail.folder.display()));
    for (file, subject) in &mails {
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        say(&format!("  {}\n    {user}/{file}", plain(subject)));
    }
    say("\nnext:  bash deploy/demo.sh FOLDER     your own photos");
    say("       bash deploy/demo.sh --serve    stay up, and enqueue jobs from another terminal");
    Ok(())
}

/// The concerts, in words.
fn told(concerts: &Concerts, matching: &str) -> String {
    if matching == "off" {
        return "concerts    not looked for: services.setlist_fm_key is not set (see `roadie check --defaults`)"
            .to_owned();
    }
    let line = |concert: &Concert| {
        let place = [Some(&concert.venue), concert.city.as_ref()].into_iter().flatten();
        let place = place.map(|part| plain(part)).collect::<Vec<_>>().join(", ");
        let artists = plain(&concert.artists.join(", "));
        let photos = if concert.photos == 1 { "photo " } else { "photos" };
        format!("  {:>3} {photos} → {}, {place}: {artists}", concert.photos, concert.date)
    };
    let photos = |concerts: &[Concert]| concerts.iter().map(|concert| concert.photos).sum::<i64>();
    let mut lines = vec![format!(
        "concerts    {} found, with {} photos",
        concerts.linked.len(),
        photos(&concerts.linked)
    )];
    lines.extend(concerts.linked.iter().map(line));
    if !concerts.for_review.is_empty() {
        lines.push(format!("to review   {} photos, perhaps of", photos(&concerts.for_review)));
        lines.extend(concerts.for_review.iter().map(line));
    }
    if concerts.without > 0 {
        lines.push(format!("no show     {} photos", concerts.without));
    }
    lines.join("\n")
}

fn row(reason: &OutcomeCount) -> Vec<String> {
    let what = match reason.status {
        OutcomeStatus::Flawed => "noted",
        OutcomeStatus::Refused => "refused",
        OutcomeStatus::Failed => "not read",
    };
    vec![reason.files.to_string(), what.to_owned(), clip(&reason.reason, 80)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concerts_are_told_in_words() {
        let concert = |photos, date: &str, city: Option<&str>| Concert {
            date: date.to_owned(),
            venue: "9:30 Club".to_owned(),
            city: city.map(str::to_owned),
            artists: vec!["Kraftwerk".to_owned(), "\u{1b}[2J".to_owned()],
            photos,
        };
        let concerts = Concerts {
            linked: vec![concert(12, "2019-06-14", Some("Washington"))],
            for_review: vec![concert(1, "2019-06-15", None)],
            without: 3,
        };
        let expected = "\
concerts    1 found, with 12 photos
   12 photos → 2019-06-14, 9:30 Club, Washington: Kraftwerk, \\u{1b}[2J
to review   1 photos, perhaps of
    1 photo  → 2019-06-15, 9:30 Club: Kraftwerk, \\u{1b}[2J
no show     3 photos";
        assert_eq!(told(&concerts, "done"), expected);
        assert!(told(&Concerts::default(), "off").contains("setlist_fm_key is not set"));
    }
}
