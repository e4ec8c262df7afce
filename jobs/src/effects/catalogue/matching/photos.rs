//! Photos as far as sessions are made of them.

use chrono::{DateTime, Utc};
use sqlx::any::AnyRow;

use super::MEMBERS;
use crate::effects::catalogue::batch::{self, AnyQuery, KEYS};
use crate::effects::catalogue::error::unread;
use crate::effects::catalogue::photo_id::photo_id;
use crate::effects::catalogue::photos::{FileKey, file_key, instant, local_time, page_start};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};
use crate::matching::Shot;
use crate::pixels::Place;

/// Photos per statement when all are read.
const PAGE: usize = 2_000;

/// What a [`Shot`] is made of.
const SHOT: &str = "p.user_id, p.provider, p.file_id, p.name, p.taken_local, \
    p.taken_offset_minutes, p.taken_at AS told_at, p.gps_at, p.lat, p.lon, p.accuracy, \
    p.camera_make, p.camera_model, p.updated_at";

/// Photos with the session that they are in, if they are in one.
const FROM: &str = "FROM photos p LEFT JOIN session_photos m ON m.user_id = p.user_id \
    AND m.provider = p.provider AND m.file_id = p.file_id";

/// A photo on its way into a session.
#[derive(Clone, Debug)]
pub(crate) struct SessionPhoto {
    pub(crate) key: FileKey,
    pub(crate) shot: Shot,
    /// Unix milliseconds; which state of the photo this is.
    pub(crate) updated_at: i64,
    /// The session that it is in so far, and where it stands there in time.
    pub(crate) member: Option<(String, DateTime<Utc>)>,
}

impl Catalogue {
    /// Photos that are new or have changed since sessions were made, at most `limit`.
    pub(crate) async fn unsessioned(
        &self,
        user_id: i64,
        limit: usize,
    ) -> Result<Vec<SessionPhoto>, CatalogueError> {
        // In the words of the index, so that only those are looked at.
        let sql = format!(
            "SELECT {SHOT}, m.session_id, m.axis_at {FROM} WHERE p.user_id = $1 AND \
             (p.sessioned_at IS NULL OR p.sessioned_at <> p.updated_at) LIMIT {limit}"
        );
        self.timed("unsessioned", self.session_photos(batch::query(sql, true).bind(user_id))).await
    }

