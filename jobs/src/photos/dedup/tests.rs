//! Runs on a real catalogue.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use sqlx::Connection as _;

use super::numbers::Numbers;
use super::{Outcome, run};
use crate::effects::catalogue::{
    Catalogue, CatalogueOptions, Content, DuplicateGroup, Likeness, PhotoFacts, Provider,
    ScannedFile, Verdict,
};
use crate::pixels::Fingerprint;

const USER: i64 = 7;
const NOW: i64 = 1_700_000_000_000;

impl Numbers {
    fn look(&mut self) -> Fingerprint {
        let dct = [self.next(), self.next(), self.next(), self.next()];
        let gradient = self.next();
        Fingerprint { gradient, dct, detail: 50, sharpness: 100, exposure: 1_000 }
    }

    /// The same picture with so many bits changed of gradient and frequencies.
    fn copy(&mut self, look: &Fingerprint, gradient: u32, dct: u32) -> Fingerprint {
        let mut copy = *look;
        while copy.gradient_distance(look) < gradient {
            copy.gradient ^= 1 << (self.next() >> 58);
        }
        while copy.dct_distance(look) < dct {
            let at = usize::try_from(self.next() >> 62).unwrap();
            copy.dct[at] ^= 1 << (self.next() >> 58);
        }
        copy
    }
}

struct Library {
    catalogue: Catalogue,
    folder: tempfile::TempDir,
}

impl Library {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("catalogue.db").display());
        let options = CatalogueOptions { url, ..CatalogueOptions::default() };
        let catalogue = Catalogue::connect(options).await.unwrap();
        catalogue.migrate().await.unwrap();
        Self { catalogue, folder }
    }

    async fn add(&self, photos: &[ScannedFile]) {
        for page in photos.chunks(100) {
            let recorded = self.catalogue.record_page(USER, Provider::Folder, page, "scan", NOW);
            recorded.await.unwrap();
        }
    }

    /// Compares; answers how many photos, and how many groups were made, changed and dropped.
    async fn run(&self, all: bool) -> (usize, usize, usize, usize) {
        match run(&self.catalogue, USER, all, NOW).await.unwrap() {
            Outcome::Proposed(compared, new) => {
                (compared, new.made.len(), new.changed.len(), new.gone.len())
            }
            Outcome::Overtaken => panic!("nobody else is here"),
        }
    }

    async fn groups(&self) -> Vec<DuplicateGroup> {
        self.catalogue.duplicate_groups(USER, None, 10_000).await.unwrap()
    }

    /// The names of the members of each group.
    async fn members(&self) -> BTreeSet<Vec<String>> {
        let groups = self.groups().await;
        groups.iter().map(names).collect()
    }

    /// As a web tier does it.
    async fn sql(&self, sql: &str) {
        let url = format!("sqlite:{}", self.folder.path().join("catalogue.db").display());
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        let done =
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
        assert_eq!(done.unwrap().rows_affected(), 1, "{sql}");
    }

    /// Decides about the group of a photo.
    async fn decide(&self, file_id: &str, decision: &str) {
        self.sql(&format!(
            "UPDATE duplicate_groups SET decision = '{decision}', decided_at = 1 WHERE group_id IN \
             (SELECT group_id FROM duplicate_members WHERE file_id = '{file_id}')"
        ))
        .await;
    }
}

fn names(group: &DuplicateGroup) -> Vec<String> {
    group.members.keys().map(|key| key.file_id.clone()).collect()
}

fn photo(name: &str, look: Option<Fingerprint>, content: &str) -> ScannedFile {
    ScannedFile {
        file_id: name.to_owned(),
        name: name.to_owned(),
        source_rev: format!("r1:{content}"),
        verdict: Verdict::Clean(Box::new(PhotoFacts {
            width: Some(4_000),
            height: Some(3_000),
            bytes: Some(1_000),
            ..PhotoFacts::default()
        })),
        content: Some(Content { hash: content.to_owned(), look, taken_millis: None }),
    }
}

fn facts(photo: &mut ScannedFile) -> &mut PhotoFacts {
    match &mut photo.verdict {
        Verdict::Clean(facts) => facts,
        _ => panic!("a clean photo"),
    }
}

fn taken(seconds: i64) -> NaiveDateTime {
    DateTime::UNIX_EPOCH.naive_utc() + TimeDelta::seconds(1_600_000_000 + seconds)
}

