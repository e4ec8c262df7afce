//! From photos to links.

use std::time::Duration;

use super::stage::*;
use crate::effects::Target;
use crate::job::Decision;
use crate::pixels::Place;

const DAY: Duration = Duration::from_hours(24);
/// A quarter of a mile from the club.
const ELSEWHERE: Place = Place { lat: 38.9300, lon: -77.0237 };

#[tokio::test]
async fn an_evening_is_linked_with_all_that_it_rests_on() {
    let stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    let jobs = stage.ask().await;
    assert_eq!(jobs.len(), 1);
    assert!(jobs[0].starts_with("venue:") && jobs[0].ends_with(&format!(":{NOW}")), "{jobs:?}");
    let done = stage.work().await;
    assert_eq!(done[0]["candidates"], 1);
    assert_eq!(done[1]["evenings"][0]["decision"], "auto", "{done:?}");
    let links = stage.links().await;
    assert_eq!(links.len(), 6);
    assert_eq!(links[0], "/photos/0.jpg 9:30 Club@2019-06-14 auto");
    for (sql, row) in [
        (
            "SELECT name || '|' || city || '|' || state || '|' || country || '|' || osm FROM venues",
            "9:30 Club|Washington|Washington, D.C.|United States|node/1",
        ),
        ("SELECT artist_id || '|' || name FROM artists", "mbid of The Band|The Band"),
        (
            "SELECT venue_id || '|' || local_date || '|' || festival FROM event_nights",
            "9:30 Club|2019-06-14|0",
        ),
        (
            "SELECT setlist_id || '|' || version || '|' || songs || '|' || url FROM setlists",
            "The Band 2019-06-14|v1|3|https://www.setlist.fm/The Band",
        ),
        (
            "SELECT decision || '|' || reason || '|' || photos || '|' || algorithm FROM match_evidence",
            "auto|fits|6|1",
        ),
        (
            "SELECT DISTINCT decision || '|' || reason || '|' || zone FROM session_photos",
            "auto|fits|America/New_York",
        ),
    ] {
        assert_eq!(stage.rows(sql).await, [row], "{sql}");
    }
    let told = stage.rows("SELECT candidates FROM match_evidence").await;
    assert!(told[0].contains("https://www.setlist.fm/The Band") && !told[0].contains("38.91"));
    let dropped = stage.desk.dropped.lock().unwrap().clone();
    assert_eq!(dropped, ["userId=7", "nightId=9:30 Club@2019-06-14"]);
    assert!(stage.delayed().is_empty(), "there is nothing to wait for");
}

#[tokio::test]
async fn a_scan_that_finds_nothing_new_asks_nothing() {
    let mut stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    stage.asked();
    stage.later(Duration::from_mins(1));
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    assert!(stage.ask().await.is_empty());
    assert!(stage.asked().is_empty());
}

/// A scan that is interrupted while it hands sessions over does so again.
#[tokio::test]
async fn what_is_handed_over_twice_is_the_same_jobs() {
    let stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.add(&evening(10, "2019-06-20", CLUB)).await;
    let first = stage.ask().await;
    stage.desk.jobs.lock().unwrap().clear();
    assert_eq!(stage.ask().await, first);
}

