//! One session, for matching, and which ones are to be matched.

use chrono::NaiveDate;
use sqlx::any::AnyRow;

use super::{MEMBERS, SESSIONS};
use crate::effects::catalogue::batch;
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::photos::{FileKey, file_key, instant};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};
use crate::matching::{ALGORITHM, Centre, Moment, Placed, Poi, metres};
use crate::pixels::Place;

const VENUES: &str = "session_venues";
/// What is still to be matched, or was by an older algorithm ($2), in SQL.
pub(super) const TO_MATCH: &str = "(s.matched_inputs IS NULL OR s.matched_inputs <> s.inputs \
    OR s.algorithm IS NULL OR s.algorithm < $2)";
/// Of these, what is not going to be matched later anyway ($3: now).
const NOT_PUT_OFF: &str = "(s.put_off_until IS NULL OR s.put_off_until <= $3)";

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PhotoSession {
    pub(crate) id: String,
    pub(crate) inputs: String,
    pub(crate) centre: Option<Centre>,
    /// Whether the places around it are stored.
    pub(crate) venues_known: bool,
    /// Whether it was matched as it is, by today's algorithm.
    pub(crate) matched: bool,
    pub(crate) rechecks: i32,
    /// Unix milliseconds.
    pub(crate) recheck_at: Option<i64>,
}

/// A photo of it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) key: FileKey,
    pub(crate) moment: Moment,
    pub(crate) placed: Placed,
}

impl Catalogue {
    pub(crate) async fn photo_session(
        &self,
        user_id: i64,
        session_id: &str,
    ) -> Result<Option<PhotoSession>, CatalogueError> {
        self.timed("photo_session", async {
            let sql = "SELECT * FROM photo_sessions WHERE user_id = $1 AND session_id = $2";
            let query = sqlx::query(sql).bind(user_id).bind(session_id);
            let row = query.fetch_optional(&self.primary).await.map_err(unread(SESSIONS))?;
            row.as_ref().map(session).transpose()
        })
        .await
    }

    /// The photos of a session, in the order of their time.
    pub(crate) async fn session_members(
        &self,
        user_id: i64,
        session_id: &str,
    ) -> Result<Vec<Member>, CatalogueError> {
        self.timed("session_members", async {
            let sql = "SELECT * FROM session_photos WHERE user_id = $1 AND session_id = $2 \
                       ORDER BY axis_at, provider, file_id";
            let query = sqlx::query(sql).bind(user_id).bind(session_id);
            let rows = query.fetch_all(&self.primary).await.map_err(unread(MEMBERS))?;
            rows.iter().map(member).collect()
        })
        .await
    }

    /// Notes that a scan, by its time, hands to matching all sessions that are to be matched, but for
    /// those that an earlier one has handed over and that were put off; answers them in the order in
    /// which they should be, with whether it is known where they were. Those come first: they tell where
    /// their owner goes.
    pub(crate) async fn ask_to_match(
        &self,
        user_id: i64,
        asked_at: i64,
    ) -> Result<Vec<(String, bool)>, CatalogueError> {
        self.timed("ask_to_match", async {
            let sql = format!(
                "UPDATE photo_sessions AS s SET asked_at = $3, put_off_until = NULL \
                 WHERE s.user_id = $1 AND {TO_MATCH} AND {NOT_PUT_OFF}"
            );
            let query =
                batch::query(sql, true).bind(user_id).bind(ALGORITHM_VERSION).bind(asked_at);
            query.execute(&self.primary).await.map_err(written(SESSIONS))?;
            let sql = format!(
                "SELECT s.session_id, CASE WHEN s.lat IS NULL THEN 0 ELSE 1 END AS placed \
                 FROM photo_sessions s WHERE s.user_id = $1 AND {TO_MATCH} AND {NOT_PUT_OFF} \
                 AND s.asked_at = $3 \
                 ORDER BY placed DESC, s.session_id"
            );
            let query =
                batch::query(sql, true).bind(user_id).bind(ALGORITHM_VERSION).bind(asked_at);
            let rows = query.fetch_all(&self.primary).await.map_err(unread(SESSIONS))?;
            let asked = rows.iter().map(|row| {
                let row = TableRow { table: SESSIONS, row };
                let placed: i64 = row.get("placed")?;
                Ok((row.get("session_id")?, placed == 1))
            });
            asked.collect()
        })
        .await
    }

    /// Notes that nothing will become of a session's matching before then, in Unix milliseconds. When
    /// that is past, the next scan hands it over anew.
    pub(crate) async fn put_off(
        &self,
        user_id: i64,
        session_id: &str,
        until: i64,
    ) -> Result<(), CatalogueError> {
        self.timed("put_off", async {
            let sql = "UPDATE photo_sessions SET put_off_until = $3 \
                       WHERE user_id = $1 AND session_id = $2";
            let query = sqlx::query(sql).bind(user_id).bind(session_id).bind(until);
            query.execute(&self.primary).await.map_err(written(SESSIONS))?;
            Ok(())
        })
        .await
    }

