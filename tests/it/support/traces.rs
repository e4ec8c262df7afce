//! Everything that is kept anywhere, as text, to be searched.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};

use super::s3::S3Server;
use super::stage::Stage;

/// The tables of the catalogue and the rows of each, every row as one text.
pub(crate) async fn tables(stage: &Stage) -> BTreeMap<String, Vec<String>> {
    sqlx::any::install_default_drivers();
    let url = stage.config().database_url();
    let postgres = url.starts_with("postgres");
    let mut connection = AnyConnection::connect(&url).await.unwrap();
    let listing = if postgres {
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns \
         WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
    } else {
        "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c \
         WHERE m.type = 'table' ORDER BY m.name, c.cid"
    };
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in sqlx::query(listing).fetch_all(&mut connection).await.unwrap() {
        columns.entry(row.get(0)).or_default().push(row.get(1));
    }
    columns.retain(|table, _| !table.starts_with('_') && !table.starts_with("sqlite"));
    let mut tables = BTreeMap::new();
    for (table, columns) in columns {
        let texts: Vec<String> =
            columns.iter().map(|c| format!("'{c}=' || COALESCE(CAST({c} AS TEXT), '-')")).collect();
        let sql = format!("SELECT {} FROM {table}", texts.join(" || ' ' || "));
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        let mut rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        rows.sort();
        tables.insert(table, rows);
    }
    connection.close().await.unwrap();
    tables
}

/// All keys that begin with one of these, and what is in them.
pub(crate) async fn keys(stage: &Stage, begin: &[&str]) -> BTreeMap<String, String> {
    let mut redis = stage.queues().await.redis();
    let mut found = BTreeMap::new();
    for begin in begin {
        let mut keys = redis::cmd("KEYS");
        let keys: Vec<String> =
            keys.arg(format!("{begin}*")).query_async(&mut redis).await.unwrap();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut redis).await.unwrap();
            let mut read = match kind.as_str() {
                "string" => redis::cmd("GET"),
                "hash" => redis::cmd("HGETALL"),
                "set" => redis::cmd("SMEMBERS"),
                "list" => redis::cmd("LRANGE"),
                "zset" => redis::cmd("ZRANGE"),
                "stream" => redis::cmd("XRANGE"),
                _ => continue,
            };
            read.arg(&key);
            match kind.as_str() {
                "list" | "zset" => drop(read.arg(0).arg(-1)),
                "stream" => drop(read.arg("-").arg("+")),
                _ => {}
            }
            let value: redis::Value = read.query_async(&mut redis).await.unwrap();
            found.insert(key, text(&value));
        }
    }
    found
}

fn text(value: &redis::Value) -> String {
    let mut all = String::new();
    match value {
        redis::Value::BulkString(bytes) => all = String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::Array(values) | redis::Value::Set(values) => {
            for value in values {
                let _ = write!(all, "{} ", text(value));
            }
        }
        redis::Value::Map(pairs) => {
            for (name, value) in pairs {
                let _ = write!(all, "{} {} ", text(name), text(value));
            }
        }
        other => all = format!("{other:?}"),
    }
    all
}

/// The keys of a bucket's objects, as a client sees them.
pub(crate) async fn objects(server: &S3Server, bucket: &str) -> Vec<String> {
    server.bucket(bucket);
    let listed = server.client().list_objects_v2().bucket(bucket).send().await.unwrap();
    assert_ne!(listed.is_truncated(), Some(true), "more than one page");
    listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
}

/// Where something of this user is left.
pub(crate) fn left<'a>(
    things: impl IntoIterator<Item = (&'a String, &'a String)>,
    user: i64,
) -> Vec<String> {
    let things = things.into_iter();
    let left = things.filter(|(place, what)| names(place, user) || names(what, user));
    left.map(|(place, what)| format!("{place}: {what}")).collect()
}

/// Whether the user's number is in it, and not only as a part of another number.
pub(crate) fn names(text: &str, user: i64) -> bool {
    let number = user.to_string();
    text.match_indices(&number).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + number.len()..]);
        !before.ends_with(|c: char| c.is_ascii_digit())
            && !after.starts_with(|c: char| c.is_ascii_digit())
    })
}
