//! Storing which photos are together in which session.

use chrono::{DateTime, Utc};
use sqlx::{Any, Transaction};

use super::{LINKS, MEMBERS, SESSIONS, word};
use crate::effects::catalogue::batch::{self, ROWS, bind_float};
use crate::effects::catalogue::error::written;
use crate::effects::catalogue::photos::FileKey;
use crate::effects::catalogue::{Catalogue, CatalogueError, users};
use crate::matching::{Centre, Moment, Placed};

/// Sessions in one transaction: others write, too.
const AT_ONCE: usize = 200;

/// A photo of a session.
#[derive(Clone, Debug)]
pub(crate) struct GroupedPhoto {
    pub(crate) key: FileKey,
    /// Where it stands in time.
    pub(crate) axis: DateTime<Utc>,
    pub(crate) moment: Moment,
    pub(crate) placed: Placed,
}

/// A session that is new, or other than before.
#[derive(Clone, Debug)]
pub(crate) struct GroupedSession {
    pub(crate) id: String,
    pub(crate) inputs: String,
    pub(crate) centre: Option<Centre>,
    pub(crate) photos: Vec<GroupedPhoto>,
}

/// What is to become of the sessions of a user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regrouping {
    pub(crate) sessions: Vec<GroupedSession>,
    /// Sessions that are none any more.
    pub(crate) gone: Vec<String>,
    /// Photos that are in none any more; nor are they of a night.
    pub(crate) alone: Vec<FileKey>,
    /// Photos that are dealt with, and in which state they were.
    pub(crate) seen: Vec<(FileKey, i64)>,
}

impl Catalogue {
    /// Stores sessions. Not all at once: what is left when it is interrupted is found again, because
    /// the photos are dealt with at the very end.
    pub(crate) async fn regroup(
        &self,
        user_id: i64,
        regrouping: &Regrouping,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        // Boxed: the statements' futures are large, and so would be every handler's.
        self.timed("regroup", Box::pin(self.store_sessions(user_id, regrouping, now_ms))).await
    }

    async fn store_sessions(
        &self,
        user_id: i64,
        regrouping: &Regrouping,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        for sessions in regrouping.sessions.chunks(AT_ONCE) {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            users::ensure(&mut transaction, user_id, now_ms).await?;
            store(&mut transaction, user_id, sessions).await?;
            transaction.commit().await.map_err(CatalogueError::Commit)?;
        }
        let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
        users::ensure(&mut transaction, user_id, now_ms).await?;
        for id in &regrouping.gone {
            let sql = "DELETE FROM photo_sessions WHERE user_id = $1 AND session_id = $2";
            let query = sqlx::query(sql).bind(user_id).bind(id.as_str());
            query.execute(&mut *transaction).await.map_err(written(SESSIONS))?;
        }
        for key in &regrouping.alone {
            let sql = "DELETE FROM session_photos \
                       WHERE user_id = $1 AND provider = $2 AND file_id = $3";
            let query = sqlx::query(sql).bind(user_id).bind(key.provider.as_str());
            let gone = query.bind(key.file_id.as_str()).execute(&mut *transaction).await;
            gone.map_err(written(MEMBERS))?;
            let sql = "DELETE FROM photo_links WHERE user_id = $1 AND provider = $2 \
                       AND file_id = $3 AND decided_by = 'auto'";
            let query = sqlx::query(sql).bind(user_id).bind(key.provider.as_str());
            let gone = query.bind(key.file_id.as_str()).execute(&mut *transaction).await;
            gone.map_err(written(LINKS))?;
        }
        for chunk in regrouping.seen.chunks(ROWS) {
            // Both databases call the columns of a list of values so.
            let sql = format!(
                "UPDATE photos SET sessioned_at = seen.column3 FROM (VALUES {}) AS seen \
                 WHERE photos.user_id = $1 AND photos.provider = seen.column1 \
                 AND photos.file_id = seen.column2",
                batch::rows(chunk.len(), 2, 3, "", "")
            );
            let mut query = batch::query(sql, chunk.len() == ROWS).bind(user_id);
            for (key, updated_at) in chunk {
                query = query.bind(key.provider.as_str()).bind(key.file_id.as_str());
                query = query.bind(*updated_at);
            }
            query.execute(&mut *transaction).await.map_err(written("photos"))?;
        }
        transaction.commit().await.map_err(CatalogueError::Commit)
    }
}

async fn store(
    transaction: &mut Transaction<'static, Any>,
    user_id: i64,
    sessions: &[GroupedSession],
) -> Result<(), CatalogueError> {
    for chunk in sessions.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO photo_sessions \
             (user_id, session_id, inputs, photos, lat, lon, uncertainty) VALUES {} \
             ON CONFLICT (user_id, session_id) DO UPDATE SET \
             (inputs, photos, lat, lon, uncertainty, asked_at, put_off_until) = (excluded.inputs, \
             excluded.photos, excluded.lat, excluded.lon, excluded.uncertainty, NULL, NULL)",
            batch::rows(chunk.len(), 2, 6, "$1, ", "")
        );
        let mut query = batch::query(sql, chunk.len() == ROWS).bind(user_id);
        for session in chunk {
            let photos = i32::try_from(session.photos.len()).unwrap_or(i32::MAX);
            query = query.bind(session.id.as_str()).bind(session.inputs.as_str()).bind(photos);
            query = bind_float(query, session.centre.map(|centre| centre.place.lat));
            query = bind_float(query, session.centre.map(|centre| centre.place.lon));
            query = bind_float(query, session.centre.map(|centre| centre.uncertainty));
        }
        query.execute(&mut **transaction).await.map_err(written(SESSIONS))?;
    }
    let photos: Vec<_> = sessions
        .iter()
        .flat_map(|session| session.photos.iter().map(|photo| (session.id.as_str(), photo)))
        .collect();
    for chunk in photos.chunks(ROWS) {
        // What was decided about a photo belongs to the session that it was in.
        let sql = format!(
            "INSERT INTO session_photos (user_id, provider, file_id, session_id, axis_at, taken_at, \
             zone, time_source, clock_corrected, doubt, named_day, placed) VALUES {} \
             ON CONFLICT (user_id, provider, file_id) DO UPDATE SET (session_id, axis_at, taken_at, \
             zone, time_source, clock_corrected, doubt, named_day, placed, evening, decision, reason) \
             = (excluded.session_id, excluded.axis_at, excluded.taken_at, excluded.zone, \
             excluded.time_source, excluded.clock_corrected, excluded.doubt, excluded.named_day, \
             excluded.placed, NULL, NULL, NULL)",
            batch::rows(chunk.len(), 2, 11, "$1, ", "")
        );
        let mut query = batch::query(sql, chunk.len() == ROWS).bind(user_id);
        for (session, photo) in chunk {
            let moment = &photo.moment;
            query = query
                .bind(photo.key.provider.as_str())
                .bind(photo.key.file_id.as_str())
                .bind(*session)
                .bind(photo.axis.timestamp_millis())
                .bind(moment.at.map(|at| at.timestamp_millis()))
                .bind(moment.zone.map(chrono_tz::Tz::name))
                .bind(word(moment.source))
                .bind(i32::from(moment.corrected))
                .bind(moment.doubt.map(word))
                .bind(moment.named.map(|day| day.to_string()))
                .bind(word(photo.placed));
        }
        query.execute(&mut **transaction).await.map_err(written(MEMBERS))?;
    }
    Ok(())
}
