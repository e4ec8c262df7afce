//! Photos as far as their duplicates are concerned: what they look like, and who looks like them.

use chrono::{DateTime, NaiveDateTime, Utc};
use sqlx::any::AnyRow;

use super::batch::{self, AnyQuery, KEYS};
use super::photos::{FileKey, file_key, instant, local_time, page_start};
use super::row::TableRow;
use super::{Catalogue, CatalogueError};
use crate::pixels::{FINGERPRINT_VERSION, Fingerprint, bands_near};

const TABLE: &str = "photo_fingerprints";

/// Photos per statement when all are read.
const PAGE: usize = 2_000;

/// What is read of each photo. A fingerprint of content that the photo no longer has is left out.
const SELECT: &str = "SELECT f.provider, f.file_id, f.content_hash, f.gradient, f.dct_0, f.dct_1, \
    f.dct_2, f.dct_3, f.detail, f.sharpness, f.exposure, f.taken_millis, f.compared_at, p.width, p.height, \
    p.orientation, p.taken_local, p.taken_at, p.bytes, p.starred_at, \
    CASE WHEN p.lat IS NULL THEN 0 ELSE 1 END AS has_place \
    FROM photo_fingerprints f JOIN photos p ON p.user_id = f.user_id \
    AND p.provider = f.provider AND p.file_id = f.file_id AND p.source_rev = f.source_rev \
    WHERE f.user_id = $1 AND f.version = $2";

/// What a scan has found out about a file by reading all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// SHA-256 of the file, hexadecimal.
    pub(crate) hash: String,
    /// What it looks like; none where the pixels could not be read.
    pub(crate) look: Option<Fingerprint>,
    /// Milliseconds of the second in which it was taken, where the camera noted them.
    pub(crate) taken_millis: Option<u16>,
}

/// A photo with its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lookalike {
    /// Which file.
    pub(crate) key: FileKey,
    /// What it holds.
    pub(crate) content: Content,
    /// Width and height, upright.
    pub(crate) size: (u32, u32),
    /// Wall clock where it was taken.
    pub(crate) taken_local: Option<NaiveDateTime>,
    /// The instant, when it is certain.
    pub(crate) taken_at: Option<DateTime<Utc>>,
    /// Whether it is known where it was taken.
    pub(crate) has_place: bool,
    /// Whether its owner has starred it.
    pub(crate) starred: bool,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Whether it was compared with all others.
    pub(crate) compared: bool,
}

impl Catalogue {
    /// Photos of a user that were not compared with the others yet, at most `limit`.
    pub(crate) async fn uncompared(
        &self,
        user_id: i64,
        limit: usize,
    ) -> Result<Vec<Lookalike>, CatalogueError> {
        let sql = format!(
            "{SELECT} AND f.compared_at IS NULL ORDER BY f.provider, f.file_id LIMIT {limit}"
        );
        let query = batch::query(sql, true).bind(user_id).bind(FINGERPRINT_VERSION);
        self.timed("uncompared", self.fetched(query)).await
    }