#[tokio::test]
async fn one_more_photo_matches_its_session_again_and_no_other() {
    let mut stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.add(&evening(10, "2019-06-20", CLUB)).await;
    assert_eq!(stage.ask().await.len(), 2);
    stage.work().await;
    let before = stage.rows("SELECT session_id FROM photo_sessions ORDER BY 1").await;
    stage.later(Duration::from_mins(1));
    stage.add(&[photo(9, "2019-06-14T21:50:00", Some(CLUB))]).await;
    let jobs = stage.ask().await;
    assert_eq!(jobs.len(), 1 + stage.delayed().len(), "{jobs:?}");
    stage.work().await;
    assert_eq!(stage.links().await.len(), 7);
    assert_eq!(stage.rows("SELECT session_id FROM photo_sessions ORDER BY 1").await, before);
    // The link of the others is as old as it was.
    let sql = format!("SELECT file_id FROM photo_links WHERE linked_at > {NOW}");
    assert_eq!(stage.rows(&sql).await, ["/photos/9.jpg"]);
    let began = NOW;
    let asked = stage.effects.clock.now_ms();
    let tally = stage.effects.catalogue.match_tally(USER, began, asked).await.unwrap();
    assert_eq!((tally.asked, tally.open, tally.linked), (1, 0, 1));
    assert_eq!((tally.new_nights, tally.unmatched), (0, 0));
    assert_eq!(tally.artist.as_deref(), Some("The Band"));
}

#[tokio::test]
async fn what_a_user_has_decided_is_never_overwritten() {
    let mut stage = Stage::with_a_show().await;
    stage.show(show("2019-06-14", "Black Cat", "Others", 1));
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    stage.execute("INSERT INTO venues (venue_id, name, created_at, updated_at) VALUES ('Black Cat', 'Black Cat', 1, 1)").await;
    stage.execute("INSERT INTO event_nights (night_id, venue_id, local_date, festival, created_at) VALUES ('Black Cat@2019-06-14', 'Black Cat', '2019-06-14', 0, 1)").await;
    stage.execute("UPDATE photo_links SET night_id = 'Black Cat@2019-06-14', decided_by = 'user' WHERE file_id = '/photos/0.jpg'").await;
    stage.execute("UPDATE photo_links SET night_id = NULL, decided_by = 'user' WHERE file_id = '/photos/1.jpg'").await;
    for _ in 0..2 {
        stage.later(Duration::from_mins(1));
        stage.execute("UPDATE photo_sessions SET algorithm = 0").await;
        stage.ask().await;
        stage.work().await;
        // They say two things, so the others are their owner's question.
        assert_eq!(
            stage.links().await,
            ["/photos/0.jpg Black Cat@2019-06-14 user", "/photos/1.jpg - user"]
        );
    }
    let reasons = stage.rows("SELECT DISTINCT reason FROM session_photos").await;
    assert_eq!(reasons, ["owner-disagrees"]);
    // Once they agree, the others follow.
    stage.execute("UPDATE photo_links SET night_id = 'Black Cat@2019-06-14' WHERE file_id = '/photos/1.jpg'").await;
    stage.execute("UPDATE photo_sessions SET algorithm = 0").await;
    stage.later(Duration::from_mins(1));
    stage.ask().await;
    stage.work().await;
    let links = stage.links().await;
    assert_eq!(links.len(), 6);
    assert_eq!(links[5], "/photos/5.jpg Black Cat@2019-06-14 auto");
}

#[tokio::test]
async fn an_older_algorithm_is_scored_anew() {
    let mut stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    stage.execute("UPDATE photo_sessions SET algorithm = algorithm - 1").await;
    stage.later(Duration::from_mins(1));
    assert_eq!(stage.ask().await.len(), 1);
    stage.work().await;
    assert_eq!(stage.rows("SELECT CAST(algorithm AS TEXT) FROM photo_sessions").await, ["1"]);
    stage.later(Duration::from_mins(1));
    assert!(stage.ask().await.is_empty());
}

#[tokio::test]
async fn a_link_that_does_not_hold_any_more_goes() {
    let mut stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    assert_eq!(stage.links().await.len(), 6);
    // Its owner puts them where they were.
    let moved: Vec<_> = evening(0, "2019-06-14", ELSEWHERE);
    stage.later(Duration::from_mins(1));
    stage.add(&moved).await;
    stage.ask().await;
    stage.work().await;
    assert!(stage.links().await.is_empty());
    let dropped = stage.desk.dropped.lock().unwrap().clone();
    assert_eq!(dropped.last().unwrap(), "nightId=9:30 Club@2019-06-14");
}