/// Motifs with some copies each, copies of copies among them, and strangers; in a mixed order.
fn mixed(numbers: &mut Numbers, motifs: usize) -> Vec<ScannedFile> {
    let mut photos = Vec::new();
    for motif in 0..motifs {
        let original = numbers.look();
        let near = numbers.copy(&original, 6, 40);
        let further = numbers.copy(&near, 5, 30);
        let unlike = numbers.copy(&original, 3, 110);
        for (copy, look) in
            [original, original, near, further, unlike, numbers.look()].iter().enumerate()
        {
            // The second has the very bytes of the first.
            let content = format!("{motif}-{}", if copy == 1 { 0 } else { copy });
            photos.push(photo(&format!("{motif:03}-{copy}"), Some(*look), &content));
        }
    }
    photos.sort_by_key(|photo| photo.content.as_ref().map(|c| c.look.map(|look| look.dct[0])));
    photos
}

#[tokio::test]
async fn one_after_the_other_makes_the_same_groups_as_all_at_once() {
    let mut numbers = Numbers(3);
    let photos = mixed(&mut numbers, 30);
    let at_once = Library::new().await;
    at_once.add(&photos).await;
    assert_eq!(at_once.run(false).await, (180, 30, 0, 0));
    let groups = at_once.members().await;
    assert!(groups.iter().all(|group| group.len() == 4), "{groups:?}");

    let in_turn = Library::new().await;
    for one in &photos {
        in_turn.add(std::slice::from_ref(one)).await;
        assert_eq!(in_turn.run(false).await.0, 1);
    }
    assert_eq!(in_turn.members().await, groups);

    // So many that they are looked up in memory, and so few that not all are compared with all.
    let among_others = Library::new().await;
    let name = |number| format!("stranger-{number:04}");
    let strangers =
        (0..1_500).map(|number| photo(&name(number), Some(numbers.look()), &name(number)));
    among_others.add(&strangers.collect::<Vec<_>>()).await;
    assert_eq!(among_others.run(false).await, (1_500, 0, 0, 0));
    among_others.add(&photos).await;
    assert_eq!(among_others.run(false).await, (180, 30, 0, 0));
    assert_eq!(among_others.members().await, groups);

    // Another look changes nothing.
    for library in [&at_once, &in_turn] {
        assert_eq!(library.run(false).await, (0, 0, 0, 0));
        assert_eq!(library.run(true).await, (0, 0, 0, 0));
    }
}

#[tokio::test]
async fn bursts_flat_pictures_and_other_proportions_are_no_copies() {
    let mut numbers = Numbers(5);
    let look = numbers.look();
    let mut photos: Vec<_> = (0..8)
        .map(|at| photo(&at.to_string(), Some(numbers.copy(&look, 1, 4)), &at.to_string()))
        .collect();
    // A burst: the second of 0, half a second later, then a second later.
    facts(&mut photos[0]).taken_local = Some(taken(0));
    facts(&mut photos[1]).taken_local = Some(taken(0));
    for (photo, millis) in photos[..2].iter_mut().zip([100, 600]) {
        photo.content.as_mut().unwrap().taken_millis = Some(millis);
    }
    facts(&mut photos[2]).taken_local = Some(taken(1));
    // A copy of the third: same clock, and nobody noted the fraction.
    facts(&mut photos[3]).taken_local = Some(taken(1));
    // The same instant, told by clocks in two zones.
    for (photo, hours) in photos[4..6].iter_mut().zip([0, 9]) {
        facts(photo).taken_local = Some(taken(60 + hours * 3_600));
        facts(photo).taken_at = Some(taken(60).and_utc());
    }
    facts(&mut photos[6]).height = Some(4_000);
    photos[7].content.as_mut().unwrap().look.as_mut().unwrap().detail = 3;
    // Lying on its side, so upright it is as wide as the others.
    let mut lying = photo("8", Some(numbers.copy(&look, 1, 4)), "8");
    let lies = facts(&mut lying);
    (lies.width, lies.height, lies.orientation) = (Some(3_000), Some(4_000), Some(6));
    lies.taken_local = Some(taken(1));
    photos.push(lying);
    let library = Library::new().await;
    library.add(&photos).await;
    library.run(false).await;
    let groups = library.members().await;
    let expected = [vec!["2", "3", "8"], vec!["4", "5"]];
    assert_eq!(
        groups
            .iter()
            .map(|group| group.iter().map(String::as_str).collect())
            .collect::<Vec<Vec<_>>>(),
        expected
    );
    // Flat or not: the same bytes are the same photo.
    library.add(&[photo("9", photos[7].content.as_ref().unwrap().look, "7")]).await;
    library.run(false).await;
    let exact =
        library.groups().await.into_iter().find(|group| names(group) == ["7", "9"]).unwrap();
    assert_eq!(exact.likeness, Likeness::Exact);
}

