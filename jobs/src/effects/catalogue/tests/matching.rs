//! Sessions, shows and links.

use chrono::{DateTime, TimeDelta};
use tokio::task::JoinSet;

use super::databases::Database;
use super::*;
use crate::effects::catalogue::{
    EveningMatch, FileKey, GroupedPhoto, GroupedSession, Regrouping, SessionMatch,
};
use crate::matching::{
    Basis, Candidate, Centre, City, EventNight, Fit, Moment, Placed, Reason, Show, SongSet, Source,
    Venue, event_nights,
};
use crate::pixels::Place;

on_both!(
    sixteen_matchers_make_each_venue_artist_night_and_link_once,
    sessions_are_read_as_they_were_stored,
    what_is_handed_over_is_counted,
    a_user_in_between_keeps_the_last_word,
);

const CLUB: Place = Place { lat: 38.9179, lon: -77.0237 };
/// Nights that all matchers are at, and artists of each.
const NIGHTS: usize = 5;
const ARTISTS: usize = 6;

fn key(number: u32) -> FileKey {
    FileKey { provider: Provider::Folder, file_id: photo(number).file_id }
}

fn moment() -> Moment {
    Moment {
        at: DateTime::from_timestamp_millis(NOW),
        zone: Some(chrono_tz::Tz::America__New_York),
        source: Source::PlaceZone,
        corrected: true,
        doubt: None,
        named: "2023-07-22".parse().ok(),
    }
}

fn session(id: &str, photos: std::ops::Range<u32>) -> GroupedSession {
    let photo = |number: u32| GroupedPhoto {
        key: key(number),
        axis: DateTime::from_timestamp_millis(NOW).unwrap() + TimeDelta::seconds(number.into()),
        moment: moment(),
        placed: Placed::Own,
    };
    GroupedSession {
        id: id.to_owned(),
        inputs: format!("inputs of {id}"),
        centre: Some(Centre { place: CLUB, uncertainty: 4.5 }),
        photos: photos.map(photo).collect(),
    }
}

/// Photos 0 to 5 of a user, in one session.
async fn with_session(catalogue: &Catalogue, user: i64) {
    let page = photos(0..6);
    catalogue.record_page(user, Provider::Folder, &page, "scan-1", NOW).await.unwrap();
    let seen = (0..6).map(|number| (key(number), NOW)).collect();
    let regrouping =
        Regrouping { sessions: vec![session("s", 0..6)], seen, ..Regrouping::default() };
    catalogue.regroup(user, &regrouping, NOW).await.unwrap();
}

fn night(number: usize) -> EventNight {
    let city = City { name: "Washington".into(), place: Some(CLUB), ..City::default() };
    let venue = Venue {
        id: format!("venue {number}"),
        name: format!("Club {number}"),
        city: Some(city),
        ..Venue::default()
    };
    let shows = (0..ARTISTS).map(|artist| Show {
        setlist: format!("{number} {artist}"),
        version: Some("v1".into()),
        url: format!("https://www.setlist.fm/{number}/{artist}"),
        date: "2023-07-22".parse().unwrap(),
        artist: format!("Artist {artist}"),
        // Half of them have no id.
        mbid: (artist % 2 == 0).then(|| format!("mbid {artist}")),
        sets: vec![SongSet { name: None, songs: vec!["Song".into(); artist] }],
        tour: None,
        venue: venue.clone(),
    });
    event_nights(shows).remove(0)
}

