//! Whole evenings, from photos to decisions. Where a case comes from a bug of the application that
//! Roadie serves, its test tells what went wrong there.

mod instants;
mod world;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use self::world::World;
use super::decide::Reason;
use super::names::Name;
use super::show::event_nights;
use super::zones::instant_of;
use super::*;
use crate::job::JobError;
use crate::pixels::Place;

const SEATTLE: Place = Place { lat: 47.6062, lon: -122.3321 };
const SHOWBOX: Place = Place { lat: 47.6085, lon: -122.3394 };
const THEATRE: [(&str, &str); 1] = [("amenity", "theatre")];
const NIGHT: &str = "2019-06-14";

fn local(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    local("2026-01-01T00:00:00").and_utc()
}

/// So many metres to the north.
fn north(place: Place, metres: f64) -> Place {
    Place { lat: place.lat + metres / 111_195.0, ..place }
}

/// Five photos from then on, ten minutes apart, by a phone that notes the time only.
fn evening(place: Place, from: &str) -> Vec<Shot> {
    let shot = |number: i64| Shot {
        key: format!("{from} {number}"),
        camera: Some("phone".to_owned()),
        local: Some(local(from) + TimeDelta::minutes(10 * number)),
        place: Some(place),
        ..Shot::default()
    };
    (0..5).map(shot).collect()
}

fn wait<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

/// What becomes of each photo: decision, reason, and the likeliest night.
fn matched_for(
    owner: &Owner,
    shots: &[Shot],
    world: &World,
) -> Result<Vec<(Decision, Reason, String)>, JobError> {
    let moments = moments(shots, now());
    let sessions = sessions(shots, &moments);
    let owner = Owner { path: Owner::path(shots, &moments), ..owner.clone() };
    let mut found = vec![(Decision::None, Reason::NoShow, String::new()); shots.len()];
    for session in &sessions {
        for matched in wait(match_session(session, &moments, &owner, world))? {
            let first = matched.verdict.candidates.first();
            let night =
                first.map(|first| format!("{} {}", first.night.date, first.night.venue.name));
            for member in matched.members {
                let (shot, placed) = session.members[member];
                let reason = matched.verdict.of_photo(moments[shot].as_ref().unwrap(), placed);
                found[shot] = (reason.decision(), reason, night.clone().unwrap_or_default());
            }
        }
    }
    Ok(found)
}

/// What becomes of an evening, all of whose photos share it.
fn matched(shots: &[Shot], world: &World) -> (Decision, Reason, String) {
    let found = matched_for(&Owner::default(), shots, world).unwrap();
    assert!(found.iter().all(|each| *each == found[0]), "{found:?}");
    found[0].clone()
}

fn linked(night: &str) -> (Decision, Reason, String) {
    (Decision::Auto, Reason::Fits, night.to_owned())
}

fn review(reason: Reason, night: &str) -> (Decision, Reason, String) {
    (Decision::Review, reason, night.to_owned())
}

fn showbox() -> World {
    World::default().poi("The Showbox", SHOWBOX, &[("amenity", "music_venue")]).show(
        NIGHT,
        "The Showbox",
        "Seattle",
        SEATTLE,
    )
}

#[test]
fn an_evening_at_a_venue_with_a_show_is_linked() {
    assert_eq!(
        matched(&evening(SHOWBOX, "2019-06-14T20:30:00"), &showbox()),
        linked("2019-06-14 The Showbox")
    );
}

