//! Recording pages of a scan.

use super::databases::Database;
use super::*;
use crate::effects::catalogue::{OutcomeStatus, PageSummary};

on_both!(
    repeating_a_page_changes_nothing,
    only_what_changed_is_updated,
    an_update_in_the_same_millisecond_is_told_from_an_insert,
    a_file_listed_twice_is_stored_once_as_seen_last,
    a_clean_pass_removes_the_outcome,
    refused_and_failed_files_are_not_photos,
    a_failed_file_is_looked_at_again,
    everything_may_be_unknown,
    users_and_providers_are_kept_apart,
    nothing_of_a_failed_page_is_stored,
);

async fn repeating_a_page_changes_nothing(database: Database) {
    let catalogue = database.catalogue().await;
    let mut page = photos(0..20);
    page.push(judged(20, Verdict::Refused(note("no image"))));
    page.push(judged(21, Verdict::Failed(note("disk error"))));

    let first = record(&catalogue, &page).await;
    assert_eq!(first, PageSummary { inserted: 20, updated: 0, unchanged: 0 });
    let stored = catalogue.photos(USER, None, 100).await.unwrap();
    let outcomes = catalogue.photo_outcomes(USER, None, 100).await.unwrap();

    let again = catalogue.record_page(USER, Provider::Folder, &page, "scan-2", NOW + 60_000).await;
    assert_eq!(again.unwrap(), PageSummary { inserted: 0, updated: 0, unchanged: 20 });
    assert_eq!(catalogue.photos(USER, None, 100).await.unwrap(), stored);
    assert_eq!(catalogue.photo_outcomes(USER, None, 100).await.unwrap(), outcomes);
    assert_eq!(outcomes[0].job_id, "scan-1");
    assert_eq!((stored[0].created_at, stored[0].updated_at), (NOW, NOW));
}

async fn only_what_changed_is_updated(database: Database) {
    let catalogue = database.catalogue().await;
    let mut page = photos(0..3);
    record(&catalogue, &page).await;
    // The place becomes unknown: a NULL where a value was.
    let Verdict::Clean(facts) = &mut page[1].verdict else { unreachable!() };
    facts.place = None;
    page[2].source_rev = "rewritten".into();
    page.push(photo(3));

    let summary = record_at(&catalogue, &page, NOW + 5).await;
    assert_eq!(summary, PageSummary { inserted: 1, updated: 2, unchanged: 1 });
    let stored = catalogue.photos(USER, None, 100).await.unwrap();
    let times: Vec<_> = stored.iter().map(|p| (p.created_at - NOW, p.updated_at - NOW)).collect();
    assert_eq!(times, [(0, 0), (0, 5), (0, 5), (5, 5)]);
    assert_eq!(stored[1].facts.place, None);
    assert_eq!(stored[2].source_rev, "rewritten");
}

async fn an_update_in_the_same_millisecond_is_told_from_an_insert(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &[photo(1)]).await;
    let changed = ScannedFile { name: "renamed.jpg".into(), ..photo(1) };
    // A clock that goes back is no excuse either.
    for (now, name) in [(NOW, "a"), (NOW - 9_000, "b"), (NOW, "c")] {
        let changed = ScannedFile { name: name.into(), ..changed.clone() };
        let summary = record_at(&catalogue, &[changed], now).await;
        assert_eq!(summary, PageSummary { inserted: 0, updated: 1, unchanged: 0 });
    }
}

async fn a_file_listed_twice_is_stored_once_as_seen_last(database: Database) {
    let catalogue = database.catalogue().await;
    let last = ScannedFile { name: "last.jpg".into(), ..photo(1) };
    let summary = record(&catalogue, &[photo(1), photo(2), last]).await;
    assert_eq!(summary.inserted, 2);
    assert_eq!(catalogue.photos(USER, None, 9).await.unwrap()[0].name, "last.jpg");
}

async fn a_clean_pass_removes_the_outcome(database: Database) {
    let catalogue = database.catalogue().await;
    let Verdict::Clean(facts) = photo(1).verdict else { unreachable!() };
    record(&catalogue, &[judged(1, Verdict::Flawed(facts, note("no time"))), photo(2)]).await;
    let outcomes = catalogue.photo_outcomes(USER, None, 9).await.unwrap();
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].status, OutcomeStatus::Flawed);
    assert_eq!(outcomes[0].note, note("no time"));
    assert_eq!(catalogue.photos(USER, None, 9).await.unwrap().len(), 2);

    record(&catalogue, &photos(1..3)).await;
    assert_eq!(catalogue.photo_outcomes(USER, None, 9).await.unwrap(), []);
}