/// Linked to the first of all nights, in an order of their own.
fn matched(first: usize, reason: Reason) -> SessionMatch {
    let candidates = (0..NIGHTS).map(|number| Candidate {
        night: night((first + number) % NIGHTS),
        fit: Fit {
            score: 0.9,
            basis: Basis::Poi { osm: format!("way/{number}"), name: "Club".into() },
            place: Some(CLUB),
            metres: Some(3.0),
            ..Fit::NOTHING
        },
    });
    SessionMatch {
        session_id: "s".into(),
        inputs: "inputs of s".into(),
        evenings: vec![EveningMatch {
            evening: "2023-07-22".into(),
            reason,
            margin: 0.5,
            candidates: candidates.collect(),
            told: "[]".into(),
            said: None,
            // One is not to be linked, so that all candidates are stored.
            photos: (0..6)
                .map(|at| (key(at), if at == 5 { Reason::PlaceUnknown } else { reason }))
                .collect(),
        }],
        rechecks: 0,
        recheck_at: None,
    }
}

async fn count(catalogue: &Catalogue, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(&catalogue.primary).await.unwrap()
}

async fn sixteen_matchers_make_each_venue_artist_night_and_link_once(database: Database) {
    let catalogue = database.catalogue().await;
    for user in 0..4 {
        with_session(&catalogue, user).await;
    }
    let mut tasks = JoinSet::new();
    for matcher in 0..16_usize {
        let database = database.clone();
        tasks.spawn(async move {
            let catalogue = database.without_schema().await;
            let user = i64::try_from(matcher % 4).unwrap();
            for round in 0..8 {
                let decided = matched(matcher + round, Reason::Fits);
                let at = NOW + i64::try_from(round).unwrap();
                catalogue.record_match(user, &decided, at).await.unwrap().unwrap();
            }
        });
    }
    tasks.join_all().await;
    for (table, rows) in [
        ("venues", NIGHTS),
        ("event_nights", NIGHTS),
        ("artists", ARTISTS),
        ("setlists", NIGHTS * ARTISTS),
        ("photo_links", 4 * 5),
        ("match_evidence", 4),
    ] {
        assert_eq!(count(&catalogue, table).await, i64::try_from(rows).unwrap(), "{table}");
    }
}

async fn sessions_are_read_as_they_were_stored(database: Database) {
    let catalogue = database.catalogue().await;
    with_session(&catalogue, USER).await;
    let read = catalogue.photo_session(USER, "s").await.unwrap().unwrap();
    assert_eq!(read.centre, Some(Centre { place: CLUB, uncertainty: 4.5 }));
    assert_eq!((read.venues_known, read.matched), (false, false));
    let members = catalogue.session_members(USER, "s").await.unwrap();
    assert_eq!(members.len(), 6);
    assert_eq!((&members[0].key, &members[0].moment), (&key(0), &moment()));
    assert_eq!(members[0].placed, Placed::Own);
    assert!(catalogue.unsessioned(USER, 10).await.unwrap().is_empty());
    let around = DateTime::from_timestamp_millis(NOW).unwrap();
    let day = TimeDelta::days(1);
    let near = catalogue.sessions_between(USER, around - day, around + day).await.unwrap();
    assert_eq!(near, ["s"]);
    assert_eq!(catalogue.path(USER, around, day).await.unwrap().len(), 6);
    let beside = catalogue.located_beside(USER, around + day, around + day).await.unwrap();
    assert_eq!(beside.len(), 1);
    assert_eq!(beside[0].key, key(5), "the next one before");
    let stored = &catalogue.photos_of_sessions(USER, &["s".to_owned()]).await.unwrap()[0];
    assert_eq!(stored.shot.accuracy, Some(4.5));
    // A photo that has changed is new again, and one that has gone leaves a gap.
    let changed = ScannedFile { source_rev: "2".into(), ..photo(3) };
    record_at(&catalogue, &[changed], NOW + 5).await;
    assert_eq!(catalogue.unsessioned(USER, 10).await.unwrap().len(), 1);
    assert!(catalogue.shrunk_sessions(USER).await.unwrap().is_empty());
    let delete = "DELETE FROM photos WHERE file_id LIKE '%00001.jpg'";
    sqlx::raw_sql(delete).execute(&catalogue.primary).await.unwrap();
    assert_eq!(catalogue.shrunk_sessions(USER).await.unwrap(), ["s"]);
    let gone = Regrouping { gone: vec!["s".into()], alone: vec![key(2)], ..Regrouping::default() };
    catalogue.regroup(USER, &gone, NOW).await.unwrap();
    assert_eq!(count(&catalogue, "session_photos").await, 0);
}