    /// All photos of a user, in the order of their keys.
    pub(crate) async fn all_session_photos(
        &self,
        user_id: i64,
    ) -> Result<Vec<SessionPhoto>, CatalogueError> {
        let sql = format!(
            "SELECT {SHOT}, m.session_id, m.axis_at {FROM} WHERE p.user_id = $1 \
             AND (p.provider, p.file_id) > ($2, $3) ORDER BY p.provider, p.file_id LIMIT {PAGE}"
        );
        let mut all: Vec<SessionPhoto> = Vec::new();
        loop {
            let (provider, file_id) = page_start(all.last().map(|photo| &photo.key));
            let (provider, file_id) = (provider.to_owned(), file_id.to_owned());
            let query = batch::query(sql.clone(), true).bind(user_id).bind(provider).bind(file_id);
            let page = self.timed("all_session_photos", self.session_photos(query)).await?;
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(all);
            }
        }
    }

    /// Sessions of a user with photos between two times.
    pub(crate) async fn sessions_between(
        &self,
        user_id: i64,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<String>, CatalogueError> {
        self.timed("sessions_between", async {
            let sql = "SELECT DISTINCT session_id FROM session_photos \
                       WHERE user_id = $1 AND axis_at BETWEEN $2 AND $3";
            let query = sqlx::query(sql).bind(user_id);
            let query = query.bind(from.timestamp_millis()).bind(to.timestamp_millis());
            let rows = query.fetch_all(&self.primary).await.map_err(unread(MEMBERS))?;
            rows.iter().map(|row| TableRow { table: MEMBERS, row }.get("session_id")).collect()
        })
        .await
    }

    /// Sessions that have lost photos, because these are not in the catalogue any more.
    pub(crate) async fn shrunk_sessions(
        &self,
        user_id: i64,
    ) -> Result<Vec<String>, CatalogueError> {
        self.timed("shrunk_sessions", async {
            let sql = "SELECT s.session_id FROM photo_sessions s WHERE s.user_id = $1 \
                       AND s.photos <> (SELECT COUNT(*) FROM session_photos m \
                       WHERE m.user_id = s.user_id AND m.session_id = s.session_id)";
            let rows = sqlx::query(sql).bind(user_id).fetch_all(&self.primary).await;
            let rows = rows.map_err(unread(MEMBERS))?;
            rows.iter().map(|row| TableRow { table: MEMBERS, row }.get("session_id")).collect()
        })
        .await
    }

    /// The photos of some sessions.
    pub(crate) async fn photos_of_sessions(
        &self,
        user_id: i64,
        sessions: &[String],
    ) -> Result<Vec<SessionPhoto>, CatalogueError> {
        self.timed("photos_of_sessions", async {
            let mut photos = Vec::new();
            for chunk in sessions.chunks(KEYS) {
                let sql = format!(
                    "SELECT {SHOT}, m.session_id, m.axis_at {FROM} WHERE m.user_id = $1 \
                     AND m.session_id IN ({})",
                    batch::list(2, chunk.len())
                );
                let mut query = batch::query(sql, chunk.len() == KEYS).bind(user_id);
                for session in chunk {
                    query = query.bind(session.clone());
                }
                photos.extend(self.session_photos(query).await?);
            }
            Ok(photos)
        })
        .await
    }

    /// The photos with a position that are next before and after a time: their zone is that of those
    /// without one.
    pub(crate) async fn located_beside(
        &self,
        user_id: i64,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<SessionPhoto>, CatalogueError> {
        self.timed("located_beside", async {
            let mut beside = Vec::with_capacity(2);
            for (condition, order, at) in [("<", "DESC", from), (">", "ASC", to)] {
                let sql = format!(
                    "SELECT {SHOT}, m.session_id, m.axis_at {FROM} WHERE m.user_id = $1 \
                     AND m.placed = 'own' AND m.axis_at {condition} $2 \
                     ORDER BY m.axis_at {order} LIMIT 1"
                );
                let query = batch::query(sql, true).bind(user_id).bind(at.timestamp_millis());
                beside.extend(self.session_photos(query).await?);
            }
            Ok(beside)
        })
        .await
    }

    /// The inputs that these sessions are stored with.
    pub(crate) async fn session_inputs(
        &self,
        user_id: i64,
        sessions: &[String],
    ) -> Result<Vec<(String, String)>, CatalogueError> {
        self.timed("session_inputs", async {
            let mut inputs = Vec::with_capacity(sessions.len());
            for chunk in sessions.chunks(KEYS) {
                let sql = format!(
                    "SELECT session_id, inputs FROM photo_sessions WHERE user_id = $1 \
                     AND session_id IN ({})",
                    batch::list(2, chunk.len())
                );
                let mut query = batch::query(sql, chunk.len() == KEYS).bind(user_id);
                for session in chunk {
                    query = query.bind(session.clone());
                }
                let rows = query.fetch_all(&self.primary).await.map_err(unread(MEMBERS))?;
                for row in &rows {
                    let row = TableRow { table: MEMBERS, row };
                    inputs.push((row.get("session_id")?, row.get("inputs")?));
                }
            }
            Ok(inputs)
        })
        .await
    }

    /// From the primary: what a scan has just stored must be there.
    async fn session_photos(
        &self,
        query: AnyQuery<'_>,
    ) -> Result<Vec<SessionPhoto>, CatalogueError> {
        let rows = query.fetch_all(&self.primary).await.map_err(unread("photos"))?;
        rows.iter().map(session_photo).collect()
    }
}

fn session_photo(row: &AnyRow) -> Result<SessionPhoto, CatalogueError> {
    let row = TableRow { table: "photos", row };
    let session: Option<String> = row.get("session_id")?;
    let (key, shot) = shot(row)?;
    Ok(SessionPhoto {
        key,
        shot,
        updated_at: row.get("updated_at")?,
        member: session.zip(instant(row, "axis_at")?),
    })
}

/// A photo as matching knows it. Of a clock without a zone, the instant is what Takeout told.
fn shot(row: TableRow<'_>) -> Result<(FileKey, Shot), CatalogueError> {
    let key = file_key(row)?;
    let place: (Option<f64>, Option<f64>) = (row.get("lat")?, row.get("lon")?);
    let offset_minutes: Option<i32> = row.get("taken_offset_minutes")?;
    let camera: [Option<String>; 2] = [row.get("camera_make")?, row.get("camera_model")?];
    let camera = camera.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let shot = Shot {
        key: photo_id(row.get("user_id")?, key.provider, &key.file_id),
        name: row.get("name")?,
        camera: Some(camera).filter(|camera| !camera.is_empty()),
        local: local_time(row)?,
        offset_minutes,
        gps_at: instant(row, "gps_at")?,
        exported_at: instant(row, "told_at")?.filter(|_| offset_minutes.is_none()),
        place: place.0.zip(place.1).map(|(lat, lon)| Place { lat, lon }),
        accuracy: row.get("accuracy")?,
        // When a catalogue first saw a file is no word of the file's.
        uploaded_at: None,
    };
    Ok((key, shot))
}
