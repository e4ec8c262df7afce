//! What a sidecar says.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// Bytes that a sidecar may have. Real ones have about 1,000; long descriptions and lists of people
/// make some of them larger.
pub(crate) const MAX_BYTES: u64 = 1024 * 1024;

/// What Google knows of a photo.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sidecar {
    /// When it was taken, to the second.
    pub(crate) taken_at: Option<DateTime<Utc>>,
    /// Where, in degrees north and east.
    pub(crate) place: Option<(f64, f64)>,
    /// The file's name as it was uploaded, before the export cut it.
    pub(crate) title: Option<String>,
}

/// Why a file is not a sidecar that can be used. Quotes nothing of what the file holds.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SidecarError {
    /// Larger than any real one.
    #[error("the sidecar is too large ({bytes} bytes)")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No JSON, or broken off.
    #[error("the sidecar is not valid JSON (line {line}, column {column})")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON, but a value is of another kind than in any sidecar.
    #[error("the sidecar has an unexpected value (line {line}, column {column})")]
    Unexpected {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The time is no number of seconds, or so far away that no calendar has it.
    #[error("the time in the sidecar cannot be read")]
    Time,
    /// It describes an album or something else.
    #[error("the file is not the sidecar of a photo")]
    NotAPhoto,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    title: Option<String>,
    photo_taken_time: Option<RawTime>,
    geo_data: Option<RawPlace>,
    geo_data_exif: Option<RawPlace>,
}

/// Beside it is `formatted`, in the exporting user's language: never read.
#[derive(Deserialize)]
struct RawTime {
    timestamp: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Timestamp {
    Text(String),
    Number(i64),
}

#[derive(Deserialize)]
struct RawPlace {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// Reads a sidecar. Never panics, whatever the bytes are.
///
/// The time is UTC; 0 is what an export writes when it knows none. A place of 0, 0 or outside the
/// globe counts as none; `geoData` (which a person may have corrected) comes before `geoDataExif`.
///
/// # Errors
/// See [`SidecarError`]; each says in one sentence what is wrong.
pub(crate) fn parse(bytes: &[u8]) -> Result<Sidecar, SidecarError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SidecarError::TooLarge { bytes: bytes.len() });
    }
    // Editors on Windows put a byte order mark in front.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let raw: Raw = serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => SidecarError::Unexpected { line, column },
            _ => SidecarError::NotJson { line, column },
        }
    })?;
    let time = raw.photo_taken_time.ok_or(SidecarError::NotAPhoto)?;
    Ok(Sidecar {
        taken_at: time.timestamp.map(instant).transpose()?.flatten(),
        place: [raw.geo_data, raw.geo_data_exif].iter().flatten().find_map(place),
        title: raw.title.filter(|title| !title.is_empty()),
    })
}

fn instant(timestamp: Timestamp) -> Result<Option<DateTime<Utc>>, SidecarError> {
    let seconds = match timestamp {
        Timestamp::Number(seconds) => seconds,
        Timestamp::Text(text) => text.trim().parse().map_err(|_| SidecarError::Time)?,
    };
    if seconds == 0 {
        return Ok(None);
    }
    DateTime::from_timestamp(seconds, 0).map(Some).ok_or(SidecarError::Time)
}

fn place(raw: &RawPlace) -> Option<(f64, f64)> {
    let place = raw.latitude.zip(raw.longitude)?;
    let on_globe = place.0.abs() <= 90.0 && place.1.abs() <= 180.0;
    (on_globe && place != (0.0, 0.0)).then_some(place)
}