async fn what_is_handed_over_is_counted(database: Database) {
    let catalogue = database.catalogue().await;
    with_session(&catalogue, USER).await;
    assert_eq!(catalogue.ask_to_match(USER, NOW).await.unwrap(), [("s".to_owned(), true)]);
    let tally = catalogue.match_tally(USER, NOW, NOW).await.unwrap();
    assert_eq!((tally.asked, tally.open, tally.later, tally.unmatched), (1, 1, 0, 0));
    catalogue.put_off(USER, "s", NOW + 10).await.unwrap();
    let tally = catalogue.match_tally(USER, NOW, NOW).await.unwrap();
    assert_eq!((tally.open, tally.later), (0, 1));
    assert!(catalogue.ask_to_match(USER, NOW + 5).await.unwrap().is_empty());
    assert_eq!(catalogue.ask_to_match(USER, NOW + 10).await.unwrap().len(), 1);
    catalogue.record_match(USER, &matched(0, Reason::Fits), NOW + 11).await.unwrap().unwrap();
    let tally = catalogue.match_tally(USER, NOW, NOW + 10).await.unwrap();
    assert_eq!((tally.asked, tally.open, tally.later), (1, 0, 0));
    assert_eq!((tally.linked, tally.unmatched, tally.new_nights), (5, 1, 1));
    assert_eq!(tally.venue.as_deref(), Some("Club 0"));
    assert_eq!(tally.artist.as_deref(), Some("Artist 5"), "of whom most is written down");
    assert!(!tally.overtaken);
    catalogue.scan_begins(USER, NOW + 20).await.unwrap();
    assert!(catalogue.match_tally(USER, NOW, NOW + 10).await.unwrap().overtaken);
    assert!(catalogue.ask_to_match(USER, NOW + 30).await.unwrap().is_empty());
    let visits = catalogue.visits(USER).await.unwrap();
    assert_eq!(visits, [("venue 0".to_owned(), 1)].into());
    assert!(catalogue.corrected_place("venue 0").await.unwrap().is_none());
    let place = "UPDATE venues SET lat = 1.5, lon = 2.5, place_source = 'user'";
    sqlx::raw_sql(place).execute(&catalogue.primary).await.unwrap();
    let place = catalogue.corrected_place("venue 0").await.unwrap();
    assert_eq!(place, Some(Place { lat: 1.5, lon: 2.5 }));
    catalogue.record_match(USER, &matched(0, Reason::Fits), NOW + 40).await.unwrap().unwrap();
    assert_eq!(catalogue.corrected_place("venue 0").await.unwrap(), place, "that stays");
}

async fn a_user_in_between_keeps_the_last_word(database: Database) {
    let catalogue = database.catalogue().await;
    with_session(&catalogue, USER).await;
    catalogue.record_match(USER, &matched(0, Reason::Fits), NOW).await.unwrap().unwrap();
    let said = "UPDATE photo_links SET decided_by = 'user', night_id = NULL \
                WHERE file_id LIKE '%00000.jpg'";
    sqlx::raw_sql(said).execute(&catalogue.primary).await.unwrap();
    for reason in [Reason::Fits, Reason::NoShow] {
        catalogue.record_match(USER, &matched(1, reason), NOW).await.unwrap().unwrap();
        let said = catalogue.said_of(USER, "s").await.unwrap();
        assert_eq!(said, [(key(0), None)].into());
    }
    assert_eq!(count(&catalogue, "photo_links").await, 1);
    let other = SessionMatch { inputs: "others".into(), ..matched(0, Reason::Fits) };
    assert_eq!(catalogue.record_match(USER, &other, NOW).await.unwrap(), None);
}
