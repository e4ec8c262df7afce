//! Erasing one of two users.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Row as _};

use super::databases::Database;
use super::*;
use crate::effects::catalogue::erasure::guarded;
use crate::effects::catalogue::{
    CatalogueError, DeadReason, Erasure, NewDeadLetter, Pass, Standing, Store,
};

on_both!(
    every_table_of_a_user_is_erased_and_guarded,
    no_row_of_an_erased_user_is_written,
    one_of_two_users_is_erased,
    rows_are_counted_once_however_often_it_begins_anew,
    a_writer_that_began_before_leaves_nothing,
    a_request_is_about_one_user,
    a_user_is_let_in_again,
    no_letter_of_an_erased_user_is_kept,
    triggers_that_are_missing_are_pending,
);

const OTHER: i64 = 43;
const PASS: Pass<'_> = Pass { request_id: "r", number: 1 };

async fn count(catalogue: &Catalogue, sql: &str) -> i64 {
    let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
    query.fetch_one(&catalogue.primary).await.unwrap()
}

/// Tables that have a column `user_id`, as the database itself tells.
async fn tables_of_users(database: &Database, catalogue: &Catalogue) -> BTreeSet<String> {
    let sql = if database.is_postgresql() {
        "SELECT CAST(table_name AS TEXT) FROM information_schema.columns \
         WHERE table_schema = 'public' AND column_name = 'user_id'"
    } else {
        "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c \
         WHERE m.type = 'table' AND c.name = 'user_id'"
    };
    let rows = sqlx::query(sql).fetch_all(&catalogue.primary).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn every_table_of_a_user_is_erased_and_guarded(database: Database) {
    let catalogue = database.catalogue().await;
    let mut found = tables_of_users(&database, &catalogue).await;
    // The tombstone itself stays.
    assert!(found.remove("erased_users"));
    let known: BTreeSet<String> = guarded().map(str::to_owned).collect();
    assert_eq!(
        found, known,
        "a table with a user_id is missing in erasure/owned.rs, or one too many"
    );
}

async fn no_row_of_an_erased_user_is_written(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &[photo(1)]).await;
    catalogue.connect_account(USER, Provider::Drive, "sealed", NOW).await.unwrap();
    assert_eq!(catalogue.begin_erasure("r", USER, NOW + 1).await.unwrap(), Erasure::UnderWay);
    assert_eq!(catalogue.standing(USER).await.unwrap(), Standing::BeingErased);
    assert_eq!(catalogue.standing(OTHER).await.unwrap(), Standing::Here);
    let refused = |error: CatalogueError| {
        assert!(error.is_erased() && !error.is_transient(), "{error:?}");
    };
    // One that is there already, a new one, an account, the user.
    for page in [[photo(1)], [photo(2)]] {
        let page = page.map(|file| ScannedFile { name: "changed".into(), ..file });
        let stored = catalogue.record_page(USER, Provider::Folder, &page, "scan-2", NOW + 2).await;
        refused(stored.unwrap_err());
    }
    refused(catalogue.connect_account(USER, Provider::Drive, "again", NOW).await.unwrap_err());
    refused(catalogue.scan_begins(USER, NOW + 2).await.unwrap_err());
    let after = catalogue.record_page(OTHER, Provider::Folder, &[photo(1)], "scan", NOW).await;
    assert_eq!(after.unwrap().inserted, 1);
    let update = "UPDATE photos SET starred_at = 1 WHERE user_id = 42";
    let source = sqlx::raw_sql(update).execute(&catalogue.primary).await.unwrap_err();
    refused(CatalogueError::Write { table: "photos", source });
    catalogue.erase_rows(PASS, USER, || ()).await.unwrap();
    refused(
        catalogue.record_page(USER, Provider::Folder, &[photo(3)], "s", NOW).await.unwrap_err(),
    );
    for table in guarded() {
        let left = format!("SELECT COUNT(*) FROM {table} WHERE user_id = {USER}");
        assert_eq!(count(&catalogue, &left).await, 0, "{table}");
    }
}

