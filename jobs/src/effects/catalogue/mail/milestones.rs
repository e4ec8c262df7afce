//! The nights that milestones are counted of, and what was celebrated.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};

use super::{MAILS, MailKey};

const LINKS: &str = "photo_links";
const NIGHTS: &str = "event_nights";
const MARKS: &str = "milestone_marks";

/// Nights of a user with their artists, a row each; a night counts as linked since its oldest link, and as
/// confirmed as soon as its owner has said so of one photo.
const OF_USER: &str = "SELECT n.night_id, n.venue_id, n.local_date, n.festival, l.linked_at, l.said, \
    s.artist_id FROM (SELECT night_id, MIN(linked_at) AS linked_at, \
    MAX(CASE WHEN decided_by = 'user' THEN 1 ELSE 0 END) AS said FROM photo_links \
    WHERE user_id = $1 AND night_id IS NOT NULL GROUP BY night_id) l \
    JOIN event_nights n ON n.night_id = l.night_id \
    LEFT JOIN setlists s ON s.night_id = n.night_id ORDER BY n.local_date, n.night_id";

const TOLD: &str = "SELECT n.local_date, v.name AS venue, v.city, a.artist_id, a.name AS artist \
    FROM event_nights n JOIN venues v ON v.venue_id = n.venue_id \
    LEFT JOIN setlists s ON s.night_id = n.night_id LEFT JOIN artists a ON a.artist_id = s.artist_id \
    WHERE n.night_id = $1 ORDER BY s.songs DESC, a.name";

/// A night that a user has photos of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CelebratedNight {
    pub(crate) night_id: String,
    pub(crate) venue_id: String,
    pub(crate) date: NaiveDate,
    pub(crate) festival: bool,
    pub(crate) artists: Vec<String>,
    /// Unix milliseconds.
    pub(crate) linked_at: i64,
    /// Its owner has said so.
    pub(crate) confirmed: bool,
}

/// The highest step of a series that was celebrated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) series: String,
    pub(crate) step: i32,
}

/// What a mail tells of a night.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NightTold {
    pub(crate) date: NaiveDate,
    pub(crate) venue: String,
    pub(crate) city: Option<String>,
    /// Ids and names; those of whom most is written down first.
    pub(crate) artists: Vec<(String, String)>,
}

impl Catalogue {
    /// The nights of a user by date.
    pub(crate) async fn nights_of(
        &self,
        user_id: i64,
    ) -> Result<Vec<CelebratedNight>, CatalogueError> {
        self.timed("nights_of", async {
            // From the primary: a link that was undone just now counts no more.
            let rows = sqlx::query(OF_USER).bind(user_id).fetch_all(&self.primary).await;
            let mut nights: Vec<CelebratedNight> = Vec::new();
            for row in &rows.map_err(unread(LINKS))? {
                let row = TableRow { table: NIGHTS, row };
                let night_id: String = row.get("night_id")?;
                let artist: Option<String> = row.get("artist_id")?;
                if nights.last().is_none_or(|last| last.night_id != night_id) {
                    nights.push(CelebratedNight {
                        night_id,
                        venue_id: row.get("venue_id")?,
                        date: row.parse("local_date", str::parse)?,
                        festival: row.get::<i32>("festival")? != 0,
                        artists: Vec::new(),
                        linked_at: row.get("linked_at")?,
                        confirmed: row.get::<i32>("said")? != 0,
                    });
                }
                if let (Some(night), Some(artist)) = (nights.last_mut(), artist)
                    && !night.artists.contains(&artist)
                {
                    night.artists.push(artist);
                }
            }
            Ok(nights)
        })
        .await
    }

    /// What was celebrated of a user, by series.
    pub(crate) async fn milestone_marks(
        &self,
        user_id: i64,
    ) -> Result<BTreeMap<String, i32>, CatalogueError> {
        let sql = "SELECT series, step FROM milestone_marks WHERE user_id = $1";
        self.timed("milestone_marks", async {
            let rows = sqlx::query(sql).bind(user_id).fetch_all(&self.primary).await;
            let mark = |row| {
                let row = TableRow { table: MARKS, row };
                Ok((row.get("series")?, row.get("step")?))
            };
            rows.map_err(unread(MARKS))?.iter().map(mark).collect()
        })
        .await
    }

