//! Listings and counts.

use super::super::users::ensure;
use super::databases::Database;
use super::*;
use crate::effects::catalogue::{CatalogueSummary, FileKey, OutcomeCount, OutcomeStatus};

on_both!(
    pages_of_a_listing_join_without_gap_or_overlap,
    the_summary_counts,
    an_unknown_user_has_nothing,
    odd_text_is_stored_and_found_again,
    the_replica_is_read,
);

async fn pages_of_a_listing_join_without_gap_or_overlap(database: Database) {
    let catalogue = database.catalogue().await;
    let page = photos(0..25);
    record(&catalogue, &page).await;
    catalogue.record_page(USER, Provider::Drive, &page, "scan-2", NOW).await.unwrap();
    let whole = catalogue.photos(USER, None, 1_000).await.unwrap();
    assert_eq!(whole.len(), 50);

    let mut joined = Vec::new();
    let mut after: Option<FileKey> = None;
    loop {
        let part = catalogue.photos(USER, after.as_ref(), 7).await.unwrap();
        let Some(last) = part.last() else { break };
        after = Some(last.key.clone());
        joined.extend(part);
    }
    assert_eq!(joined, whole);
}

async fn the_summary_counts(database: Database) {
    let catalogue = database.catalogue().await;
    let some = |change: fn(&mut PhotoFacts)| {
        let Verdict::Clean(mut facts) = photo(0).verdict else { unreachable!() };
        change(&mut facts);
        Verdict::Clean(facts)
    };
    let mut page = photos(0..3);
    page.push(judged(3, some(|facts| facts.format = Some("heic".into()))));
    page.push(judged(4, some(|facts| (facts.place, facts.taken_at) = (None, None))));
    page.push(judged(5, some(|facts| (facts.taken_local, facts.format) = (None, None))));
    page.push(judged(6, some(|facts| (facts.taken_local, facts.taken_at) = (None, None))));
    page.push(judged(7, Verdict::Flawed(Box::default(), note("no time"))));
    page.extend((8..11).map(|number| judged(number, Verdict::Refused(note("no image")))));
    page.push(judged(11, Verdict::Refused(note("too large"))));
    page.push(judged(12, Verdict::Failed(note("disk error"))));
    record(&catalogue, &page).await;

    let summary = catalogue.summary(USER, 2).await.unwrap();
    assert_eq!(summary.photos, 8);
    let by_format = [("jpeg", 5), ("unknown", 2), ("heic", 1)];
    assert_eq!(summary.by_format, by_format.map(|(format, count)| (format.to_owned(), count)));
    assert_eq!((summary.with_time, summary.with_place), (6, 6));
    assert_eq!((summary.flawed, summary.refused, summary.failed), (1, 4, 1));
    let count = |status, reason: &str, files| OutcomeCount { status, reason: reason.into(), files };
    let expected = [
        count(OutcomeStatus::Refused, "no image", 3),
        count(OutcomeStatus::Failed, "disk error", 1),
    ];
    assert_eq!(summary.reasons, expected);
}

async fn an_unknown_user_has_nothing(database: Database) {
    let catalogue = database.catalogue().await;
    assert_eq!(catalogue.summary(7, 10).await.unwrap(), CatalogueSummary::default());
    for now in [NOW, NOW + 1] {
        let mut connection = catalogue.primary.acquire().await.unwrap();
        ensure(&mut connection, 7, now).await.unwrap();
    }
    let created: i64 = sqlx::query_scalar("SELECT created_at FROM users WHERE user_id = 7")
        .fetch_one(&catalogue.primary)
        .await
        .unwrap();
    assert_eq!(created, NOW);
}

async fn odd_text_is_stored_and_found_again(database: Database) {
    let catalogue = database.catalogue().await;
    let ids = [
        "Foo Fighters 🎸/Zürich – Größe/写真.jpg".to_owned(),
        "nul\0inside.jpg".to_owned(),
        "'; DROP TABLE photos; --".to_owned(),
        format!("{}/a.jpg", "ä".repeat(3_000)),
        format!("{}/b.jpg", "ä".repeat(3_000)),
        String::new(),
    ];
    let page: Vec<_> = (1..)
        .zip(&ids)
        .map(|(number, id)| ScannedFile { file_id: id.clone(), name: id.clone(), ..photo(number) })
        .collect();
    let mut page = page;
    let Verdict::Clean(facts) = &mut page[0].verdict else { unreachable!() };
    facts.camera_make = Some(format!("Can\0on{}", "n".repeat(70_000)));
    facts.place = Some((f64::NAN, f64::INFINITY));
    page.push(judged(9, Verdict::Refused(note(&"so long \0".repeat(500)))));

    assert_eq!(record(&catalogue, &page).await.inserted, 6);
    assert_eq!(record(&catalogue, &page).await.unchanged, 6);
    let known = catalogue.known_revisions(USER, Provider::Folder, &ids, false).await.unwrap();
    for file in &page[..6] {
        assert_eq!(known.get(&file.file_id), Some(&file.source_rev), "{:.40}", file.file_id);
    }
    let stored = catalogue.photos(USER, None, 9).await.unwrap();
    let named = |name: &str| stored.iter().find(|photo| photo.name == name).unwrap();
    let unicode = named(&ids[0]);
    assert_eq!(unicode.key.file_id, ids[0]);
    assert_eq!(unicode.facts.camera_make.as_ref().unwrap().chars().count(), 254);
    assert_eq!(unicode.facts.place, None);
    assert_eq!(named("nulinside.jpg").key.file_id, "nulinside.jpg");
    assert_eq!(named(&"ä".repeat(512)).key.file_id.len(), 1_023);
    let outcomes = catalogue.photo_outcomes(USER, None, 9).await.unwrap();
    assert!(outcomes[0].note.reason.chars().count() <= 500);
}

async fn the_replica_is_read(database: Database) {
    let primary = database.catalogue().await;
    record(&primary, &photos(0..2)).await;
    let mut options = database.options();
    options.read_replica_url = Some(database.url.clone());
    let both = Catalogue::connect(options).await.unwrap();
    assert_eq!(both.photos(USER, None, 9).await.unwrap().len(), 2);
    assert!(both.pool_size() >= 2, "one connection to each");
    assert!(both.pool_idle() >= 1);
    both.close().await;
    assert_eq!(both.pool_size(), 0);

    let mut options = database.options();
    let other = if database.is_postgresql() { "sqlite:x.db" } else { "postgres://x/y" };
    options.read_replica_url = Some(other.into());
    let refused = Catalogue::connect(options).await.unwrap_err();
    assert!(refused.to_string().contains("another kind"), "{refused}");
}
