//! What was removed, by where it was. Nothing in a receipt is about a person.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::{Catalogue, CatalogueError};

const TABLE: &str = "erasures";
const COUNTS: &str = "erasure_counts";

/// Where something was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// Rows, by table.
    Catalogue,
    /// Objects and older versions of them, by what their keys begin with.
    Objects,
    /// Jobs, by queue.
    Queues,
    /// Other things in Redis: keys, events, schedules.
    Redis,
    /// Accounts at providers, by what became of their tokens.
    Accounts,
    /// Mails in a folder.
    Mails,
}

impl Store {
    const fn word(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Objects => "objects",
            Self::Queues => "queues",
            Self::Redis => "redis",
            Self::Accounts => "accounts",
            Self::Mails => "mails",
        }
    }
}

/// How many of each, by where they were.
pub type Counted = BTreeMap<Store, BTreeMap<String, u64>>;

/// What became of a request to erase somebody. As JSON, in camel case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The request.
    pub request_id: String,
    /// Unix milliseconds.
    pub begun_at: i64,
    /// Unix milliseconds; none while it is under way.
    pub done_at: Option<i64>,
    /// What was removed.
    pub removed: Counted,
    /// When it was looked once more, in Unix milliseconds.
    pub swept_at: Option<i64>,
    /// What late writers had left until then.
    pub swept: Counted,
}

/// Which look of which request something is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass<'r> {
    pub(crate) request_id: &'r str,
    /// 1, or 2 for the look after a day.
    pub(crate) number: i32,
}

/// Counts things that this transaction has removed.
pub(super) async fn add(
    connection: &mut AnyConnection,
    pass: Pass<'_>,
    store: Store,
    name: &str,
    items: u64,
) -> Result<(), CatalogueError> {
    let sql = "INSERT INTO erasure_counts (request_id, pass, store, name, items) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (request_id, pass, store, name) \
               DO UPDATE SET items = erasure_counts.items + excluded.items";
    write(connection, sql, pass, store, name, items).await
}

async fn write(
    connection: &mut AnyConnection,
    sql: &'static str,
    pass: Pass<'_>,
    store: Store,
    name: &str,
    items: u64,
) -> Result<(), CatalogueError> {
    let items = i64::try_from(items).unwrap_or(i64::MAX);
    let query = sqlx::query(sql).bind(pass.request_id).bind(pass.number);
    let query = query.bind(store.word()).bind(name).bind(items);
    query.execute(connection).await.map_err(written(COUNTS))?;
    Ok(())
}

impl Catalogue {
    /// Notes how many things were found elsewhere, all in all; a smaller number changes nothing.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`] or `Write`.
    pub(crate) async fn note_erased(
        &self,
        pass: Pass<'_>,
        store: Store,
        name: &str,
        items: u64,
    ) -> Result<(), CatalogueError> {
        let sql = "INSERT INTO erasure_counts (request_id, pass, store, name, items) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (request_id, pass, store, name) \
                   DO UPDATE SET items = excluded.items \
                   WHERE erasure_counts.items < excluded.items";
        self.timed("note_erased", async {
            let mut connection = self.primary.acquire().await.map_err(CatalogueError::Begin)?;
            write(&mut connection, sql, pass, store, name, items).await
        })
        .await
    }

    /// Notes that a pass has come to its end, at `now_ms` in Unix milliseconds, and answers the receipt.
    ///
    /// # Errors
    /// [`CatalogueError::Read`], `Decode` or `Write`.
    pub(crate) async fn end_erasure(
        &self,
        pass: Pass<'_>,
        now_ms: i64,
    ) -> Result<Option<Receipt>, CatalogueError> {
        let sql = match pass.number {
            1 => "UPDATE erasures SET done_at = $2 WHERE request_id = $1 AND done_at IS NULL",
            _ => "UPDATE erasures SET swept_at = $2 WHERE request_id = $1",
        };
        self.timed("end_erasure", async {
            let query = sqlx::query(sql).bind(pass.request_id).bind(now_ms);
            query.execute(&self.primary).await.map_err(written(TABLE))?;
            Ok(())
        })
        .await?;
        self.receipt(pass.request_id).await
    }

    /// The receipt of a request.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or `Decode`.
    pub async fn receipt(&self, request_id: &str) -> Result<Option<Receipt>, CatalogueError> {
        let found = self.timed("receipt", async {
            let query = sqlx::query("SELECT * FROM erasures WHERE request_id = $1");
            let row = query.bind(request_id).fetch_optional(&self.primary).await;
            row.map_err(unread(TABLE))?
                .map(|row| receipt(TableRow { table: TABLE, row: &row }))
                .transpose()
        });
        let Some(mut receipt) = found.await? else { return Ok(None) };
        self.timed("receipt", async {
            let sql = "SELECT pass, store, name, items FROM erasure_counts WHERE request_id = $1";
            let rows = sqlx::query(sql).bind(request_id).fetch_all(&self.primary).await;
            for row in &rows.map_err(unread(COUNTS))? {
                let row = TableRow { table: COUNTS, row };
                let of = match row.get::<i32>("pass")? {
                    1 => &mut receipt.removed,
                    _ => &mut receipt.swept,
                };
                let items = row.number("items")?.unwrap_or_default();
                of.entry(row.word("store")?).or_default().insert(row.get("name")?, items);
            }
            Ok(())
        })
        .await?;
        Ok(Some(receipt))
    }

    /// The latest requests, without what was removed.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or `Decode`.
    pub async fn receipts(&self, limit: u32) -> Result<Vec<Receipt>, CatalogueError> {
        let sql = "SELECT * FROM erasures ORDER BY begun_at DESC, request_id LIMIT $1";
        self.timed("receipts", async {
            let rows = sqlx::query(sql).bind(i64::from(limit)).fetch_all(&self.primary).await;
            let rows = rows.map_err(unread(TABLE))?;
            rows.iter().map(|row| receipt(TableRow { table: TABLE, row })).collect()
        })
        .await
    }
}

fn receipt(row: TableRow<'_>) -> Result<Receipt, CatalogueError> {
    Ok(Receipt {
        request_id: row.get("request_id")?,
        begun_at: row.get("begun_at")?,
        done_at: row.get("done_at")?,
        removed: Counted::new(),
        swept_at: row.get("swept_at")?,
        swept: Counted::new(),
    })
}
