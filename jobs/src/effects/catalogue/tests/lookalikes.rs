//! Fingerprints and groups of duplicates, on both databases.

use std::collections::BTreeMap;

use super::databases::Database;
use super::*;
use crate::effects::catalogue::{
    Content, Decision, DuplicateGroup, DuplicateMember, FileKey, Likeness, Proposals,
};
use crate::pixels::Fingerprint;

on_both!(
    a_photo_is_compared_anew_when_its_content_is_new,
    a_photo_without_a_fingerprint_is_read_again,
    look_alikes_are_looked_up,
    proposals_are_stored_as_a_whole_or_not_at_all,
);

const LOOK: Fingerprint = Fingerprint {
    gradient: 0x8123_4567_89AB_CDEF,
    dct: [u64::MAX, 0, 1 << 63, 42],
    detail: 60,
    sharpness: 1_234,
    exposure: 987,
};

fn seen(number: u32, hash: &str, look: Option<Fingerprint>) -> ScannedFile {
    let content = Content { hash: hash.to_owned(), look, taken_millis: Some(250) };
    ScannedFile { content: Some(content), ..photo(number) }
}

fn key(number: u32) -> FileKey {
    FileKey { provider: Provider::Folder, file_id: photo(number).file_id }
}

async fn a_photo_is_compared_anew_when_its_content_is_new(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &[seen(1, "one", Some(LOOK)), seen(2, "two", None), photo(3)]).await;
    let new = catalogue.uncompared(USER, 10).await.unwrap();
    assert_eq!(new.len(), 2);
    let content = Content { hash: "one".into(), look: Some(LOOK), taken_millis: Some(250) };
    assert_eq!((&new[0].key, &new[0].content), (&key(1), &content));
    // Its orientation turns it.
    assert_eq!((new[0].size, new[0].has_place, new[0].starred), ((3024, 4032), true, false));
    assert_eq!(new[1].content.look, None);
    assert_eq!(catalogue.uncompared(USER, 1).await.unwrap().len(), 1);

    let photos = new.iter().map(|photo| (&photo.key, photo.content.hash.as_str()));
    catalogue.compared(USER, photos, NOW).await.unwrap();
    assert_eq!(catalogue.uncompared(USER, 10).await.unwrap(), []);
    // Touched, and rewritten.
    let touched = ScannedFile { source_rev: "touched".into(), ..seen(1, "one", Some(LOOK)) };
    record(&catalogue, &[touched, seen(2, "other", None)]).await;
    let new = catalogue.uncompared(USER, 10).await.unwrap();
    assert_eq!(new.iter().map(|photo| &photo.key).collect::<Vec<_>>(), [&key(2)]);
    assert_eq!(catalogue.all_lookalikes(USER).await.unwrap().len(), 2);
    // A scan that does not look at pixels has found other content: what is known is of no use.
    record(&catalogue, &[ScannedFile { source_rev: "rewritten".into(), ..photo(1) }]).await;
    assert_eq!(catalogue.all_lookalikes(USER).await.unwrap().len(), 1);
}

async fn a_photo_without_a_fingerprint_is_read_again(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &[seen(1, "one", Some(LOOK)), seen(2, "two", None), photo(3)]).await;
    record(&catalogue, &[judged(4, Verdict::Refused(note("no image")))]).await;
    let ids: Vec<_> = (1..6).map(|number| photo(number).file_id).collect();
    let known = |fingerprint| catalogue.known_revisions(USER, Provider::Folder, &ids, fingerprint);
    let of = |numbers: &[u32]| -> Vec<String> {
        numbers.iter().map(|number| photo(*number).file_id).collect()
    };
    let sorted = |known: std::collections::HashMap<String, String>| {
        let mut known: Vec<_> = known.into_keys().collect();
        known.sort();
        known
    };
    assert_eq!(sorted(known(false).await.unwrap()), of(&[1, 2, 3, 4]));
    assert_eq!(sorted(known(true).await.unwrap()), of(&[1, 2, 4]));
    // Another algorithm than today's.
    let old = "UPDATE photo_fingerprints SET version = version + 1 WHERE content_hash = 'one'";
    sqlx::raw_sql(old).execute(&catalogue.primary).await.unwrap();
    assert_eq!(sorted(known(true).await.unwrap()), of(&[2, 4]));
    assert_eq!(catalogue.all_lookalikes(USER).await.unwrap().len(), 1);
}