/// Local hours were mixed with dates in UTC: the photos of an evening, early on the next day in UTC, were
/// linked to the show of the next day.
#[test]
fn an_evening_in_tacoma_is_not_the_next_day() {
    let tacoma = Place { lat: 47.2529, lon: -122.4443 };
    let world = World::default()
        .poi("Tacoma Dome", tacoma, &[("leisure", "stadium")])
        .show(NIGHT, "Tacoma Dome", "Tacoma", tacoma)
        .show("2019-06-15", "Tacoma Dome", "Tacoma", tacoma);
    // 21:25 in Tacoma is 04:25 in UTC.
    let utc = Shot {
        key: "1".to_owned(),
        exported_at: Some(local("2019-06-15T04:25:00").and_utc()),
        place: Some(tacoma),
        ..Shot::default()
    };
    assert_eq!(matched(&[utc], &world), linked("2019-06-14 Tacoma Dome"));
    assert_eq!(
        matched(&evening(tacoma, "2019-06-15T00:10:00"), &world),
        linked("2019-06-14 Tacoma Dome")
    );
    assert_eq!(
        matched(&evening(tacoma, "2019-06-15T20:10:00"), &world),
        linked("2019-06-15 Tacoma Dome")
    );
}

/// Errors "failed open": a search that timed out linked to whatever was nearest.
#[test]
fn a_look_up_that_failed_decides_nothing() {
    let world = showbox().broken();
    let without_place = Shot { place: None, ..evening(SHOWBOX, "2019-06-14T20:30:00").remove(0) };
    let located = evening(SHOWBOX, "2019-06-14T20:30:00");
    assert!(matched_for(&Owner::default(), &located, &world).is_err());
    let both = [vec![without_place], evening(SHOWBOX, "2019-06-10T12:00:00")].concat();
    assert!(matched_for(&Owner::default(), &both, &world).is_err());
}

/// Cities were compared by name: `Paradise` is not `Las Vegas`, and `King County` not `Seattle`.
#[test]
fn neighbouring_cities_are_one_region() {
    let sphere = Place { lat: 36.1208, lon: -115.1620 };
    let las_vegas = Place { lat: 36.1750, lon: -115.1372 };
    let world = World::default().poi("Sphere", sphere, &[("amenity", "theatre")]).shows_of(
        "2024-04-20",
        "Sphere",
        "Las Vegas",
        las_vegas,
        &["Phish"],
    );
    assert_eq!(
        matched(&evening(sphere, "2024-04-20T20:30:00"), &world),
        linked("2024-04-20 Sphere")
    );
}

/// A venue that was renamed was never found by its name.
#[test]
fn a_renamed_venue_is_found_by_its_coordinates_or_its_alias() {
    let stadium = Place { lat: -33.9035, lon: 18.4111 };
    let cape_town = Place { lat: -33.9258, lon: 18.4232 };
    let world = || {
        World::default().poi("Cape Town Stadium", stadium, &[("leisure", "stadium")]).show(
            NIGHT,
            "DHL Stadium",
            "Cape Town",
            cape_town,
        )
    };
    let photos = evening(stadium, "2019-06-14T20:30:00");
    assert_ne!(matched(&photos, &world()).0, Decision::Auto);
    assert_eq!(
        matched(&photos, &world().known("DHL Stadium", stadium)),
        linked("2019-06-14 DHL Stadium")
    );
    let aliases = HashMap::from([("DHL Stadium".to_owned(), vec![Name::new("Cape Town Stadium")])]);
    let owner = Owner { aliases, ..Owner::default() };
    let found = matched_for(&owner, &photos, &world()).unwrap();
    assert_eq!(found[0], linked("2019-06-14 DHL Stadium"));
    let before = World::default()
        .poi(
            "Cape Town Stadium",
            stadium,
            &[("leisure", "stadium"), ("old_name", "Green Point;DHL Stadium")],
        )
        .show(NIGHT, "DHL Stadium", "Cape Town", cape_town);
    assert_eq!(matched(&photos, &before), linked("2019-06-14 DHL Stadium"));
}

/// The venue of the photos was a lounge, a show in the city was at another lounge, and that was a link.
#[test]
fn a_word_in_common_links_nothing() {
    let lounge = Place { lat: 37.7711, lon: -122.4127 };
    let city = Place { lat: 37.7749, lon: -122.4194 };
    let world = World::default().poi("DNA Lounge", lounge, &[("amenity", "nightclub")]).show(
        NIGHT,
        "Mann Center Lounge",
        "San Francisco",
        city,
    );
    assert_ne!(matched(&evening(lounge, "2019-06-14T20:30:00"), &world).0, Decision::Auto);
}

