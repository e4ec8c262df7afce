//! Opening a catalogue.

use super::databases::Database;
use super::*;
use crate::effects::catalogue::batch::bind_float;

on_both!(settings_hold_on_every_connection, a_missing_float_leaves_the_statement_usable);

async fn settings_hold_on_every_connection(database: Database) {
    let catalogue = database.catalogue().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut connection = catalogue.primary.acquire().await.unwrap();
        if database.is_postgresql() {
            let sql = "SELECT current_setting('application_name')";
            let name: String = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap();
            assert_eq!((name.as_str(), catalogue.backend()), ("roadie", "postgresql"));
        } else {
            let sql = "PRAGMA journal_mode";
            let mode: String = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap();
            assert_eq!((mode.as_str(), catalogue.backend()), ("wal", "sqlite"));
            for (pragma, expected) in
                [("synchronous", 1), ("foreign_keys", 1), ("busy_timeout", 15_000)]
            {
                let sql = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
                let value: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.unwrap();
                assert_eq!(value, expected, "{pragma}");
            }
        }
        held.push(connection);
    }
    catalogue.ping().await.unwrap();
    assert!(catalogue.pool_size() >= 3);
}

/// Holds `bind_float` to its reason: both binds in one prepared statement, missing first.
async fn a_missing_float_leaves_the_statement_usable(database: Database) {
    let catalogue = database.without_schema().await;
    let mut connection = catalogue.primary.acquire().await.unwrap();
    for value in [None, Some(47.25), None, Some(-122.427_5), Some(f64::NAN)] {
        let query = sqlx::query("SELECT CAST($1 AS DOUBLE PRECISION) AS value");
        let query = bind_float(query, value);
        let row = query.fetch_one(&mut *connection).await.unwrap();
        let back: Option<f64> = sqlx::Row::get(&row, "value");
        assert_eq!(back, value.filter(|value| value.is_finite()));
    }
}
