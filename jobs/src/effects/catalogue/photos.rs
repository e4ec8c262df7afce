//! What the catalogue knows of a user's photos.

use chrono::{DateTime, NaiveDateTime, Utc};

use super::photo_id::photo_id;
use super::row::TableRow;
use super::scanned::{PhotoFacts, Provider};
use super::{Catalogue, CatalogueError};

/// Which file: in listings, where they go on after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey {
    /// Where the file is.
    pub provider: Provider,
    /// Its id there.
    pub file_id: String,
}

/// A photo as the catalogue has it.
#[derive(Clone, Debug, PartialEq)]
pub struct CataloguedPhoto {
    /// Which file; ids above 1,024 bytes are shortened.
    pub key: FileKey,
    /// What it is called in payloads and by web tiers; the same after every scan.
    pub photo_id: String,
    /// The file's name.
    pub name: String,
    /// The revision of the content that the facts are about.
    pub source_rev: String,
    /// What is known.
    pub facts: PhotoFacts,
    /// Unix milliseconds; when its owner starred it.
    pub starred_at: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; when something last changed.
    pub updated_at: i64,
}

impl Catalogue {
    /// A user's photos, at most `limit`, in the order of their keys, from the first or on `after`
    /// another.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn photos(
        &self,
        user_id: i64,
        after: Option<&FileKey>,
        limit: u32,
    ) -> Result<Vec<CataloguedPhoto>, CatalogueError> {
        let sql = "SELECT * FROM photos WHERE user_id = $1 AND (provider, file_id) > ($2, $3) \
                   ORDER BY provider, file_id LIMIT $4";
        self.timed("photos", async {
            let (provider, file_id) = page_start(after);
            let rows = sqlx::query(sql)
                .bind(user_id)
                .bind(provider)
                .bind(file_id)
                .bind(i64::from(limit))
                .fetch_all(self.readers())
                .await
                .map_err(|source| CatalogueError::Read { table: "photos", source })?;
            rows.iter().map(|row| photo(TableRow { table: "photos", row })).collect()
        })
        .await
    }
}

/// The empty text sorts before every provider.
pub(super) fn page_start(after: Option<&FileKey>) -> (&str, &str) {
    after.map_or(("", ""), |key| (key.provider.as_str(), key.file_id.as_str()))
}

pub(super) fn file_key(row: TableRow<'_>) -> Result<FileKey, CatalogueError> {
    Ok(FileKey { provider: row.parse("provider", Provider::parse)?, file_id: row.get("file_id")? })
}

pub(super) fn photo(row: TableRow<'_>) -> Result<CataloguedPhoto, CatalogueError> {
    let place: (Option<f64>, Option<f64>) = (row.get("lat")?, row.get("lon")?);
    let facts = PhotoFacts {
        format: row.get("format")?,
        mime_type: row.get("mime_type")?,
        bytes: row.number("bytes")?,
        width: row.number("width")?,
        height: row.number("height")?,
        taken_local: local_time(row)?,
        taken_offset_minutes: row.get("taken_offset_minutes")?,
        taken_at: instant(row, "taken_at")?,
        taken_source: row.get("taken_source")?,
        gps_at: instant(row, "gps_at")?,
        place: place.0.zip(place.1),
        accuracy: row.get("accuracy")?,
        place_source: row.get("place_source")?,
        orientation: row.number("orientation")?,
        camera_make: row.get("camera_make")?,
        camera_model: row.get("camera_model")?,
    };
    let key = file_key(row)?;
    Ok(CataloguedPhoto {
        photo_id: photo_id(row.get("user_id")?, key.provider, &key.file_id),
        key,
        name: row.get("name")?,
        source_rev: row.get("source_rev")?,
        facts,
        starred_at: row.get("starred_at")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

pub(super) fn local_time(row: TableRow<'_>) -> Result<Option<NaiveDateTime>, CatalogueError> {
    let text: Option<&str> = row.get("taken_local")?;
    let parse = |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S");
    text.map(parse).transpose().map_err(|error| row.broken("taken_local", error))
}

pub(super) fn instant(
    row: TableRow<'_>,
    column: &'static str,
) -> Result<Option<DateTime<Utc>>, CatalogueError> {
    let millis: Option<i64> = row.get(column)?;
    millis
        .map(|millis| {
            DateTime::from_timestamp_millis(millis)
                .ok_or_else(|| row.broken(column, format!("{millis} is no time")))
        })
        .transpose()
}
