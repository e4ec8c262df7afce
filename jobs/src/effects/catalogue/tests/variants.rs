//! Ids of photos, and variants.

use super::databases::Database;
use super::*;
use crate::effects::catalogue::StoredVariants;

on_both!(
    a_photo_has_the_same_id_after_every_scan,
    photos_of_an_older_build_get_their_ids,
    a_star_outlives_every_scan,
    variants_are_kept_for_the_revision_that_they_were_made_of,
);

async fn a_photo_has_the_same_id_after_every_scan(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &photos(0..3)).await;
    let first = catalogue.photos(USER, None, 9).await.unwrap();
    let rewritten = ScannedFile { source_rev: "rewritten".into(), ..photo(1) };
    record_at(&catalogue, &[rewritten], NOW + 5).await;
    let again = catalogue.photos(USER, None, 9).await.unwrap();
    for (before, after) in first.iter().zip(&again) {
        assert_eq!(before.photo_id, after.photo_id);
        assert!(before.photo_id.len() == 32, "{}", before.photo_id);
        let found = catalogue.photo(USER, &before.photo_id).await.unwrap();
        assert_eq!(found.as_ref(), Some(after));
        // Somebody else's is none.
        assert_eq!(catalogue.photo(USER + 1, &before.photo_id).await.unwrap(), None);
    }
    catalogue.record_page(USER + 1, Provider::Folder, &photos(0..1), "s", NOW).await.unwrap();
    let other = catalogue.photos(USER + 1, None, 9).await.unwrap();
    assert_ne!(other[0].photo_id, first[0].photo_id);
}

async fn photos_of_an_older_build_get_their_ids(database: Database) {
    const MANY: u32 = 120;
    let catalogue = database.catalogue().await;
    record(&catalogue, &photos(0..MANY)).await;
    let forget = "UPDATE photos SET photo_id = NULL";
    sqlx::raw_sql(forget).execute(&catalogue.primary).await.unwrap();
    let id = catalogue.photos(USER, None, 9).await.unwrap()[0].photo_id.clone();
    assert_eq!(catalogue.photo(USER, &id).await.unwrap(), None);
    assert_eq!(catalogue.name_photos().await.unwrap(), u64::from(MANY));
    assert_eq!(catalogue.name_photos().await.unwrap(), 0);
    assert!(catalogue.photo(USER, &id).await.unwrap().is_some());
    // As a deployment does it.
    sqlx::raw_sql(forget).execute(&catalogue.primary).await.unwrap();
    catalogue.migrate().await.unwrap();
    assert!(catalogue.photo(USER, &id).await.unwrap().is_some());
}

async fn a_star_outlives_every_scan(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &photos(0..1)).await;
    let star = sqlx::query("UPDATE photos SET starred_at = $1").bind(NOW);
    star.execute(&catalogue.primary).await.unwrap();
    record_at(&catalogue, &[ScannedFile { source_rev: "rewritten".into(), ..photo(0) }], NOW).await;
    let stored = catalogue.photos(USER, None, 9).await.unwrap();
    assert_eq!((stored[0].starred_at, stored[0].source_rev.as_str()), (Some(NOW), "rewritten"));
}

async fn variants_are_kept_for_the_revision_that_they_were_made_of(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &photos(0..2)).await;
    let stored = catalogue.photos(USER, None, 9).await.unwrap();
    let (key, source_rev) = (&stored[0].key, stored[0].source_rev.clone());
    let made = |recipe: &str| StoredVariants {
        source_rev: source_rev.clone(),
        recipe: recipe.to_owned(),
        manifest: format!("{{\"made\":\"{recipe}\"}}"),
    };
    assert_eq!(catalogue.variants(USER, key).await.unwrap(), None);
    for recipe in ["small", "large", "large"] {
        assert!(catalogue.record_variants(USER, key, &made(recipe), NOW).await.unwrap());
        assert_eq!(catalogue.variants(USER, key).await.unwrap(), Some(made(recipe)));
    }
    // The photo has changed since, or is not there at all.
    let stale = StoredVariants { source_rev: "older".to_owned(), ..made("small") };
    assert!(!catalogue.record_variants(USER, key, &stale, NOW).await.unwrap());
    assert!(!catalogue.record_variants(USER + 1, key, &made("small"), NOW).await.unwrap());
    assert_eq!(catalogue.variants(USER, key).await.unwrap(), Some(made("large")));
    assert_eq!(catalogue.variants(USER, &stored[1].key).await.unwrap(), None);

    sqlx::raw_sql("DELETE FROM users").execute(&catalogue.primary).await.unwrap();
    assert_eq!(catalogue.variants(USER, key).await.unwrap(), None);
}
