//! Migrations.

use tokio::task::JoinSet;

use super::databases::Database;
use super::*;
use crate::effects::catalogue::schema::{MIGRATIONS, file_name};

on_both!(
    migrating_twice_does_nothing_the_second_time,
    many_processes_may_migrate_at_once,
    an_edited_migration_is_refused,
    a_newer_schema_is_left_alone,
    everything_of_a_user_goes_with_the_user,
);

fn every_name() -> Vec<String> {
    MIGRATIONS.iter().map(|&(version, name, _)| file_name(version, name)).collect()
}

async fn migrating_twice_does_nothing_the_second_time(database: Database) {
    let catalogue = database.without_schema().await;
    assert_eq!(catalogue.pending_migrations().await.unwrap(), every_name());
    let first = catalogue.migrate().await.unwrap();
    assert_eq!((first.applied, first.known), (every_name(), 0));
    assert_eq!(catalogue.pending_migrations().await.unwrap(), Vec::<String>::new());
    let second = catalogue.migrate().await.unwrap();
    assert_eq!((second.applied.len(), second.known), (0, MIGRATIONS.len()));
}

async fn many_processes_may_migrate_at_once(database: Database) {
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let database = database.clone();
        tasks.spawn(async move {
            // As in processes of their own, opening included.
            database.without_schema().await.migrate().await.unwrap().applied.len()
        });
    }
    let applied: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(applied, MIGRATIONS.len(), "each migration is applied by one of them");
}

async fn an_edited_migration_is_refused(database: Database) {
    let catalogue = database.catalogue().await;
    let edit = if database.is_postgresql() {
        "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1"
    } else {
        "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1"
    };
    sqlx::raw_sql(edit).execute(&catalogue.primary).await.unwrap();
    let error = catalogue.migrate().await.unwrap_err();
    assert_eq!(error.to_string(), "apply migration 0001_catalogue");
    assert!(!error.is_transient());
    // The lock is free again: this would wait for ever otherwise.
    database.without_schema().await.migrate().await.unwrap_err();
}

async fn a_newer_schema_is_left_alone(database: Database) {
    let catalogue = database.catalogue().await;
    let newer = "INSERT INTO _sqlx_migrations \
                 (version, description, success, checksum, execution_time) \
                 SELECT 9999, 'later', success, checksum, 1 FROM _sqlx_migrations \
                 WHERE version = 1";
    sqlx::raw_sql(newer).execute(&catalogue.primary).await.unwrap();
    assert_eq!(catalogue.migrate().await.unwrap().known, MIGRATIONS.len());
    assert_eq!(catalogue.pending_migrations().await.unwrap(), Vec::<String>::new());
}

async fn everything_of_a_user_goes_with_the_user(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &[photo(1), judged(2, Verdict::Refused(note("no image")))]).await;
    sqlx::raw_sql("DELETE FROM users").execute(&catalogue.primary).await.unwrap();
    for table in ["photos", "processed_files", "photo_outcomes", "photo_variants"] {
        let count = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let left: i64 = sqlx::query_scalar(count).fetch_one(&catalogue.primary).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
}

#[test]
fn every_migration_file_is_compiled_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let listed: Vec<_> = every_name().into_iter().map(|name| format!("{name}.sql")).collect();
    assert_eq!(files, listed);
}
