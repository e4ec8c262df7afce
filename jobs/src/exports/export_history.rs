//! `export-history`

use std::time::Duration;

use anyhow::anyhow;
use schemars::{JsonSchema, Schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::making::{Made, Making, link};
use crate::context::JobContext;
use crate::effects::catalogue::ExportState;
use crate::email::{self, Facts, Template};
use crate::job::{Job, JobError, SlotClass, Timeout};
use crate::schema::describe;

/// An id becomes a part of an object's key and of a file's name.
const LONGEST_ID: usize = 64;

/// Writes all concerts of a user into a file, and puts it into the object store for some days.
///
/// Effects: an object under `exports.prefix` in `exports.bucket`; a row of `exports`; a mail to its user.
/// Safe to repeat because: the key follows from the payload, the object is there as a whole or not at all,
/// and the row names it only afterwards; a repeated job finds the file, and answers a new link to it.
/// Gives up when: the export was asked for in another format before, its file was removed, its user has
/// gone, or the bucket is not there or denies access.
///
/// Times of day do not occur, so a producer's `tz` changes nothing: nights have the date of their venue.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "exportId": "e-1042", "userId": 7, "format": "pdf", "locale": "de" }]))]
pub(crate) struct ExportHistory {
    /// Letters, digits, `-` and `_`.
    #[serde(deserialize_with = "export_id")]
    #[schemars(length(min = 1, max = LONGEST_ID), regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub(super) export_id: String,
    pub(super) user_id: i64,
    pub(super) format: Format,
    /// The language of a PDF's words and dates (BCP 47); without one that is known: English.
    #[serde(default)]
    pub(super) locale: Option<String>,
    /// A byte order mark at the beginning of a CSV, which Excel takes for UTF-8 only with one.
    #[serde(default)]
    pub(super) bom: bool,
}

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Csv,
    Json,
    Pdf,
}

impl Format {
    /// Its word, and the ending of the file's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Pdf => "pdf",
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            // RFC 4180, section 3.
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json => "application/json",
            Self::Pdf => "application/pdf",
        }
    }
}

fn export_id<'de, D: Deserializer<'de>>(payload: D) -> Result<String, D::Error> {
    let id = String::deserialize(payload)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(id);
    }
    let told = format!("an id has 1 to {LONGEST_ID} letters, digits, - and _, and no others");
    Err(D::Error::custom(told))
}

/// What a job answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exported {
    export_id: String,
    format: String,
    /// Size of the file.
    bytes: i64,
    /// SHA-256 of the file, in hexadecimal.
    sha256: String,
    /// Rows of a CSV: one per event night and setlist.
    rows: i64,
    /// Characters of a PDF that no font has; only where this job has made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_characters: Option<u64>,
    bucket: String,
    key: String,
    /// A link that lets in whoever has it, for a short time; `null`: nobody serves the bucket.
    url: Option<String>,
    /// Unix milliseconds.
    url_expires_at: Option<i64>,
    /// When the file is removed, in Unix milliseconds.
    expires_at: i64,
}

impl Exported {
    async fn new(cx: &JobContext, Made { export, missing, .. }: Made) -> Result<Self, JobError> {
        let now_ms = cx.effects().clock.now_ms();
        let left = u64::try_from(export.expires_at - now_ms).unwrap_or(0);
        let lasts = cx.effects().exports.link_lasts.min(Duration::from_millis(left));
        let url = link(cx, &export, lasts).await?;
        let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        Ok(Self {
            url_expires_at: url.is_some().then(|| now_ms.saturating_add(lasts)),
            url,
            export_id: export.export_id,
            format: export.format,
            bytes: export.bytes.unwrap_or(0),
            sha256: export.sha256.unwrap_or_default(),
            rows: export.shows.unwrap_or(0),
            missing_characters: missing,
            bucket: export.bucket,
            key: export.key,
            expires_at: export.expires_at,
        })
    }
}

impl Job for ExportHistory {
    const KIND: &'static str = "export-history";
    const QUEUE: &'static str = "exports";
    // It tells how many nights it has written.
    const TIMEOUT: Timeout = Timeout::Silence(Duration::from_mins(5));
    // It reads and puts most of the time; what it computes has threads and memory of its own.
    const SLOTS: SlotClass = SlotClass::Io;
    type Output = Exported;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<Exported, JobError> {
        let making = Making::new(&cx, &self);
        let export = making.begin().await?;
        if export.format != self.format.name() {
            return Err(JobError::discard(anyhow!(
                "export {} was asked for as {} before; another format needs another exportId",
                self.export_id,
                export.format
            )));
        }
        let made = match export.state {
            ExportState::Ready if making.is_there(&export).await? => {
                Made { export, nights: None, missing: None }
            }
            ExportState::Removed => return Err(making.take_back().await),
            ExportState::Making | ExportState::Ready => making.make().await?,
        };
        tell(&cx, &made).await?;
        Exported::new(&cx, made).await
    }
}

/// Mails the user a link that lasts as long as the file.
async fn tell(cx: &JobContext, made: &Made) -> Result<(), JobError> {
    let Made { export, nights, .. } = made;
    let left = export.expires_at - cx.effects().clock.now_ms();
    let lasts = Duration::from_millis(u64::try_from(left).unwrap_or(0));
    let facts = Facts {
        format: Some(export.format.clone()),
        concerts: *nights,
        bytes: export.bytes.and_then(|bytes| u64::try_from(bytes).ok()),
        link: link(cx, export, lasts).await?,
        expires_at: Some(export.expires_at),
        ..Facts::default()
    };
    email::ask(cx, export.user_id, Template::ExportReady, &export.export_id, &facts).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_lead_elsewhere() {
        let decode = |id: &str| {
            let payload = serde_json::json!({ "exportId": id, "userId": 7, "format": "csv" });
            serde_json::from_value::<ExportHistory>(payload)
        };
        for id in ["e-1042", "A", "0b7e_1", &"x".repeat(64)] {
            assert_eq!(decode(id).unwrap().export_id, id);
        }
        for id in ["", "..", "a/b", "a.csv", "ä", "a b", "a\0", "a:b", &"x".repeat(65)] {
            let told = decode(id).unwrap_err().to_string();
            assert!(told.contains("letters, digits"), "{id}: {told}");
        }
    }
}
