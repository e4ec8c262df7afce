//! Statements over many rows.

use std::fmt::Write as _;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

/// Rows per statement. The widest row binds 21 values: 50 × 21 + 3 = 1,053, far below the 32,766 of
/// `SQLite` and the 65,535 of `PostgreSQL`. `SQLite` looks for each placeholder in a list, so its
/// time grows with the square: 5,000 photos take 0.4 s in fifties, 1.6 s in five hundreds, whereas
/// `PostgreSQL` gains 10 % from more than 50.
pub(super) const ROWS: usize = 50;

/// Keys per statement that only names keys.
pub(super) const KEYS: usize = 500;

pub(super) type AnyQuery<'q> = Query<'q, Any, AnyArguments>;

/// A statement whose text depends on how many rows it has, and on nothing else. Only full ones
/// are kept prepared: every other length would cost each connection, and the server, memory.
pub(super) fn query(sql: String, full: bool) -> AnyQuery<'static> {
    sqlx::query(AssertSqlSafe(sql)).persistent(full)
}

/// The rows of a `VALUES` list. Each holds `before`, then `per_row` placeholders of its own, then
/// `after`; placeholders are numbered from `first`, and `before` and `after` may name lower ones.
pub(super) fn rows(rows: usize, first: usize, per_row: usize, before: &str, after: &str) -> String {
    let mut sql = String::with_capacity(rows * (per_row * 7 + before.len() + after.len() + 4));
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        sql.push_str(before);
        sql.push_str(&list(first + row * per_row, per_row));
        sql.push_str(after);
        sql.push(')');
    }
    sql
}

/// `$first, $first+1, …`, `count` of them.
pub(super) fn list(first: usize, count: usize) -> String {
    let mut sql = String::with_capacity(count * 7);
    for number in first..first + count {
        let comma = if number == first { "" } else { ", " };
        write!(sql, "{comma}${number}").expect("writing to a String cannot fail");
    }
    sql
}

/// Binds a float that may be missing.
///
/// NOTE: sqlx 0.9.0's `Any` layer swaps the types of missing floats: a missing `f64` goes to
/// `PostgreSQL` as `float4`, a missing `f32` as `float8`. A statement that is prepared with such a
/// `NULL` refuses real values afterwards, so the missing one is sent as the other type here.
/// `SQLite` does not look at the type of a `NULL`.
pub(super) fn bind_float(query: AnyQuery<'_>, value: Option<f64>) -> AnyQuery<'_> {
    // NaN and infinities are no coordinates, and SQLite would turn NaN into NULL by itself.
    match value.filter(|value| value.is_finite()) {
        Some(value) => query.bind(value),
        None => query.bind(None::<f32>),
    }
}
