//! What a scan hands over: one [`ScannedFile`] for every file that it has dealt with.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::lookalikes::Content;

/// Where files come from. With the user and the file id it is the key of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// A folder on a disk; the file id is the absolute path, or `bytes:` and the escaped path
    /// where that is no UTF-8.
    Folder,
    /// A bucket; the file id is its name, `/` and the object's key.
    S3,
    /// Google Drive; the file id is Drive's.
    Drive,
}

/// What became of a file about which there is something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutcomeStatus {
    /// It is catalogued, with a note.
    Flawed,
    /// It is not catalogued, and will not be as it is.
    Refused,
    /// It could not be read this time.
    Failed,
}

/// A word that this build does not know, of a set that it takes for closed.
#[derive(Debug, thiserror::Error)]
#[error("unknown {what} {word:?}")]
pub(super) struct UnknownWord {
    pub(super) what: &'static str,
    pub(super) word: String,
}

impl Provider {
    /// As it is stored: `folder`, `s3` or `drive`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::S3 => "s3",
            Self::Drive => "drive",
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self, UnknownWord> {
        [Self::Folder, Self::S3, Self::Drive]
            .into_iter()
            .find(|provider| provider.as_str() == word)
            .ok_or_else(|| UnknownWord { what: "provider", word: word.into() })
    }
}

impl OutcomeStatus {
    /// As it is stored: `flawed`, `refused` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flawed => "flawed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self, UnknownWord> {
        [Self::Flawed, Self::Refused, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| UnknownWord { what: "status", word: word.into() })
    }
}

/// A file that a scan has dealt with.
#[derive(Clone, Debug, PartialEq)]
pub struct ScannedFile {
    /// What identifies the file at its provider.
    pub file_id: String,
    /// Its name, for people. Stored up to 512 characters.
    pub name: String,
    /// Identifies the content: size and modification time, or an `ETag`. Up to 255 characters.
    pub source_rev: String,
    /// What came out.
    pub verdict: Verdict,
    /// What it holds, where the whole file was read for it.
    pub(crate) content: Option<Content>,
}

/// What came out of looking at one file.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// A photo, and nothing to say about it.
    Clean(Box<PhotoFacts>),
    /// A photo that is catalogued although something is wrong with it.
    Flawed(Box<PhotoFacts>, Note),
    /// Not a photo that can be catalogued. What an earlier revision left in the catalogue stays.
    Refused(Note),
    /// Could not be read now. It does not count as known, so the next scan looks again.
    Failed(Note),
}

impl Verdict {
    pub(super) fn facts(&self) -> Option<&PhotoFacts> {
        match self {
            Self::Clean(facts) | Self::Flawed(facts, _) => Some(facts),
            Self::Refused(_) | Self::Failed(_) => None,
        }
    }

    pub(super) fn note(&self) -> Option<(OutcomeStatus, &Note)> {
        match self {
            Self::Clean(_) => None,
            Self::Flawed(_, note) => Some((OutcomeStatus::Flawed, note)),
            Self::Refused(note) => Some((OutcomeStatus::Refused, note)),
            Self::Failed(note) => Some((OutcomeStatus::Failed, note)),
        }
    }
}

/// Something to say about a file to its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is wrong, in plain words. Up to 500 characters.
    pub reason: String,
    /// What to do about it. Up to 500 characters.
    pub hint: Option<String>,
}

/// What is known of a photo. Everything may be missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PhotoFacts {
    /// `JPEG`, `HEIC`, … Words like this are stored up to 127 characters.
    pub format: Option<String>,
    /// Media type.
    pub mime_type: Option<String>,
    /// Size of the file.
    pub bytes: Option<u64>,
    /// Pixels, as stored (before orientation).
    pub width: Option<u32>,
    /// Pixels, as stored (before orientation).
    pub height: Option<u32>,
    /// Wall clock where it was taken; kept to the second.
    pub taken_local: Option<NaiveDateTime>,
    /// Offset of that wall clock from UTC, in minutes; east is positive.
    pub taken_offset_minutes: Option<i32>,
    /// The instant, when it is certain; kept to the millisecond.
    pub taken_at: Option<DateTime<Utc>>,
    /// Where the time comes from: `exif`, `takeout`, `gps`, …
    pub taken_source: Option<String>,
    /// The time that the satellites gave; kept to the millisecond.
    pub gps_at: Option<DateTime<Utc>>,
    /// Degrees north and east. Only finite numbers are stored.
    pub place: Option<(f64, f64)>,
    /// How far off the place may be, in metres. Only finite numbers are stored.
    pub accuracy: Option<f64>,
    /// Where the place comes from: `exif`, `takeout`, …
    pub place_source: Option<String>,
    /// EXIF orientation, 1 to 8.
    pub orientation: Option<u8>,
    /// Who made the camera. Up to 255 characters.
    pub camera_make: Option<String>,
    /// Which camera. Up to 255 characters.
    pub camera_model: Option<String>,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for OutcomeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
