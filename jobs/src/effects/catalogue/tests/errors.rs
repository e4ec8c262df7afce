//! Which errors may pass, and limits that must hold.

use std::time::Duration;

use super::databases::{Database, on_postgresql};
use super::*;
use crate::effects::catalogue::error::transient_code;
use crate::effects::catalogue::{CatalogueError, CatalogueOptions};

on_both!(
    a_missing_table_is_permanent,
    a_broken_constraint_is_permanent,
    a_full_pool_is_transient,
    a_closed_pool_is_transient,
    a_held_lock_is_not_waited_for_without_end,
);

async fn a_missing_table_is_permanent(database: Database) {
    let catalogue = database.without_schema().await;
    let error = catalogue.photos(USER, None, 1).await.unwrap_err();
    assert_eq!(error.to_string(), "read from photos");
    assert!(!error.is_transient(), "{error:?}");
}

async fn a_broken_constraint_is_permanent(database: Database) {
    let catalogue = database.catalogue().await;
    let orphan = "INSERT INTO processed_files VALUES (99, 'folder', 'a', 'b', 0)";
    let source = sqlx::raw_sql(orphan).execute(&catalogue.primary).await.unwrap_err();
    let error = CatalogueError::Write { table: "processed_files", source };
    assert!(!error.is_transient(), "{error:?}");
}

async fn a_full_pool_is_transient(database: Database) {
    database.catalogue().await;
    let mut options = database.options();
    (options.pool_size, options.acquire_timeout) = (1, Duration::from_secs(3));
    let catalogue = Catalogue::connect(options).await.unwrap();
    let held = catalogue.primary.acquire().await.unwrap();
    let error = catalogue.ping().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    drop(held);
    catalogue.ping().await.unwrap();
}

async fn a_closed_pool_is_transient(database: Database) {
    let catalogue = database.catalogue().await;
    catalogue.close().await;
    assert!(catalogue.ping().await.unwrap_err().is_transient());
}

async fn a_held_lock_is_not_waited_for_without_end(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &[photo(1)]).await;
    let mut options = database.options();
    options.statement_timeout = Duration::from_millis(300);
    let hasty = Catalogue::connect(options).await.unwrap();

    let mut holder = catalogue.primary.begin().await.unwrap();
    sqlx::query("UPDATE photos SET name = 'held'").execute(&mut *holder).await.unwrap();
    let changed = [ScannedFile { name: "changed".into(), ..photo(1) }];
    let blocked = hasty.record_page(USER, Provider::Folder, &changed, "scan-2", NOW);
    let error = tokio::time::timeout(Duration::from_secs(20), blocked).await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    holder.rollback().await.unwrap();
    record(&catalogue, &[photo(1)]).await;
}

#[tokio::test]
async fn a_statement_runs_only_so_long() {
    on_postgresql(async |database: Database| {
        let mut options = database.options();
        options.statement_timeout = Duration::from_millis(200);
        let catalogue = Catalogue::connect(options).await.unwrap();
        let sleep = sqlx::query("SELECT 1 FROM pg_sleep(30)").execute(&catalogue.primary).await;
        let error = CatalogueError::Ping(sleep.unwrap_err());
        assert!(error.is_transient(), "{error:?}");
        assert!(format!("{error:?}").contains("57014"), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn an_unreachable_server_is_transient_and_its_password_stays_secret() {
    let options = CatalogueOptions {
        // Nothing listens on the port for discarded traffic.
        url: "postgres://roadie:s3cret@127.0.0.1:9/x?password=s3cret".into(),
        acquire_timeout: Duration::from_millis(300),
        ..CatalogueOptions::default()
    };
    assert!(!format!("{options:?}").contains("s3cret"));
    let error = Catalogue::connect(options).await.unwrap_err();
    assert_eq!(error.to_string(), "open the catalogue at postgres://roadie:***@127.0.0.1:9/x");
    assert!(error.is_transient(), "{error:?}");
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_useless_url_is_permanent() {
    for url in
        ["", "roadie.db", "mysql://x/y", "sqlite:", "sqlite::memory:", "sqlite:x?mode=memory"]
    {
        let options = CatalogueOptions { url: url.into(), ..Default::default() };
        let error = Catalogue::connect(options).await.unwrap_err();
        assert!(matches!(error, CatalogueError::Url { .. }), "{url}: {error:?}");
        assert!(!error.is_transient());
    }
}

#[test]
fn codes_are_classified() {
    // Serialization, deadlock, lock timeout, shutdown, too many connections, connection lost,
    // disk full, time limit, idle in a transaction; SQLITE_BUSY, LOCKED, BUSY_SNAPSHOT, IOERR, FULL.
    let transient = "40001 40P01 55P03 57P01 53300 08006 53100 57014 25P03 5 6 517 10 13 odd";
    // Unique, foreign key, syntax, no table, no column, not a number, NUL in text, too large;
    // SQLITE_ERROR, CONSTRAINT, CONSTRAINT_FOREIGNKEY, MISMATCH, TOOBIG.
    let permanent = "23505 23503 42601 42P01 42703 22P02 22021 54000 1 19 787 20 18";
    for code in transient.split(' ') {
        assert!(transient_code(code), "{code}");
    }
    for code in permanent.split(' ') {
        assert!(!transient_code(code), "{code}");
    }
}