#[tokio::test]
async fn a_night_without_a_show_is_looked_at_again_after_1_7_and_30_days() {
    let mut stage = Stage::new().await;
    stage.poi(poi(1, "9:30 Club", CLUB));
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    assert!(stage.links().await.is_empty());
    let mut days = 0;
    for expected in [1, 7, 30] {
        let delayed = stage.delayed();
        let [(job, pause)] = delayed.as_slice() else { panic!("{delayed:?}") };
        days += pause;
        assert_eq!((days, &job.payload["reason"]), (expected, &"recheck".into()));
        stage.later(DAY * u32::try_from(*pause).unwrap());
        stage.desk.jobs.lock().unwrap().clear();
        stage.run(job).await.unwrap();
        // Delivered twice, it asks for the next one once: the id is the same.
    }
    assert!(stage.delayed().is_empty(), "there is an end to it");
}

#[tokio::test]
async fn a_recheck_finds_what_was_written_down_meanwhile_and_ends() {
    let mut stage = Stage::new().await;
    stage.poi(poi(1, "9:30 Club", CLUB));
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    let (job, _) = stage.delayed().remove(0);
    stage.desk.jobs.lock().unwrap().clear();
    // The show is there now, but nobody has written down what was played.
    stage.show(show("2019-06-14", "9:30 Club", "The Band", 0));
    stage.later(DAY);
    stage.run(&job).await.unwrap();
    assert_eq!(stage.links().await.len(), 6);
    let (job, pause) = stage.delayed().remove(0);
    assert_eq!(pause, 6);
    stage.desk.jobs.lock().unwrap().clear();
    stage.world.shows_again(vec![show("2019-06-14", "9:30 Club", "The Band", 9)]);
    stage.later(DAY * 6);
    stage.run(&job).await.unwrap();
    assert_eq!(stage.rows("SELECT CAST(songs AS TEXT) FROM setlists").await, ["9"]);
    assert!(stage.delayed().is_empty());
}

#[tokio::test]
async fn a_dinner_is_not_looked_at_again() {
    let stage = Stage::new().await;
    stage.add(&evening(0, "2019-06-14", ELSEWHERE)).await;
    stage.ask().await;
    stage.work().await;
    assert!(stage.delayed().is_empty());
}

