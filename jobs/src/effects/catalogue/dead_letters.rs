//! Finding, counting and retrying dead letters.

use std::collections::HashMap;
use std::fmt::Write as _;

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::bury::letter_id;
use super::letter::{DeadLetter, DeadLetterFilter};
use super::row::TableRow;
use super::text::without_nul;
use super::{Catalogue, CatalogueError};

pub(super) const TABLE: &str = "dead_letters";

/// Marks a letter as retried, unless its job has died again meanwhile.
const RETRIED: &str =
    "UPDATE dead_letters SET retried_at = $2 WHERE id = $1 AND last_seen_at <= $2";

impl Catalogue {
    /// The dead letters that fit, the latest deaths first.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<DeadLetter>, CatalogueError> {
        let mut sql = String::from("SELECT * FROM dead_letters WHERE 1 = 1");
        let conditions = [
            ("queue", filter.queue.as_deref()),
            ("kind", filter.kind.as_deref()),
            ("reason", filter.reason.map(super::DeadReason::as_str)),
            ("fingerprint", filter.fingerprint.as_deref()),
        ];
        let given: Vec<_> =
            conditions.iter().filter_map(|(column, value)| Some((column, (*value)?))).collect();
        let written = "writing to a String cannot fail";
        for (number, (column, _)) in (1..).zip(&given) {
            write!(sql, " AND {column} = ${number}").expect(written);
        }
        if !filter.retried {
            sql.push_str(" AND retried_at IS NULL");
        }
        let limit = given.len() + 1;
        write!(sql, " ORDER BY last_seen_at DESC, id LIMIT ${limit}").expect(written);
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (_, value) in given {
            query = query.bind(without_nul(value));
        }
        let query = query.bind(i64::from(filter.limit));
        self.timed("dead_letters", async {
            let rows = query.fetch_all(self.readers()).await;
            letters(&rows.map_err(|source| CatalogueError::Read { table: TABLE, source })?)
        })
        .await
    }

    /// The dead letter with this id, or the only one whose id begins so; `None` if there is none.
    ///
    /// # Errors
    /// [`CatalogueError::AmbiguousId`] when several ids begin so; `Read` or `Decode`.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, CatalogueError> {
        // Nothing else is in an id, and LIKE would take '%' and '_' for wildcards.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let pattern = format!("{}%", id.to_ascii_lowercase());
        // From the primary: it is looked up to be replayed, perhaps just after it died.
        let mut found = self
            .timed("dead_letter", async {
                let rows = sqlx::query("SELECT * FROM dead_letters WHERE id LIKE $1 LIMIT 2")
                    .bind(pattern)
                    .fetch_all(&self.primary)
                    .await;
                letters(&rows.map_err(|source| CatalogueError::Read { table: TABLE, source })?)
            })
            .await?;
        if found.len() > 1 {
            return Err(CatalogueError::AmbiguousId { prefix: id.into() });
        }
        Ok(found.pop())
    }

    /// Which deaths (job id, Unix ms) of a queue's jobs have a letter that nobody has retried before
    /// they died, in this order.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn are_buried(
        &self,
        queue: &str,
        deaths: &[(&str, i64)],
    ) -> Result<Vec<bool>, CatalogueError> {
        if deaths.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = deaths.iter().map(|(job, _)| letter_id(queue, job)).collect();
        let mut sql = String::from("SELECT id, retried_at FROM dead_letters WHERE id IN (");
        for number in 1..=ids.len() {
            let comma = if number == 1 { "" } else { ", " };
            write!(sql, "{comma}${number}").expect("writing to a String cannot fail");
        }
        sql.push(')');
        let query = ids.iter().fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
        // From the primary: what a job's removal hangs on must not be old.
        self.timed("are_buried", async {
            let rows = query.fetch_all(&self.primary).await;
            let rows = rows.map_err(|source| CatalogueError::Read { table: TABLE, source })?;
            let mut retried: HashMap<String, Option<i64>> = HashMap::new();
            for row in &rows {
                let row = TableRow { table: TABLE, row };
                retried.insert(row.get("id")?, row.get("retried_at")?);
            }
            let stands = |(id, (_, died)): (&String, &(&str, i64))| {
                retried.get(id).is_some_and(|at| at.is_none_or(|at| at > *died))
            };
            Ok(ids.iter().zip(deaths).map(stands).collect())
        })
        .await
    }

    /// Notes that the job was put back into its queue at `at_ms` (Unix milliseconds). Answers
    /// whether there is such a letter; `id` is the whole id. A job that has died since is dead.
    ///
    /// # Errors
    /// [`CatalogueError::Write`].
    pub async fn mark_retried(&self, id: &str, at_ms: i64) -> Result<bool, CatalogueError> {
        self.timed("mark_retried", async {
            let done = sqlx::query(RETRIED)
                .bind(without_nul(id))
                .bind(at_ms)
                .execute(&self.primary)
                .await
                .map_err(|source| CatalogueError::Write { table: TABLE, source })?;
            Ok(done.rows_affected() > 0)
        })
        .await
    }

    /// How many dead letters wait, by queue and reason. Retried ones are not counted.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn dead_letter_counts(&self) -> Result<Vec<(String, String, i64)>, CatalogueError> {
        let sql = "SELECT queue, reason, COUNT(*) AS letters FROM dead_letters \
                   WHERE retried_at IS NULL GROUP BY queue, reason ORDER BY queue, reason";
        self.timed("dead_letter_counts", async {
            let rows = sqlx::query(sql).fetch_all(self.readers()).await;
            let rows = rows.map_err(|source| CatalogueError::Read { table: TABLE, source })?;
            let count = |row| {
                let row = TableRow { table: TABLE, row };
                Ok((row.get("queue")?, row.get("reason")?, row.get("letters")?))
            };
            rows.iter().map(count).collect()
        })
        .await
    }
}

fn letters(rows: &[AnyRow]) -> Result<Vec<DeadLetter>, CatalogueError> {
    rows.iter().map(|row| letter(TableRow { table: TABLE, row })).collect()
}

fn letter(row: TableRow<'_>) -> Result<DeadLetter, CatalogueError> {
    Ok(DeadLetter {
        id: row.get("id")?,
        queue: row.get("queue")?,
        job_id: row.get("job_id")?,
        kind: row.get("kind")?,
        payload: row.get("payload")?,
        reason: row.get("reason")?,
        error: row.get("error")?,
        error_chain: row.parse("error_chain", |json| serde_json::from_str(json))?,
        fingerprint: row.get("fingerprint")?,
        attempts: row.number("attempts")?.unwrap_or_default(),
        timeline: row.parse("timeline", |json| serde_json::from_str(json))?,
        worker: row.get("worker")?,
        worker_version: row.get("worker_version")?,
        first_seen_at: row.get("first_seen_at")?,
        last_seen_at: row.get("last_seen_at")?,
        times: row.number("times")?.unwrap_or_default(),
        retried_at: row.get("retried_at")?,
    })
}