    /// Notes what is celebrated, together with the mail that tells of it, if one does: both or neither.
    /// Answers false where that was noted before: somebody else was faster.
    pub(crate) async fn celebrate(
        &self,
        user_id: i64,
        marks: &[Mark],
        mail: Option<(&MailKey, &str)>,
        now_ms: i64,
    ) -> Result<bool, CatalogueError> {
        self.timed("celebrate", Box::pin(self.store_marks(user_id, marks, mail, now_ms))).await
    }

    async fn store_marks(
        &self,
        user_id: i64,
        marks: &[Mark],
        mail: Option<(&MailKey, &str)>,
        now_ms: i64,
    ) -> Result<bool, CatalogueError> {
        let sql = "INSERT INTO milestone_marks (user_id, series, step, reached_at) \
                   SELECT user_id, CAST($2 AS TEXT), CAST($3 AS INTEGER), CAST($4 AS BIGINT) \
                   FROM users WHERE user_id = $1 ON CONFLICT (user_id, series) DO UPDATE SET \
                   step = excluded.step, reached_at = excluded.reached_at \
                   WHERE milestone_marks.step < excluded.step";
        let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
        for Mark { series, step } in marks {
            let query = sqlx::query(sql).bind(user_id).bind(series).bind(step).bind(now_ms);
            let done = query.execute(&mut *transaction).await.map_err(written(MARKS))?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
        }
        if let Some((key, facts)) = mail {
            let sql = "INSERT INTO mails \
                       (user_id, template, value, facts, state, attempts, reserved_at) \
                       VALUES ($1, $2, $3, $4, 'reserved', 0, $5) \
                       ON CONFLICT (user_id, template, value) DO NOTHING";
            let query = sqlx::query(sql).bind(user_id).bind(key.template).bind(&key.value);
            let query = query.bind(facts).bind(now_ms).execute(&mut *transaction);
            query.await.map_err(written(MAILS))?;
        }
        transaction.commit().await.map_err(CatalogueError::Commit)?;
        Ok(true)
    }

    /// Users who want to hear of milestones and were at a show on one of these dates, after `after`.
    pub(crate) async fn users_with_nights_on(
        &self,
        dates: &[NaiveDate; 3],
        after: i64,
        limit: u32,
    ) -> Result<Vec<i64>, CatalogueError> {
        let sql = "SELECT DISTINCT l.user_id FROM event_nights n \
                   JOIN photo_links l ON l.night_id = n.night_id \
                   JOIN mail_preferences p ON p.user_id = l.user_id \
                   WHERE n.local_date IN ($1, $2, $3) AND l.user_id > $4 \
                   AND p.list = 'milestones' AND p.wanted = 1 ORDER BY l.user_id LIMIT $5";
        self.timed("users_with_nights_on", async {
            let query =
                dates.iter().fold(sqlx::query(sql), |query, date| query.bind(date.to_string()));
            let rows = query.bind(after).bind(i64::from(limit)).fetch_all(self.readers()).await;
            let user = |row| TableRow { table: LINKS, row }.get("user_id");
            rows.map_err(unread(LINKS))?.iter().map(user).collect()
        })
        .await
    }

    /// What there is to tell of a night.
    pub(crate) async fn night_told(
        &self,
        night_id: &str,
    ) -> Result<Option<NightTold>, CatalogueError> {
        self.timed("night_told", async {
            let rows = sqlx::query(TOLD).bind(night_id).fetch_all(&self.primary).await;
            let mut told: Option<NightTold> = None;
            for row in &rows.map_err(unread(NIGHTS))? {
                let row = TableRow { table: NIGHTS, row };
                let night = match &mut told {
                    Some(night) => night,
                    none => none.insert(NightTold {
                        date: row.parse("local_date", str::parse)?,
                        venue: row.get("venue")?,
                        city: row.get("city")?,
                        artists: Vec::new(),
                    }),
                };
                let artist: Option<String> = row.get("artist_id")?;
                if let (Some(id), Some(name)) = (artist, row.get("artist")?)
                    && !night.artists.iter().any(|(known, _)| *known == id)
                {
                    night.artists.push((id, name));
                }
            }
            Ok(told)
        })
        .await
    }
}