/// Everything that is in the tables, but for the erased user's and the books of erasing.
async fn one_of_two_users_is_erased(database: Database) {
    let catalogue = database.catalogue().await;
    for user in [USER, OTHER] {
        let page = photos(0..30);
        catalogue.record_page(user, Provider::Folder, &page, "scan", NOW).await.unwrap();
        let shared = "INSERT INTO venues (venue_id, name, created_at, updated_at) \
             VALUES ('v', 'Club', 0, 0) ON CONFLICT DO NOTHING; \
             INSERT INTO event_nights (night_id, venue_id, local_date, festival, created_at) \
             VALUES ('v@d', 'v', 'd', 0, 0) ON CONFLICT DO NOTHING;";
        let own = format!(
            "INSERT INTO photo_links (user_id, provider, file_id, night_id, decided_by, linked_at) \
             SELECT user_id, provider, file_id, 'v@d', 'auto', 0 FROM photos WHERE user_id = {user}; \
             INSERT INTO venue_aliases VALUES ({user}, 'v', 'the club'); \
             INSERT INTO drive_scopes VALUES ({user}, '', 1, NULL);"
        );
        for sql in [shared, &own] {
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&catalogue.primary).await.unwrap();
        }
    }
    catalogue.begin_erasure("r", USER, NOW + 1).await.unwrap();
    catalogue.erase_rows(PASS, USER, || ()).await.unwrap();
    catalogue.note_erased(PASS, Store::Objects, "variants", 9).await.unwrap();
    catalogue.note_erased(PASS, Store::Objects, "variants", 4).await.unwrap();
    let receipt = catalogue.end_erasure(PASS, NOW + 9).await.unwrap().unwrap();
    assert_eq!((receipt.begun_at, receipt.done_at), (NOW + 1, Some(NOW + 9)));
    let rows: Vec<_> = receipt.removed[&Store::Catalogue].iter().filter(|(_, n)| **n > 0).collect();
    let told: Vec<String> = rows.iter().map(|(table, n)| format!("{table} {n}")).collect();
    let expected = [
        "drive_scopes 1",
        "photo_links 30",
        "photos 30",
        "processed_files 30",
        "users 1",
        "venue_aliases 1",
    ];
    assert_eq!(told, expected);
    assert_eq!(receipt.removed[&Store::Objects]["variants"], 9);
    let again = catalogue.begin_erasure("r", USER, NOW + 99).await.unwrap();
    assert_eq!(again, Erasure::Done(receipt));
    for (table, left) in [
        ("photos", 30),
        ("photo_links", 30),
        ("processed_files", 30),
        ("venue_aliases", 1),
        ("drive_scopes", 1),
        ("users", 1),
        ("venues", 1),
        ("event_nights", 1),
    ] {
        assert_eq!(
            count(&catalogue, &format!("SELECT COUNT(*) FROM {table}")).await,
            left,
            "{table}"
        );
    }
}

async fn rows_are_counted_once_however_often_it_begins_anew(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &photos(0..2_500)).await;
    catalogue.begin_erasure("r", USER, NOW + 1).await.unwrap();
    // Cut off after the first page of some table.
    let (beats, cut) = (std::sync::atomic::AtomicU32::new(0), tokio::sync::Notify::new());
    let alive = || {
        if beats.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
            cut.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = cut.notified() => {}
        done = catalogue.erase_rows(PASS, USER, alive) => done.unwrap(),
    }
    catalogue.begin_erasure("r", USER, NOW + 2).await.unwrap();
    catalogue.erase_rows(PASS, USER, || ()).await.unwrap();
    catalogue.erase_rows(PASS, USER, || ()).await.unwrap();
    let receipt = catalogue.receipt("r").await.unwrap().unwrap();
    let rows = &receipt.removed[&Store::Catalogue];
    assert_eq!((rows["photos"], rows["processed_files"], rows["users"]), (2_500, 2_500, 1));
    assert_eq!(receipt.begun_at, NOW + 1);
}