async fn refused_and_failed_files_are_not_photos(database: Database) {
    let catalogue = database.catalogue().await;
    let page = [
        judged(1, Verdict::Refused(note("no image"))),
        judged(2, Verdict::Failed(Note { reason: "gone".into(), hint: None })),
    ];
    assert_eq!(record(&catalogue, &page).await, PageSummary::default());
    assert_eq!(catalogue.photos(USER, None, 9).await.unwrap(), []);
    let outcomes = catalogue.photo_outcomes(USER, None, 9).await.unwrap();
    let statuses: Vec<_> = outcomes.iter().map(|o| o.status).collect();
    assert_eq!(statuses, [OutcomeStatus::Refused, OutcomeStatus::Failed]);
    assert_eq!(outcomes[1].note.hint, None);
    assert_eq!(outcomes[1].at, NOW);
}

async fn a_failed_file_is_looked_at_again(database: Database) {
    let catalogue = database.catalogue().await;
    let page = [
        photo(1),
        judged(2, Verdict::Refused(note("no image"))),
        judged(3, Verdict::Failed(note("disk error"))),
    ];
    record(&catalogue, &page).await;
    let ids: Vec<_> = (1..5).map(|number| photo(number).file_id).collect();
    let known = catalogue.known_revisions(USER, Provider::Folder, &ids, false).await.unwrap();
    let mut revisions: Vec<_> = known.into_iter().collect();
    revisions.sort();
    let expected = [1, 2].map(|number| (photo(number).file_id, photo(number).source_rev));
    assert_eq!(revisions, expected);
    let none = catalogue.known_revisions(USER, Provider::Folder, &[], false).await.unwrap();
    assert!(none.is_empty());
}

async fn everything_may_be_unknown(database: Database) {
    let catalogue = database.catalogue().await;
    let nothing = || Verdict::Clean(Box::default());
    let page = [judged(1, nothing()), photo(2), judged(3, nothing())];
    record(&catalogue, &page).await;
    assert_eq!(record(&catalogue, &page).await.unchanged, 3);
    let stored = catalogue.photos(USER, None, 9).await.unwrap();
    assert_eq!(stored[0].facts, PhotoFacts::default());
    let Verdict::Clean(facts) = photo(2).verdict else { unreachable!() };
    assert_eq!(stored[1].facts, *facts);

    // And the other way round: known, unknown, known again.
    record(&catalogue, &[judged(2, nothing())]).await;
    assert_eq!(catalogue.photos(USER, None, 9).await.unwrap()[1].facts, PhotoFacts::default());
    record(&catalogue, &[photo(2)]).await;
    assert_eq!(catalogue.photos(USER, None, 9).await.unwrap()[1].facts, *facts);
}

async fn users_and_providers_are_kept_apart(database: Database) {
    let catalogue = database.catalogue().await;
    let page = photos(0..2);
    record(&catalogue, &page).await;
    for (user, provider) in [(USER, Provider::S3), (USER + 1, Provider::Folder)] {
        let summary = catalogue.record_page(user, provider, &page, "scan-2", NOW).await.unwrap();
        assert_eq!(summary.inserted, 2);
    }
    assert_eq!(catalogue.photos(USER, None, 9).await.unwrap().len(), 4);
    assert_eq!(catalogue.photos(USER + 1, None, 9).await.unwrap().len(), 2);
    assert_eq!(catalogue.photos(USER + 2, None, 9).await.unwrap().len(), 0);
}

async fn nothing_of_a_failed_page_is_stored(database: Database) {
    let catalogue = database.catalogue().await;
    let broken = "DROP TABLE photo_outcomes";
    sqlx::raw_sql(broken).execute(&catalogue.primary).await.unwrap();
    let result = catalogue.record_page(USER, Provider::Folder, &photos(0..3), "scan-1", NOW).await;
    assert_eq!(result.unwrap_err().to_string(), "write to photo_outcomes");
    assert_eq!(catalogue.photos(USER, None, 9).await.unwrap(), []);
}