#[tokio::test]
async fn a_session_that_changed_meanwhile_is_left_to_its_next_job() {
    let mut stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    let venue = stage.desk.jobs.lock().unwrap().pop_front().unwrap();
    stage.run(&venue).await.unwrap();
    let catalogue = &stage.effects.catalogue;
    let id = stage.rows("SELECT session_id FROM photo_sessions").await.remove(0);
    let before = catalogue.photo_session(USER, &id).await.unwrap().unwrap();
    stage.later(Duration::from_mins(1));
    stage.add(&[photo(9, "2019-06-14T21:50:00", Some(CLUB))]).await;
    stage.ask().await;
    let outdated = crate::effects::catalogue::SessionMatch {
        session_id: id,
        inputs: before.inputs,
        evenings: Vec::new(),
        rechecks: 0,
        recheck_at: None,
    };
    let recorded = stage.effects.catalogue.record_match(USER, &outdated, NOW).await.unwrap();
    assert_eq!(recorded, None);
    assert!(
        stage
            .rows("SELECT session_id FROM photo_sessions WHERE matched_at IS NOT NULL")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn two_shows_of_a_night_are_one_night_with_two_setlists() {
    let stage = Stage::with_a_show().await;
    let mut late = show("2019-06-14", "9:30 Club", "The Band", 2);
    late["id"] = "late".into();
    stage.show(late);
    stage.show(show("2019-06-14", "9:30 Club", "Opener", 1));
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    let count = |table: &str| format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}");
    for (table, rows) in [("event_nights", "1"), ("setlists", "3"), ("artists", "2")] {
        assert_eq!(stage.rows(&count(table)).await, [rows], "{table}");
    }
}

#[tokio::test]
async fn a_renamed_venue_is_one_venue_and_keeps_its_former_name() {
    let mut stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    // setlist.fm calls it otherwise now, OpenStreetMap still does not.
    let mut renamed = show("2019-07-01", "9:30 Club", "The Band", 3);
    renamed["venue"]["name"] = "Capitol Arena".into();
    let mut before = show("2019-06-14", "9:30 Club", "The Band", 3);
    before["venue"]["name"] = "Capitol Arena".into();
    stage.world.shows_again(vec![before, renamed]);
    stage.later(DAY);
    stage.add(&evening(20, "2019-07-01", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    assert_eq!(stage.links().await.len(), 6, "a name that nobody knows links nothing");
    stage
        .execute("INSERT INTO venue_names VALUES ('9:30 Club', '9:30 Club') ON CONFLICT DO NOTHING")
        .await;
    stage.execute("UPDATE photo_sessions SET algorithm = 0").await;
    stage.later(DAY);
    stage.ask().await;
    stage.work().await;
    assert_eq!(stage.links().await.len(), 12);
    assert_eq!(stage.rows("SELECT name FROM venues").await, ["Capitol Arena"]);
    assert_eq!(stage.rows("SELECT name FROM venue_names").await, ["9:30 Club"]);
}

#[tokio::test]
async fn a_users_own_name_of_a_venue_counts() {
    let mut stage = Stage::new().await;
    stage.poi(poi(1, "The Old Barn", CLUB));
    stage.show(show("2019-06-14", "9:30 Club", "The Band", 3));
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    stage.work().await;
    assert!(stage.links().await.is_empty());
    stage.execute("INSERT INTO venues (venue_id, name, created_at, updated_at) VALUES ('9:30 Club', '9:30 Club', 1, 1) ON CONFLICT DO NOTHING").await;
    stage.execute("INSERT INTO venue_aliases VALUES (7, '9:30 Club', 'Old Barn')").await;
    let session = stage.rows("SELECT session_id FROM photo_sessions").await.remove(0);
    stage.later(DAY);
    let id = "by hand".to_owned();
    let job = super::super::match_concert::job(
        USER,
        &session,
        super::super::match_concert::Reason::Alias,
        id,
        None,
    );
    stage.run(&job).await.unwrap();
    assert_eq!(stage.links().await.len(), 6);
}

#[tokio::test]
async fn photos_without_a_place_are_matched_where_their_owner_was() {
    let stage = Stage::with_a_show().await;
    stage.add(&[photo(50, "2019-06-13T12:00:00", Some(CLUB))]).await;
    let nowhere: Vec<_> = (0..6)
        .map(|number| photo(number, &format!("2019-06-14T21:{:02}:00", 5 * number), None))
        .collect();
    stage.add(&nowhere).await;
    stage.ask().await;
    stage.work().await;
    assert!(stage.links().await.is_empty(), "nothing but the city speaks for it");
    let asked = "SELECT decision || ' ' || reason FROM match_evidence WHERE decision = 'review'";
    assert_eq!(stage.rows(asked).await, ["review place-unknown"]);
    // What its owner is asked about is there to be chosen.
    assert_eq!(stage.rows("SELECT night_id FROM event_nights").await, ["9:30 Club@2019-06-14"]);
}

/// Two photos of one night made two concerts, because both found none and made one.
#[tokio::test]
async fn whoever_matches_first_a_night_is_one_night() {
    let stage = Stage::with_a_show().await;
    for user in [USER, 8, 9] {
        stage.add_for(user, &evening(0, "2019-06-14", CLUB)).await;
        stage.ask_for(user).await;
    }
    stage.work().await;
    assert_eq!(stage.links().await.len(), 18);
    assert_eq!(stage.rows("SELECT night_id FROM event_nights").await.len(), 1);
    assert_eq!(stage.rows("SELECT venue_id FROM venues").await.len(), 1);
}

/// Rows of venues were made with the position of a photo.
#[tokio::test]
async fn a_venue_is_never_where_a_photo_was() {
    let stage = Stage::with_a_show().await;
    let outside = Place { lat: CLUB.lat + 0.0005, ..CLUB };
    stage.add(&evening(0, "2019-06-14", outside)).await;
    stage.ask().await;
    stage.work().await;
    assert_eq!(stage.links().await.len(), 6);
    let place =
        "SELECT CAST(lat AS TEXT) || ' ' || CAST(lon AS TEXT) || ' ' || place_source FROM venues";
    assert_eq!(stage.rows(place).await, ["38.9179 -77.0237 osm"]);
}

/// Deleting all data of one user deleted the venues, artists and songs of all users.
#[tokio::test]
async fn what_users_share_stays_when_one_of_them_goes() {
    let stage = Stage::with_a_show().await;
    for user in [USER, 8] {
        stage.add_for(user, &evening(0, "2019-06-14", CLUB)).await;
        stage.ask_for(user).await;
    }
    stage.work().await;
    stage.execute("DELETE FROM users WHERE user_id = 7").await;
    for (table, rows) in [
        ("venues", 1),
        ("artists", 1),
        ("event_nights", 1),
        ("setlists", 1),
        ("photo_links", 6),
        ("photo_sessions", 1),
        ("session_photos", 6),
        ("session_venues", 1),
        ("match_evidence", 1),
    ] {
        let left = stage.rows(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}")).await;
        assert_eq!(left, [rows.to_string()], "{table}");
    }
}

/// Whoever tried again was linked by the city alone: the distance was checked on the first way only.
#[tokio::test]
async fn every_reason_goes_the_same_way() {
    let mut stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", ELSEWHERE)).await;
    stage.ask().await;
    stage.work().await;
    let session = stage.rows("SELECT session_id FROM photo_sessions").await.remove(0);
    for reason in ["retry", "alias", "newSetlist", "recheck"] {
        stage.later(Duration::from_mins(1));
        let mut job = super::super::match_concert::job(
            USER,
            &session,
            super::super::match_concert::Reason::Retry,
            reason.to_owned(),
            None,
        );
        job.payload["reason"] = reason.into();
        let done = stage.run(&job).await.unwrap();
        assert_eq!(done["outcome"], "matched", "{reason}");
        assert_ne!(done["evenings"][0]["decision"], "auto", "{reason}");
        assert!(stage.links().await.is_empty(), "{reason}");
    }
}

/// Errors were taken for answers: what could not be checked was linked to the nearest venue.
#[tokio::test]
async fn a_look_up_without_an_answer_links_nothing_and_says_nothing() {
    let stage = Stage::with_a_show().await;
    stage.add(&evening(0, "2019-06-14", CLUB)).await;
    stage.ask().await;
    let venue = stage.desk.jobs.lock().unwrap().pop_front().unwrap();
    stage.run(&venue).await.unwrap();
    let job = stage.desk.jobs.lock().unwrap().pop_front().unwrap();
    stage.trouble(Some((Target::SetlistFm, Trouble::Status(403, "{}"))));
    let error = stage.run(&job).await.unwrap_err();
    assert_eq!(error.decision(), Decision::Postpone { after: Duration::from_hours(1) });
    assert!(stage.links().await.is_empty());
    assert!(stage.rows("SELECT evening FROM match_evidence").await.is_empty());
    // A scan does not wait for it, and the next one does not ask again before its time.
    let tally = stage.effects.catalogue.match_tally(USER, NOW, NOW).await.unwrap();
    assert_eq!((tally.asked, tally.open, tally.later, tally.unmatched), (1, 0, 1, 0));
    assert!(stage.ask().await.is_empty());
    stage.trouble(None);
    stage.run(&job).await.unwrap();
    assert_eq!(stage.links().await.len(), 6);
}
