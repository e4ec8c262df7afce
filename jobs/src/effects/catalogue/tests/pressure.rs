//! Many rows and many writers.

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::databases::Database;
use super::*;

on_both!(overlapping_pages_store_each_file_once, five_thousand_photos_in_one_page_and_in_many);

async fn overlapping_pages_store_each_file_once(database: Database) {
    let catalogue = database.catalogue().await;
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let catalogue = catalogue.clone();
        tasks.spawn(async move {
            let mut inserted = 0;
            for round in 0..6 {
                // Each window shares files with its neighbours; every other one is reversed.
                let start = (task * 7 + round * 11) % 60;
                let mut page = photos(start..start + 40);
                if task % 2 == 1 {
                    page.reverse();
                }
                inserted += record_at(&catalogue, &page, NOW + i64::from(task)).await.inserted;
            }
            inserted
        });
    }
    let inserted: u64 = tasks.join_all().await.into_iter().sum();
    let stored = catalogue.photos(USER, None, 1_000).await.unwrap();
    assert_eq!(inserted, stored.len() as u64, "each file is inserted by exactly one page");
    assert!(stored.iter().all(|photo| photo.created_at == photo.updated_at));
    let processed: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM processed_files")
        .fetch_one(&catalogue.primary)
        .await
        .unwrap();
    assert_eq!(processed, i64::try_from(stored.len()).unwrap());
}

#[expect(clippy::print_stderr, reason = "a measurement, for whoever runs it with --nocapture")]
async fn five_thousand_photos_in_one_page_and_in_many(database: Database) {
    let catalogue = database.catalogue().await;
    let all = photos(0..5_000);
    let started = Instant::now();
    assert_eq!(record(&catalogue, &all).await.inserted, 5_000);
    let whole = started.elapsed();
    assert_eq!(record(&catalogue, &all).await.unchanged, 5_000);

    let started = Instant::now();
    for page in all.chunks(200) {
        let summary = catalogue.record_page(USER, Provider::S3, page, "scan-2", NOW).await.unwrap();
        assert_eq!(summary.inserted, 200);
    }
    let pages = started.elapsed();
    let ids: Vec<_> = all.iter().map(|photo| photo.file_id.clone()).collect();
    let known = catalogue.known_revisions(USER, Provider::S3, &ids, false).await.unwrap();
    assert_eq!(known.len(), 5_000);
    assert_eq!(catalogue.summary(USER, 9).await.unwrap().photos, 10_000);
    let backend = catalogue.backend();
    eprintln!("{backend}: 5,000 photos in one page {whole:.2?}, in pages of 200 {pages:.2?}");
}