/// Venues that users reported as not found.
#[test]
fn names_that_users_reported_are_recognised() {
    let cases = [
        ("(William Randolph Hearst) Greek Theatre", "Greek Theatre", "Berkeley"),
        ("Chateau Ste Michelle", "Chateau Ste. Michelle Winery", "Woodinville"),
        ("Showbox at the Market", "The Showbox", "Seattle"),
    ];
    for (here, there, city) in cases {
        let world = World::default().poi(here, SHOWBOX, &THEATRE).show(NIGHT, there, city, SEATTLE);
        let night = format!("{NIGHT} {there}");
        assert_eq!(matched(&evening(SHOWBOX, "2019-06-14T20:30:00"), &world), linked(&night));
    }
    // A hall of a larger site: by its name alone that is a question.
    let part = || {
        World::default().poi("TD Pavilion at the Mann", SHOWBOX, &THEATRE).show(
            NIGHT,
            "Mann Center",
            "Philadelphia",
            SEATTLE,
        )
    };
    let photos = evening(SHOWBOX, "2019-06-14T20:30:00");
    assert_eq!(matched(&photos, &part()), review(Reason::Weak, "2019-06-14 Mann Center"));
    assert_eq!(
        matched(&photos, &part().known("Mann Center", SHOWBOX)),
        linked("2019-06-14 Mann Center")
    );
}

/// setlist.fm's coordinates of a city were taken for the venue's: the Gorge is far from its city's centre.
#[test]
fn a_venue_far_from_its_city_is_found_by_its_coordinates() {
    let gorge = Place { lat: 47.1016, lon: -119.9946 };
    let centre = Place { lat: 47.0790, lon: -119.7560 };
    let world = || {
        World::default().poi("Gorge Amphitheatre", gorge, &[("theatre:type", "amphi")]).show(
            NIGHT,
            "Gorge Amphitheatre",
            "George",
            centre,
        )
    };
    let photos = evening(gorge, "2019-06-14T20:30:00");
    assert_eq!(
        matched(&photos, &world()),
        review(Reason::CityTooFar, "2019-06-14 Gorge Amphitheatre")
    );
    assert_eq!(
        matched(&photos, &world().known("Gorge Amphitheatre", gorge)),
        linked("2019-06-14 Gorge Amphitheatre")
    );
}

/// Of the venues within 600 m the first row was taken, not the nearest.
#[test]
fn of_two_venues_with_a_show_the_nearer_one_is_linked() {
    let world = World::default()
        .poi("Moore Theatre", north(SHOWBOX, 400.0), &THEATRE)
        .poi("The Showbox", SHOWBOX, &THEATRE)
        .show(NIGHT, "Moore Theatre", "Seattle", SEATTLE)
        .show(NIGHT, "The Showbox", "Seattle", SEATTLE);
    assert_eq!(
        matched(&evening(SHOWBOX, "2019-06-14T20:30:00"), &world),
        linked("2019-06-14 The Showbox")
    );
    // Between two that are next door to each other, nobody can tell.
    let next_door = World::default()
        .poi("Moore Theatre", north(SHOWBOX, 90.0), &THEATRE)
        .poi("The Showbox", SHOWBOX, &THEATRE)
        .show(NIGHT, "Moore Theatre", "Seattle", SEATTLE)
        .show(NIGHT, "The Showbox", "Seattle", SEATTLE);
    let photos = evening(north(SHOWBOX, 30.0), "2019-06-14T20:30:00");
    assert_eq!(matched(&photos, &next_door), review(Reason::TwoVenues, "2019-06-14 The Showbox"));
}