#[tokio::test]
async fn what_a_person_has_decided_is_left_alone() {
    let mut numbers = Numbers(9);
    let (one, two) = (numbers.look(), numbers.look());
    let copy = |numbers: &mut Numbers, of| Some(numbers.copy(of, 2, 10));
    let library = Library::new().await;
    library
        .add(&[
            photo("a1", Some(one), "a1"),
            photo("a2", copy(&mut numbers, &one), "a2"),
            photo("b1", Some(two), "b1"),
            photo("b2", copy(&mut numbers, &two), "b2"),
        ])
        .await;
    assert_eq!(library.run(false).await, (4, 2, 0, 0));
    let before = library.groups().await;
    library.decide("a1", "distinct").await;
    library.decide("b1", "duplicates").await;
    let decided = library.groups().await;
    assert_eq!(library.run(true).await, (0, 0, 0, 0));

    // A third copy of each: of a, whatever it is most alike; of b, only the one that was kept.
    library
        .add(&[
            photo("a3", copy(&mut numbers, &one), "a3"),
            photo("b3", copy(&mut numbers, &two), "b3"),
        ])
        .await;
    assert_eq!(library.run(false).await, (2, 2, 0, 0));
    let after = library.groups().await;
    let kept = |group: &&DuplicateGroup| decided.contains(group);
    assert_eq!(after.iter().filter(kept).count(), 2, "{after:?}");
    let new: Vec<_> = after.iter().filter(|group| !kept(group)).map(names).collect();
    let best =
        before.iter().find(|group| names(group) == ["b1", "b2"]).unwrap().best.file_id.clone();
    assert!(new.contains(&vec![best, "b3".to_owned()]), "{new:?}");
    assert!(new.iter().any(|group| group.len() == 2 && group[1] == "a3"), "{new:?}");

    // A decision is about the content. What is other content now is compared anew.
    library.add(&[photo("a2", Some(one), "a1")]).await;
    library.run(false).await;
    assert!(library.members().await.iter().any(|group| group.contains(&"a1".to_owned())
        && group.contains(&"a2".to_owned())
        && group.contains(&"a3".to_owned())));
}

#[tokio::test]
async fn a_group_goes_on_under_its_name_while_photos_come_and_go() {
    let mut numbers = Numbers(21);
    let look = numbers.look();
    let library = Library::new().await;
    let copies: Vec<_> = (0..4)
        .map(|at| photo(&at.to_string(), Some(numbers.copy(&look, 2, 10)), &at.to_string()))
        .collect();
    library.add(&copies[..2]).await;
    library.run(false).await;
    let first = library.groups().await.remove(0);
    assert_eq!((first.revision, first.likeness), (1, Likeness::Near));
    library.add(&copies[2..]).await;
    assert_eq!(library.run(false).await, (2, 0, 1, 0));
    let second = library.groups().await.remove(0);
    assert_eq!((second.id.as_str(), second.revision), (first.id.as_str(), 2));
    assert_eq!(second.members.len(), 4);
    assert_eq!(second.members[&second.best].distance, 0);

    // Its owner stars one of them.
    library.sql("UPDATE photos SET starred_at = 1 WHERE file_id = '3'").await;
    library.run(true).await;
    let starred = library.groups().await.remove(0);
    assert_eq!(
        (starred.best.file_id.as_str(), starred.best_reason.as_str()),
        ("3", "it is starred")
    );

    // All but one become other pictures.
    for at in 0..3 {
        let name = at.to_string();
        library.add(&[photo(&name, Some(numbers.look()), &format!("other-{at}"))]).await;
    }
    assert_eq!(library.run(false).await, (3, 0, 0, 1));
    assert_eq!(library.groups().await, []);
    let photos = library.catalogue.photos(USER, None, 100).await.unwrap();
    assert_eq!(photos.len(), 4, "no photo goes");
}

#[tokio::test]
async fn pictures_that_cannot_be_read_are_compared_byte_by_byte() {
    let library = Library::new().await;
    library
        .add(&[photo("1", None, "same"), photo("2", None, "same"), photo("3", None, "other")])
        .await;
    assert_eq!(library.run(false).await, (3, 1, 0, 0));
    let group = library.groups().await.remove(0);
    assert_eq!(
        (names(&group), group.likeness),
        (vec!["1".to_owned(), "2".to_owned()], Likeness::Exact)
    );
}