async fn look_alikes_are_looked_up(database: Database) {
    let catalogue = database.catalogue().await;
    let differing = |bits: u64| Some(Fingerprint { gradient: LOOK.gradient ^ bits, ..LOOK });
    record(
        &catalogue,
        &[
            seen(1, "one", Some(LOOK)),
            seen(2, "two", differing(0x0101_0101_0101_0101)),
            seen(3, "three", differing(0x3FF)),
            seen(4, "four", differing(0x7FF)),
            seen(5, "one", None),
        ],
    )
    .await;
    let others = [seen(1, "one", Some(LOOK))];
    catalogue.record_page(9, Provider::Folder, &others, "scan-1", NOW).await.unwrap();
    let content = Content { hash: "one".into(), look: Some(LOOK), taken_millis: None };
    let mut found = catalogue.look_up(USER, &content, 10).await.unwrap();
    found.sort();
    assert_eq!(found, [1, 2, 3, 5].map(key));
    let blind = Content { look: None, ..content };
    let mut same = catalogue.look_up(USER, &blind, 10).await.unwrap();
    same.sort();
    assert_eq!(same, [1, 5].map(key));
    let read = catalogue.lookalikes(USER, &[key(3), key(9)]).await.unwrap();
    assert_eq!(read.iter().map(|photo| &photo.key).collect::<Vec<_>>(), [&key(3)]);
}

async fn proposals_are_stored_as_a_whole_or_not_at_all(database: Database) {
    let catalogue = database.catalogue().await;
    record(&catalogue, &photos(1..6)).await;
    let group = |id: &str, numbers: &[u32]| DuplicateGroup {
        id: id.into(),
        likeness: Likeness::Near,
        best: key(numbers[0]),
        best_reason: "it is the sharpest".into(),
        members: numbers
            .iter()
            .map(|&n| (key(n), DuplicateMember { content_hash: n.to_string(), distance: n }))
            .collect::<BTreeMap<_, _>>(),
        revision: 1,
        decision: None,
    };
    let made = vec![group("a", &[1, 2]), group("b", &[3, 4])];
    let proposals = Proposals { made: made.clone(), ..Proposals::default() };
    assert!(catalogue.propose(USER, &proposals, NOW).await.unwrap());
    assert_eq!(catalogue.duplicate_groups(USER, None, 10).await.unwrap(), made);
    assert_eq!(catalogue.duplicate_groups(USER, Some("a"), 10).await.unwrap(), made[1..]);
    assert_eq!(catalogue.groups_with(USER, &[key(4), key(9)]).await.unwrap(), made[1..]);
    assert_eq!(catalogue.all_groups(USER).await.unwrap(), made);

    let grown = group("a", &[1, 2, 5]);
    let change = Proposals {
        changed: vec![grown.clone()],
        gone: vec![("b".into(), 1)],
        ..Proposals::default()
    };
    let decide = "UPDATE duplicate_groups SET decision = 'duplicates' WHERE group_id = 'b'";
    sqlx::raw_sql(decide).execute(&catalogue.primary).await.unwrap();
    // Somebody was faster: nothing is changed, of the other group neither.
    assert!(!catalogue.propose(USER, &change, NOW).await.unwrap());
    let decided = DuplicateGroup { decision: Some(Decision::Duplicates), ..made[1].clone() };
    let groups = catalogue.duplicate_groups(USER, None, 10).await.unwrap();
    assert_eq!(groups, [made[0].clone(), decided.clone()]);
    let change = Proposals { gone: Vec::new(), ..change };
    assert!(catalogue.propose(USER, &change, NOW).await.unwrap());
    let grown = DuplicateGroup { revision: 2, ..grown };
    let groups = catalogue.duplicate_groups(USER, None, 10).await.unwrap();
    assert_eq!(groups, [grown.clone(), decided.clone()]);
    // What it was changed from is not there any more.
    assert!(!catalogue.propose(USER, &change, NOW).await.unwrap());
    let change = Proposals { gone: vec![("a".into(), 2)], ..Proposals::default() };
    assert!(catalogue.propose(USER, &change, NOW).await.unwrap());
    assert_eq!(catalogue.duplicate_groups(USER, None, 10).await.unwrap(), [decided]);
}
