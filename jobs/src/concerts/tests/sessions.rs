//! Sessions, kept up to date.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, TimeDelta};

use super::super::sessions::regroup;
use super::stage::*;
use crate::effects::catalogue::{ScannedFile, Verdict};
use crate::pixels::Place;

/// The groups that photos are in.
async fn groups(stage: &Stage, user: i64) -> BTreeSet<BTreeSet<String>> {
    let sql = format!(
        "SELECT session_id || ' ' || file_id || ' ' || placed || ' ' || COALESCE(zone, '') FROM session_photos WHERE user_id = {user}"
    );
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in stage.rows(&sql).await {
        let (session, photo) = row.split_once(' ').unwrap();
        groups.entry(session.to_owned()).or_default().insert(photo.to_owned());
    }
    groups.into_values().collect()
}

/// The same numbers each time (Marsaglia, "Xorshift RNGs", 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % most
    }
}

/// A photo of some weeks: by two cameras, at three places, many without a place, a zone or a time.
fn any_photo(number: u32, numbers: &mut Numbers) -> ScannedFile {
    let first: NaiveDateTime = "2019-06-01T00:00:00".parse().unwrap();
    let minutes = numbers.below(28) * 1_440 + 1_200 + numbers.below(400);
    let taken = first + TimeDelta::minutes(i64::try_from(minutes).unwrap());
    let place = match numbers.below(5) {
        0 => Some(CLUB),
        1 => Some(CITY),
        2 => Some(Place { lat: 47.6, lon: -122.3 }),
        _ => None,
    };
    let mut file = photo(number, &taken.format("%Y-%m-%dT%H:%M:%S").to_string(), place);
    let Verdict::Clean(facts) = &mut file.verdict else { unreachable!() };
    if numbers.below(2) == 0 {
        facts.camera_model = Some("Camera".to_owned());
    }
    match numbers.below(6) {
        0 | 1 => {
            facts.taken_offset_minutes = None;
            facts.taken_at = None;
        }
        2 => {
            facts.taken_local = None;
            facts.taken_offset_minutes = None;
            facts.taken_at = None;
            if number.is_multiple_of(2) {
                file.name = format!("IMG-201906{:02}-WA{number:04}.jpg", 1 + numbers.below(28));
            }
        }
        _ => {}
    }
    file
}

#[tokio::test]
async fn a_few_at_a_time_make_the_same_sessions_as_all_at_once() {
    for seed in 1..=6 {
        let mut numbers = Numbers(seed * 0x9E37_79B9);
        let photos: Vec<ScannedFile> =
            (0..160).map(|number| any_photo(number, &mut numbers)).collect();
        let stage = Stage::new().await;
        stage.add_for(1, &photos).await;
        regroup(&stage.effects.catalogue, 1, NOW).await.unwrap();
        let mut rest = photos.as_slice();
        while !rest.is_empty() {
            let some = usize::try_from(1 + numbers.below(40)).unwrap().min(rest.len());
            let (now, later) = rest.split_at(some);
            stage.add_for(2, now).await;
            regroup(&stage.effects.catalogue, 2, NOW).await.unwrap();
            rest = later;
        }
        let (at_once, bit_by_bit) = (groups(&stage, 1).await, groups(&stage, 2).await);
        // Zones of photos without a place may come from farther away when all are there.
        let members = |groups: &BTreeSet<BTreeSet<String>>| -> BTreeSet<BTreeSet<String>> {
            let plain = |photo: &String| photo.split(' ').next().unwrap().to_owned();
            groups.iter().map(|group| group.iter().map(plain).collect()).collect()
        };
        let (one, other) = (members(&at_once), members(&bit_by_bit));
        let differ = one.symmetric_difference(&other).count();
        assert!(differ * 20 <= one.len(), "seed {seed}: {differ} of {}", one.len());
    }
}

#[tokio::test]
async fn removed_photos_leave_their_session() {
    let stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.add(&evening(10, "2019-07-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    let before = stage.rows("SELECT session_id FROM photo_sessions").await;
    stage.execute("DELETE FROM photos WHERE file_id IN ('/photos/0.jpg', '/photos/1.jpg')").await;
    stage.execute("DELETE FROM photos WHERE file_id LIKE '/photos/1_.jpg'").await;
    stage.desk.jobs.lock().unwrap().clear();
    let jobs = stage.ask().await;
    assert_eq!(jobs.len(), 1, "what has lost some is asked about again, what has lost all is gone");
    let after = stage.rows("SELECT session_id FROM photo_sessions").await;
    assert!(after.len() == 1 && before.contains(&after[0]));
    assert_eq!(stage.rows("SELECT CAST(photos AS TEXT) FROM photo_sessions").await, ["4"]);
}

#[tokio::test]
async fn a_photo_whose_time_is_lost_is_in_no_session() {
    let stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    assert_eq!(stage.links().await.len(), 6);
    let mut timeless = photo(0, "2019-06-14T21:00:00", Some(CLUB));
    let Verdict::Clean(facts) = &mut timeless.verdict else { unreachable!() };
    (facts.taken_local, facts.taken_offset_minutes, facts.taken_at) = (None, None, None);
    stage.add(&[timeless]).await;
    regroup(&stage.effects.catalogue, USER, NOW).await.unwrap();
    let rows = stage.rows("SELECT file_id FROM session_photos ORDER BY 1").await;
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0], "/photos/1.jpg");
    assert_eq!(stage.links().await.len(), 5, "nor is it of a night");
    assert!(stage.effects.catalogue.unsessioned(USER, 10).await.unwrap().is_empty());
}