    /// All photos of a user, in the order of their keys.
    pub(crate) async fn all_lookalikes(
        &self,
        user_id: i64,
    ) -> Result<Vec<Lookalike>, CatalogueError> {
        let sql = format!(
            "{SELECT} AND (f.provider, f.file_id) > ($3, $4) \
             ORDER BY f.provider, f.file_id LIMIT {PAGE}"
        );
        let mut all: Vec<Lookalike> = Vec::new();
        loop {
            let (provider, file_id) = page_start(all.last().map(|photo| &photo.key));
            let (provider, file_id) = (provider.to_owned(), file_id.to_owned());
            let query = batch::query(sql.clone(), true).bind(user_id).bind(FINGERPRINT_VERSION);
            let page = self.fetched(query.bind(provider).bind(file_id));
            let page = self.timed("all_lookalikes", page).await?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    /// These photos of a user.
    pub(crate) async fn lookalikes(
        &self,
        user_id: i64,
        keys: &[FileKey],
    ) -> Result<Vec<Lookalike>, CatalogueError> {
        self.timed("lookalikes", async {
            let mut found = Vec::with_capacity(keys.len());
            for chunk in keys.chunks(KEYS) {
                let pairs = batch::rows(chunk.len(), 3, 2, "", "");
                let sql = format!("{SELECT} AND (f.provider, f.file_id) IN (VALUES {pairs})");
                let query = batch::query(sql, chunk.len() == KEYS);
                let mut query = query.bind(user_id).bind(FINGERPRINT_VERSION);
                for key in chunk {
                    query = query.bind(key.provider.as_str()).bind(key.file_id.as_str());
                }
                found.extend(self.fetched(query).await?);
            }
            Ok(found)
        })
        .await
    }

    /// Looks up, among a user's photos, those with the same content as one, and those whose gradient
    /// is within `radius` of its own. Costs the same however many photos there are, but for the
    /// few that share a band with it.
    pub(crate) async fn look_up(
        &self,
        user_id: i64,
        content: &Content,
        radius: u32,
    ) -> Result<Vec<FileKey>, CatalogueError> {
        use std::fmt::Write as _;

        let columns = "SELECT provider, file_id, gradient, content_hash FROM photo_fingerprints \
                       WHERE user_id = $1 AND version = $2";
        let mut sql = format!("{columns} AND content_hash = $3");
        let gradient = content.look.map(|look| look.gradient);
        for (at, near) in
            gradient.iter().flat_map(|&gradient| bands_near(gradient, radius)).enumerate()
        {
            let list: Vec<String> = near.iter().map(ToString::to_string).collect();
            // Numbers only; UNION tells a photo once.
            write!(sql, " UNION {columns} AND band_{at} IN ({})", list.join(", "))
                .expect("writing to a String cannot fail");
        }
        self.timed("look_up", async {
            let query = batch::query(sql, false).bind(user_id).bind(FINGERPRINT_VERSION);
            let rows = query.bind(content.hash.clone()).fetch_all(&self.primary).await;
            let rows = rows.map_err(|source| CatalogueError::Read { table: TABLE, source })?;
            let mut keys = Vec::new();
            for row in &rows {
                let row = TableRow { table: TABLE, row };
                let other: Option<i64> = row.get("gradient")?;
                let far = gradient
                    .zip(other)
                    .is_none_or(|(one, other)| (one ^ other.cast_unsigned()).count_ones() > radius);
                let hash: &str = row.get("content_hash")?;
                if !far || hash == content.hash {
                    keys.push(file_key(row)?);
                }
            }
            Ok(keys)
        })
        .await
    }

    /// From the primary: what a scan has just stored must be there.
    async fn fetched(&self, query: AnyQuery<'_>) -> Result<Vec<Lookalike>, CatalogueError> {
        let rows = query.fetch_all(&self.primary).await;
        let rows = rows.map_err(|source| CatalogueError::Read { table: TABLE, source })?;
        rows.iter().map(lookalike).collect()
    }
}

fn lookalike(row: &AnyRow) -> Result<Lookalike, CatalogueError> {
    let row = TableRow { table: TABLE, row };
    let (width, height) = (row.number("width")?.unwrap_or(0), row.number("height")?.unwrap_or(0));
    // Orientations 5 to 8 turn the picture by a quarter.
    let turned = row.number::<u8>("orientation")?.is_some_and(|orientation| orientation >= 5);
    let has_place: i64 = row.get("has_place")?;
    let starred_at: Option<i64> = row.get("starred_at")?;
    Ok(Lookalike {
        key: file_key(row)?,
        content: Content {
            hash: row.get("content_hash")?,
            look: look(row)?,
            taken_millis: row.number("taken_millis")?,
        },
        size: if turned { (height, width) } else { (width, height) },
        taken_local: local_time(row)?,
        taken_at: instant(row, "taken_at")?,
        has_place: has_place != 0,
        starred: starred_at.is_some(),
        bytes: row.number("bytes")?.unwrap_or(0),
        compared: row.get::<Option<i64>>("compared_at")?.is_some(),
    })
}

fn look(row: TableRow<'_>) -> Result<Option<Fingerprint>, CatalogueError> {
    let word = |column| Ok(row.get::<Option<i64>>(column)?.map(i64::cast_unsigned));
    let Some(gradient) = word("gradient")? else {
        return Ok(None);
    };
    let mut dct = [0; 4];
    for (word_of, column) in dct.iter_mut().zip(["dct_0", "dct_1", "dct_2", "dct_3"]) {
        *word_of = word(column)?.unwrap_or_default();
    }
    Ok(Some(Fingerprint {
        gradient,
        dct,
        detail: row.number("detail")?.unwrap_or(0),
        sharpness: row.number("sharpness")?.unwrap_or(0),
        exposure: row.number("exposure")?.unwrap_or(0),
    }))
}
