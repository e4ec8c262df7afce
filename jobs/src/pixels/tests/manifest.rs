//! The photo collection beside the repository, with what exiftool says about each file.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;

use super::super::Format;
use super::{look, wrong};

/// No file may take longer, not even in a slow build.
const PATIENCE: Duration = Duration::from_secs(20);

/// The one photo of the intact folders with a flaw: its seconds of arc are 0/0.
const HALF_A_POSITION: &str = "camera/Nikon_D5000.jpg";

/// Splits a line at commas outside of quotes.
fn fields(line: &str) -> Vec<String> {
    let mut quoted = false;
    let mut fields = vec![String::new()];
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => fields.last_mut().unwrap().push(letter),
        }
    }
    fields
}

fn rows(manifest: &str) -> Vec<HashMap<String, String>> {
    let mut lines = manifest.lines().map(fields);
    let names = lines.next().unwrap();
    lines.map(|line| names.iter().cloned().zip(line).collect()).collect()
}

/// Every difference between a good file and its row.
fn compare(row: &HashMap<String, String>, bytes: &[u8]) -> Vec<String> {
    let name = &row["file"];
    let picture = match look(bytes, name) {
        Ok(picture) => picture,
        Err(refusal) => return vec![format!("{name}: {refusal}")],
    };
    let format = match row["type"].as_str() {
        "JPEG" => Format::Jpeg,
        "PNG" => Format::Png,
        "WEBP" | "Extended WEBP" => Format::WebP,
        "HEIC" | "HEIF" => Format::Heic,
        "AVIF" => Format::Avif,
        "TIFF" => Format::Tiff,
        "GIF" => Format::Gif,
        other => panic!("{name}: {other}"),
    };
    let parse = |field: &str| row[field].parse::<f64>().ok();
    let datetime = NaiveDateTime::parse_from_str(&row["datetime"], "%Y:%m:%d %H:%M:%S").ok();
    let near = |ours: Option<f64>, theirs: Option<f64>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).abs() < 1e-6,
        (ours, theirs) => ours == theirs,
    };
    let checks = [
        ("format", picture.format == format),
        ("width", picture.width.to_string() == row["width"]),
        ("height", picture.height.to_string() == row["height"]),
        ("datetime", picture.taken.as_ref().map(|taken| taken.local) == datetime),
        ("latitude", near(picture.place.map(|place| place.lat), parse("lat"))),
        ("longitude", near(picture.place.map(|place| place.lon), parse("lon"))),
        ("orientation", picture.orientation == row["orientation"].parse().ok()),
        ("flaws", wrong(bytes, name).is_empty() != (name == HALF_A_POSITION)),
    ];
    let differ = checks.into_iter().filter(|(_, agrees)| !agrees);
    differ.map(|(what, _)| format!("{name}: {what}: {picture:?}, {row:?}")).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
fn agrees_with_the_manifest() {
    let photos = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/photos"));
    let Ok(manifest) = std::fs::read_to_string(photos.join("MANIFEST.csv")) else {
        println!("SKIPPED: ../shared/photos is not there");
        return;
    };
    let mut differences = Vec::new();
    let (mut good, mut bad) = (0, 0);
    for row in rows(&manifest) {
        let name = &row["file"];
        let bytes = std::fs::read(photos.join(name)).unwrap();
        let begun = Instant::now();
        if name.starts_with("malformed/") {
            bad += 1;
            let missed = wrong(&bytes, name).is_empty();
            differences.extend(missed.then(|| format!("{name}: nothing is wrong with it")));
        } else {
            good += 1;
            differences.extend(compare(&row, &bytes));
        }
        assert!(begun.elapsed() < PATIENCE, "{name}: {:?}", begun.elapsed());
    }
    println!("{good} intact and {bad} malformed files, {} differences", differences.len());
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(good > 100 && bad > 30, "{good}, {bad}");
}