/// The check whether photos are near the venue was forgotten when a match was tried again.
#[test]
fn matching_again_decides_the_same_wherever_the_photos_are() {
    let far = evening(north(SHOWBOX, 3_000.0), "2019-06-14T19:00:00");
    let shots = [evening(SHOWBOX, "2019-06-14T20:30:00"), far].concat();
    let world = showbox();
    let first = matched_for(&Owner::default(), &shots, &world).unwrap();
    assert_eq!(first[0].0, Decision::Auto);
    assert_ne!(first[5].0, Decision::Auto);
    assert_eq!(matched_for(&Owner::default(), &shots, &world).unwrap(), first);
}

#[test]
fn a_venue_that_is_known_to_be_elsewhere_is_not_here() {
    let world = showbox().known("The Showbox", north(SHOWBOX, 4_000.0));
    let photos = evening(SHOWBOX, "2019-06-14T20:30:00");
    assert_eq!(matched(&photos, &world), review(Reason::NameElsewhere, "2019-06-14 The Showbox"));
    // It moved: it has been at both places.
    assert_eq!(
        matched(&photos, &world.known("The Showbox", SHOWBOX)),
        linked("2019-06-14 The Showbox")
    );
}

#[test]
fn noon_at_the_venue_is_not_its_concert() {
    let photos = evening(SHOWBOX, "2019-06-14T11:30:00");
    assert_eq!(matched(&photos, &showbox()), review(Reason::Weak, "2019-06-14 The Showbox"));
    // But it is the beginning of a festival.
    let artists = ["a", "b", "c", "d", "e"];
    let festival = World::default()
        .poi("Seattle Center", SHOWBOX, &[("leisure", "stadium")])
        .shows_of(NIGHT, "Seattle Center", "Seattle", SEATTLE, &artists);
    assert_eq!(matched(&photos, &festival), linked("2019-06-14 Seattle Center"));
}

#[test]
fn a_night_without_a_show_links_nothing() {
    let other_day = evening(SHOWBOX, "2019-06-20T20:30:00");
    assert_eq!(matched(&other_day, &showbox()), (Decision::None, Reason::NoShow, String::new()));
}

#[test]
fn a_nearer_venue_whose_shows_nobody_knows_makes_it_a_question() {
    let world = World::default()
        .poi("The Vault", SHOWBOX, &[("amenity", "music_venue")])
        .poi("The Showbox", north(SHOWBOX, 70.0), &THEATRE)
        .show(NIGHT, "The Showbox", "Seattle", SEATTLE);
    let photos = evening(SHOWBOX, "2019-06-14T20:30:00");
    assert_eq!(matched(&photos, &world), review(Reason::NearerVenue, "2019-06-14 The Showbox"));
}

#[test]
fn places_of_one_name_are_a_question() {
    let world = showbox().poi("Showbox", north(SHOWBOX, 200.0), &THEATRE);
    let photos = evening(SHOWBOX, "2019-06-14T20:30:00");
    assert_eq!(matched(&photos, &world), review(Reason::Namesakes, "2019-06-14 The Showbox"));
}

#[test]
fn an_uncertain_position_links_nothing_alone() {
    let weak = |accuracy| Shot {
        accuracy: Some(accuracy),
        ..evening(SHOWBOX, "2019-06-14T20:30:00").remove(0)
    };
    assert_eq!(matched(&[weak(20.0)], &showbox()), linked("2019-06-14 The Showbox"));
    assert_eq!(matched(&[weak(400.0)], &showbox()), review(Reason::Weak, "2019-06-14 The Showbox"));
}

#[test]
fn photos_without_a_position_are_of_where_their_camera_was() {
    let mut shots = evening(SHOWBOX, "2019-06-14T20:30:00");
    shots[1].place = None;
    shots[4].place = None;
    assert_eq!(matched(&shots, &showbox()), linked("2019-06-14 The Showbox"));
    // Another camera may have been elsewhere.
    shots[4].camera = Some("camera".to_owned());
    let found = matched_for(&Owner::default(), &shots, &showbox()).unwrap();
    assert_eq!(found[1].0, Decision::Auto);
    assert_eq!(found[4], review(Reason::PlaceUnknown, "2019-06-14 The Showbox"));
}

