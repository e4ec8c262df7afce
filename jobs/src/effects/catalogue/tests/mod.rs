//! Every test runs on both databases: `SQLite` in a temporary file, and `PostgreSQL` when
//! `TEST_POSTGRES_URL` names a server on which databases may be created.

mod accounts;
mod databases;
mod dead_letter_lookups;
mod dead_letters;
mod erasure;
mod errors;
mod listings;
mod lookalikes;
mod mail;
mod matching;
mod opening;
mod pages;
mod pressure;
mod schema;
mod units;
mod variants;
mod venue_table;

use chrono::{DateTime, NaiveDate};

use super::{Catalogue, Note, PhotoFacts, Provider, ScannedFile, Verdict};
use databases::on_both;

/// The user of most tests, and the present in them.
const USER: i64 = 42;
const NOW: i64 = 1_700_000_000_000;

/// A photo of which everything is known; `number` makes it differ from others.
fn photo(number: u32) -> ScannedFile {
    let taken = DateTime::from_timestamp(1_690_000_000 + i64::from(number), 5_000_000).unwrap();
    let day = NaiveDate::from_ymd_opt(2023, 7, 22).unwrap();
    ScannedFile {
        file_id: format!("2023/IMG_{number:05}.jpg"),
        name: format!("IMG_{number:05}.jpg"),
        source_rev: format!("{number}-1690000000"),
        content: None,
        verdict: Verdict::Clean(Box::new(PhotoFacts {
            format: Some("jpeg".into()),
            mime_type: Some("image/jpeg".into()),
            bytes: Some(3_000_000_000 + u64::from(number)),
            width: Some(4032),
            height: Some(3024),
            taken_local: day.and_hms_opt(21, 30, number % 60),
            taken_offset_minutes: Some(-420),
            taken_at: Some(taken),
            taken_source: Some("exif".into()),
            gps_at: Some(taken),
            place: Some((47.243_333_3, -122.427_5)),
            accuracy: Some(4.5),
            place_source: Some("exif".into()),
            orientation: Some(6),
            camera_make: Some("Google".into()),
            camera_model: Some("Pixel 7".into()),
        })),
    }
}

/// The same file with another verdict.
fn judged(number: u32, verdict: Verdict) -> ScannedFile {
    ScannedFile { verdict, ..photo(number) }
}

fn note(reason: &str) -> Note {
    Note { reason: reason.into(), hint: Some("look at it".into()) }
}

fn photos(numbers: std::ops::Range<u32>) -> Vec<ScannedFile> {
    numbers.map(photo).collect()
}

/// Records a folder's page as the job "scan-1", at [`NOW`].
async fn record(catalogue: &Catalogue, page: &[ScannedFile]) -> super::PageSummary {
    record_at(catalogue, page, NOW).await
}

async fn record_at(catalogue: &Catalogue, page: &[ScannedFile], now: i64) -> super::PageSummary {
    catalogue.record_page(USER, Provider::Folder, page, "scan-1", now).await.unwrap()
}