    /// The places around a session, as `detect-venue` found them.
    pub(crate) async fn session_venues(
        &self,
        user_id: i64,
        session_id: &str,
    ) -> Result<Vec<Poi>, CatalogueError> {
        self.timed("session_venues", async {
            let sql = "SELECT * FROM session_venues WHERE user_id = $1 AND session_id = $2";
            let query = sqlx::query(sql).bind(user_id).bind(session_id);
            let rows = query.fetch_all(&self.primary).await.map_err(unread(VENUES))?;
            let mut pois = Vec::with_capacity(rows.len());
            for row in &rows {
                let row = TableRow { table: VENUES, row };
                let called = row.parse("names", |names| serde_json::from_str(names))?;
                let place = Place { lat: row.get("lat")?, lon: row.get("lon")? };
                pois.extend(Poi::called(row.get("osm")?, place, row.get("fitness")?, called));
            }
            Ok(pois)
        })
        .await
    }

    /// Stores the places around a session, unless it has changed since it was read.
    pub(crate) async fn store_session_venues(
        &self,
        user_id: i64,
        session: &PhotoSession,
        pois: &[Poi],
    ) -> Result<(), CatalogueError> {
        let Some(centre) = session.centre else { return Ok(()) };
        self.timed("store_session_venues", async {
            let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
            let sql = "UPDATE photo_sessions SET venues_for = $3 \
                       WHERE user_id = $1 AND session_id = $2 AND inputs = $3";
            let query = sqlx::query(sql).bind(user_id).bind(session.id.as_str());
            let noted = query.bind(session.inputs.as_str()).execute(&mut *transaction).await;
            if noted.map_err(written(SESSIONS))?.rows_affected() == 0 {
                return Ok(());
            }
            let sql = "DELETE FROM session_venues WHERE user_id = $1 AND session_id = $2";
            let query = sqlx::query(sql).bind(user_id).bind(session.id.as_str());
            query.execute(&mut *transaction).await.map_err(written(VENUES))?;
            for chunk in pois.chunks(batch::ROWS) {
                let sql = format!(
                    "INSERT INTO session_venues \
                     (user_id, session_id, osm, names, fitness, lat, lon, metres) VALUES {} \
                     ON CONFLICT (user_id, session_id, osm) DO NOTHING",
                    batch::rows(chunk.len(), 3, 6, "$1, $2, ", "")
                );
                let query = batch::query(sql, chunk.len() == batch::ROWS);
                let mut query = query.bind(user_id).bind(session.id.as_str());
                for poi in chunk {
                    #[expect(clippy::cast_possible_truncation, reason = "metres within reach")]
                    let away = metres(centre.place, poi.place).round() as i32;
                    let names = serde_json::to_string(&poi.called).unwrap_or_default();
                    query = query.bind(poi.osm.as_str()).bind(names);
                    query = query.bind(poi.fitness).bind(poi.place.lat).bind(poi.place.lon);
                    query = query.bind(away);
                }
                query.execute(&mut *transaction).await.map_err(written(VENUES))?;
            }
            transaction.commit().await.map_err(CatalogueError::Commit)
        })
        .await
    }
}

/// As it is stored.
#[expect(clippy::cast_possible_wrap, reason = "it counts up by hand")]
pub(super) const ALGORITHM_VERSION: i32 = ALGORITHM as i32;

fn session(row: &AnyRow) -> Result<PhotoSession, CatalogueError> {
    let row = TableRow { table: SESSIONS, row };
    let place: (Option<f64>, Option<f64>) = (row.get("lat")?, row.get("lon")?);
    let uncertainty: Option<f64> = row.get("uncertainty")?;
    let inputs: String = row.get("inputs")?;
    let same = |column| -> Result<bool, CatalogueError> {
        let then: Option<&str> = row.get(column)?;
        Ok(then == Some(inputs.as_str()))
    };
    let algorithm: Option<i32> = row.get("algorithm")?;
    Ok(PhotoSession {
        id: row.get("session_id")?,
        centre: place.0.zip(place.1).map(|(lat, lon)| Centre {
            place: Place { lat, lon },
            uncertainty: uncertainty.unwrap_or(0.0),
        }),
        venues_known: same("venues_for")?,
        matched: same("matched_inputs")? && algorithm >= Some(ALGORITHM_VERSION),
        rechecks: row.get("rechecks")?,
        recheck_at: row.get("recheck_at")?,
        inputs,
    })
}

fn member(row: &AnyRow) -> Result<Member, CatalogueError> {
    let row = TableRow { table: MEMBERS, row };
    let key = file_key(row)?;
    let parsed = |column: &'static str, text: Option<String>| {
        text.map(|text| text.parse().map_err(|_| row.broken(column, format!("no zone: {text}"))))
            .transpose()
    };
    let day: Option<String> = row.get("named_day")?;
    let day =
        day.map(|day| day.parse::<NaiveDate>().map_err(|error| row.broken("named_day", error)));
    let doubt: Option<&str> = row.get("doubt")?;
    let corrected: i32 = row.get("clock_corrected")?;
    let moment = Moment {
        at: instant(row, "taken_at")?,
        zone: parsed("zone", row.get("zone")?)?,
        source: row.word("time_source")?,
        corrected: corrected == 1,
        doubt: doubt.map(|_| row.word("doubt")).transpose()?,
        named: day.transpose()?,
    };
    Ok(Member { key, moment, placed: row.word("placed")? })
}