/// A transaction that has written before the tombstone was there, and commits after the rows are gone.
async fn a_writer_that_began_before_leaves_nothing(database: Database) {
    let catalogue = database.catalogue().await;
    if !database.is_postgresql() {
        // One writer at a time: there is no such transaction.
        return;
    }
    record(&catalogue, &[photo(1)]).await;
    let mut late = catalogue.primary.begin().await.unwrap();
    let sql = "INSERT INTO processed_files VALUES (42, 'folder', 'late', 'r', 0)";
    sqlx::query(sql).execute(&mut *late).await.unwrap();
    catalogue.begin_erasure("r", USER, NOW + 1).await.unwrap();
    let erasing = catalogue.clone();
    let erased = tokio::spawn(async move { erasing.erase_rows(PASS, USER, || ()).await });
    // The user's own row is held by the late writer.
    let waits = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND database = \
                 (SELECT oid FROM pg_database WHERE datname = current_database())";
    let blocked = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                   AND datname = current_database()";
    tokio::time::timeout(Duration::from_secs(30), async {
        while count(&catalogue, waits).await + count(&catalogue, blocked).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    late.commit().await.unwrap();
    erased.await.unwrap().unwrap();
    assert_eq!(count(&catalogue, "SELECT COUNT(*) FROM processed_files").await, 0);
    assert_eq!(count(&catalogue, "SELECT COUNT(*) FROM users").await, 0);
}

async fn a_request_is_about_one_user(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &[photo(1)]).await;
    catalogue.record_page(OTHER, Provider::Folder, &[photo(1)], "scan", NOW).await.unwrap();
    catalogue.begin_erasure("r", USER, NOW).await.unwrap();
    let another = catalogue.begin_erasure("r", OTHER, NOW).await.unwrap();
    assert_eq!(another, Erasure::AnotherUser);
    assert_eq!(catalogue.standing(OTHER).await.unwrap(), Standing::Here);
    // A second request about the same user is one of its own.
    assert_eq!(catalogue.begin_erasure("s", USER, NOW).await.unwrap(), Erasure::UnderWay);
    // A user of whom nothing is known is counted as nobody.
    let nobody = Pass { request_id: "t", number: 1 };
    catalogue.begin_erasure("t", 99, NOW).await.unwrap();
    catalogue.erase_rows(nobody, 99, || ()).await.unwrap();
    let receipt = catalogue.end_erasure(nobody, NOW).await.unwrap().unwrap();
    assert!(receipt.removed.values().flat_map(|names| names.values()).all(|items| *items == 0));
    assert_eq!(count(&catalogue, "SELECT COUNT(*) FROM users WHERE user_id = 99").await, 0);
    catalogue.end_erasure(PASS, NOW).await.unwrap();
    let another = catalogue.begin_erasure("r", OTHER, NOW).await.unwrap();
    assert_eq!(another, Erasure::AnotherUser);
    assert_eq!(catalogue.receipts(9).await.unwrap().len(), 3);
    // The second one about the same user is under way.
    assert_eq!(catalogue.standing(USER).await.unwrap(), Standing::BeingErased);
    assert_eq!(catalogue.standing(99).await.unwrap(), Standing::Erased);
}

async fn a_user_is_let_in_again(database: Database) {
    let catalogue = database.catalogue().await;
    assert!(!catalogue.lift_tombstone(USER).await.unwrap());
    catalogue.begin_erasure("r", USER, NOW).await.unwrap();
    assert!(!catalogue.lift_tombstone(USER).await.unwrap(), "it is under way");
    catalogue.end_erasure(PASS, NOW).await.unwrap();
    assert!(catalogue.lift_tombstone(USER).await.unwrap());
    assert!(!catalogue.is_about("r", USER).await.unwrap());
    record(&catalogue, &[photo(1)]).await;
}

async fn no_letter_of_an_erased_user_is_kept(database: Database) {
    let catalogue = database.catalogue().await;
    let letter = |job: &str, payload: &str| NewDeadLetter {
        queue: "q".into(),
        job_id: job.into(),
        kind: "scan-folder".into(),
        payload: payload.into(),
        reason: DeadReason::Discarded,
        error: "no".into(),
        error_chain: Vec::new(),
        fingerprint: "f".into(),
        attempts: 1,
        timeline: Vec::new(),
        worker: "w".into(),
        worker_version: "1".into(),
        died_at: NOW,
    };
    let letters = [
        ("a", r#"{"userId":42}"#),
        ("b", r#"{ "path": "/", "userId" : "42" }"#),
        ("c", r#"{"userId":420}"#),
        ("d", r#"{"userId":4,"n":42}"#),
        ("e", "not json userId 42"),
    ];
    for (job, payload) in letters {
        catalogue.bury(&letter(job, payload)).await.unwrap();
    }
    catalogue.begin_erasure("r", USER, NOW).await.unwrap();
    catalogue.erase_letters(PASS, USER, || ()).await.unwrap();
    // Late ones, also of a job that has a letter.
    for (job, payload) in letters {
        catalogue.bury(&letter(job, payload)).await.unwrap();
    }
    // That somebody was to be erased, and was not, has to be seen.
    let unerased = letter("f", r#"{"requestId":"r","userId":42}"#);
    let unerased = NewDeadLetter { kind: "delete-user".into(), ..unerased };
    catalogue.bury(&unerased).await.unwrap();
    let found =
        catalogue.dead_letters(&crate::effects::catalogue::DeadLetterFilter::default()).await;
    let mut left: Vec<_> = found.unwrap().into_iter().map(|letter| letter.job_id).collect();
    left.sort();
    assert_eq!(left, ["c", "d", "e", "f"]);
    let receipt = catalogue.receipt("r").await.unwrap().unwrap();
    assert_eq!(receipt.removed[&Store::Catalogue]["dead_letters"], 2);
}

async fn triggers_that_are_missing_are_pending(database: Database) {
    let catalogue = database.catalogue().await;
    let drop = if database.is_postgresql() {
        "DROP TRIGGER refuse_erased ON photos"
    } else {
        "DROP TRIGGER refuse_erased_INSERT_photos; DROP TRIGGER refuse_erased_UPDATE_photos"
    };
    sqlx::raw_sql(drop).execute(&catalogue.primary).await.unwrap();
    assert_eq!(catalogue.pending_migrations().await.unwrap(), ["triggers"]);
    catalogue.migrate().await.unwrap();
    assert!(catalogue.pending_migrations().await.unwrap().is_empty());
}