#[test]
fn photos_without_any_place_are_asked_about_where_their_owner_was() {
    let home = evening(SEATTLE, "2019-06-13T12:00:00");
    let message =
        Shot { key: "m".to_owned(), name: "IMG-20190614-WA0007.jpg".to_owned(), ..Shot::default() };
    let away = Place { lat: 40.7128, lon: -74.0060 };
    let world = showbox().show(NIGHT, "Bowery Ballroom", "New York", away);
    let shots = [vec![message.clone()], home].concat();
    let found = matched_for(&Owner::default(), &shots, &world).unwrap();
    assert_eq!(found[0], review(Reason::PlaceUnknown, "2019-06-14 The Showbox"));
    assert_eq!(matched(&[message], &world), (Decision::None, Reason::NoShow, String::new()));
}

#[test]
fn a_date_in_doubt_is_a_question() {
    let mut shots = evening(SHOWBOX, "2016-06-14T20:30:00");
    for shot in &mut shots {
        shot.name = "IMG_20190614_203000.jpg".to_owned();
    }
    assert_eq!(matched(&shots, &showbox()), review(Reason::DateInDoubt, "2019-06-14 The Showbox"));
}

#[test]
fn a_clock_that_was_left_at_home_is_corrected() {
    let mut shots = evening(SHOWBOX, "2019-06-14T20:30:00");
    for shot in &mut shots {
        let at = instant_of(shot.local.unwrap(), "America/Los_Angeles".parse().unwrap());
        // Nine hours ahead: by its clock, it was the morning after.
        *shot = Shot {
            gps_at: at,
            local: shot.local.map(|local| local + TimeDelta::hours(9)),
            ..shot.clone()
        };
    }
    assert_eq!(matched(&shots, &showbox()), linked("2019-06-14 The Showbox"));
}

#[test]
fn two_shows_of_a_night_are_one_night() {
    let world = World::default().poi("The Showbox", SHOWBOX, &THEATRE).shows_of(
        NIGHT,
        "The Showbox",
        "Seattle",
        SEATTLE,
        &["X", "X"],
    );
    assert_eq!(
        matched(&evening(SHOWBOX, "2019-06-14T20:30:00"), &world),
        linked("2019-06-14 The Showbox")
    );
    let nights = event_nights(world.shows);
    assert!(nights.len() == 1 && nights[0].two_shows() && nights[0].acts() == 1);
}

#[test]
fn two_nights_of_one_act_are_two_nights() {
    let world = showbox().show("2019-06-15", "The Showbox", "Seattle", SEATTLE);
    let photos =
        [evening(SHOWBOX, "2019-06-14T23:40:00"), evening(SHOWBOX, "2019-06-15T21:00:00")].concat();
    let found = matched_for(&Owner::default(), &photos, &world).unwrap();
    assert!(found[..5].iter().all(|each| *each == linked("2019-06-14 The Showbox")), "{found:?}");
    assert!(found[5..].iter().all(|each| *each == linked("2019-06-15 The Showbox")), "{found:?}");
}

#[test]
fn in_a_city_with_shows_only_a_handful_of_photos_in_the_evening_is_asked_about() {
    let world = World::default().show(NIGHT, "The Annex", "Seattle", SEATTLE);
    let photos = evening(SHOWBOX, "2019-06-14T20:30:00");
    assert_eq!(matched(&photos, &world), review(Reason::CityOnly, "2019-06-14 The Annex"));
    assert_eq!(matched(&photos[..2], &world).0, Decision::None);
    assert_eq!(matched(&evening(SHOWBOX, "2019-06-14T12:30:00"), &world).0, Decision::None);
}
