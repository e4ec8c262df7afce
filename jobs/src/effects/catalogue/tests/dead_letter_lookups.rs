//! Finding and counting dead letters.

use super::databases::Database;
use super::dead_letters::letter;
use super::*;
use crate::effects::catalogue::{CatalogueError, DeadLetterFilter, DeadReason, NewDeadLetter};

on_both!(
    the_filter_filters,
    an_id_may_be_abbreviated,
    waiting_letters_are_counted,
    a_retried_letter_stands_for_no_later_death,
);

async fn the_filter_filters(database: Database) {
    let catalogue = database.catalogue().await;
    for number in 0..6 {
        let mut new = NewDeadLetter { died_at: NOW + number, ..letter(&number.to_string()) };
        if number % 2 == 1 {
            new.queue = "exports".into();
            new.kind = "export-history".into();
        }
        if number >= 4 {
            new.reason = DeadReason::Timeout;
            new.fingerprint = "slow".into();
        }
        catalogue.bury(&new).await.unwrap();
    }
    let retried = &catalogue.dead_letters(&DeadLetterFilter::default()).await.unwrap()[5];
    assert_eq!(retried.job_id, "0", "the latest come first");
    catalogue.mark_retried(&retried.id, NOW + 100).await.unwrap();

    let none = DeadLetterFilter::default();
    let cases = [
        (none.clone(), "5 4 3 2 1"),
        (DeadLetterFilter { retried: true, ..none.clone() }, "5 4 3 2 1 0"),
        (DeadLetterFilter { limit: 2, ..none.clone() }, "5 4"),
        (DeadLetterFilter { queue: Some("exports".into()), ..none.clone() }, "5 3 1"),
        (DeadLetterFilter { kind: Some("send-email".into()), ..none.clone() }, "4 2"),
        (DeadLetterFilter { reason: Some(DeadReason::Timeout), ..none.clone() }, "5 4"),
        (DeadLetterFilter { fingerprint: Some("slow".into()), ..none.clone() }, "5 4"),
        (
            DeadLetterFilter {
                queue: Some("exports".into()),
                reason: Some(DeadReason::Exhausted),
                limit: 1,
                ..none.clone()
            },
            "3",
        ),
        (DeadLetterFilter { queue: Some("' OR 1 = 1 --".into()), ..none.clone() }, ""),
    ];
    for (filter, expected) in cases {
        let found = catalogue.dead_letters(&filter).await.unwrap();
        let ids: Vec<_> = found.iter().map(|letter| letter.job_id.as_str()).collect();
        assert_eq!(ids.join(" "), expected, "{filter:?}");
    }
}

async fn an_id_may_be_abbreviated(database: Database) {
    let catalogue = database.catalogue().await;
    for number in 0..40 {
        catalogue.bury(&letter(&number.to_string())).await.unwrap();
    }
    let id = catalogue.bury(&letter("7")).await.unwrap();
    let found = catalogue.dead_letter(&id[..20].to_uppercase()).await.unwrap().unwrap();
    assert_eq!(found.job_id, "7");
    for nothing in ["", "%", "_", "zz", "0123456789abcdef0123456789abcdef"] {
        assert_eq!(catalogue.dead_letter(nothing).await.unwrap(), None, "{nothing}");
    }
    // Forty ids have sixteen first digits to share.
    let mut ambiguous = 0;
    for digit in "0123456789abcdef".chars() {
        match catalogue.dead_letter(&digit.to_string()).await {
            Err(CatalogueError::AmbiguousId { .. }) => ambiguous += 1,
            other => drop(other.unwrap()),
        }
    }
    assert!(ambiguous > 0);
}

async fn waiting_letters_are_counted(database: Database) {
    let catalogue = database.catalogue().await;
    assert_eq!(catalogue.dead_letter_counts().await.unwrap(), []);
    for number in 0..3 {
        catalogue.bury(&letter(&number.to_string())).await.unwrap();
    }
    let panicked = NewDeadLetter { reason: DeadReason::Panic, ..letter("3") };
    let id = catalogue.bury(&panicked).await.unwrap();
    let row = |reason: &str, count| ("notifications".to_owned(), reason.to_owned(), count);
    let counts = catalogue.dead_letter_counts().await.unwrap();
    assert_eq!(counts, [row("exhausted", 3), row("panic", 1)]);
    catalogue.mark_retried(&id, NOW + 1).await.unwrap();
    assert_eq!(catalogue.dead_letter_counts().await.unwrap(), [row("exhausted", 3)]);
}

async fn a_retried_letter_stands_for_no_later_death(database: Database) {
    let catalogue = database.catalogue().await;
    catalogue.bury(&letter("1")).await.unwrap();
    let retried = catalogue.bury(&letter("2")).await.unwrap();
    catalogue.mark_retried(&retried, NOW + 10).await.unwrap();
    let deaths = [("3", NOW), ("2", NOW), ("2", NOW + 20), ("1", NOW)];
    let buried = catalogue.are_buried("notifications", &deaths).await.unwrap();
    assert_eq!(buried, [false, true, false, true]);
    assert_eq!(catalogue.are_buried("exports", &[("1", NOW)]).await.unwrap(), [false]);
    assert!(catalogue.are_buried("notifications", &[]).await.unwrap().is_empty());
}
