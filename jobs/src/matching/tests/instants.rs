//! When photos were taken.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::super::instant::{Doubt, Moment, Source, moments};
use super::super::shot::Shot;
use crate::pixels::Place;

const NEW_YORK: Place = Place { lat: 38.9179, lon: -77.0237 };

fn local(text: &str) -> NaiveDateTime {
    text.parse().unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    local(text).and_utc()
}

fn shot() -> Shot {
    Shot { key: "1".to_owned(), camera: Some("Canon G7".to_owned()), ..Shot::default() }
}

fn alone(shot: Shot) -> Option<Moment> {
    moments(&[shot], utc("2026-01-01T00:00:00")).pop().unwrap()
}

/// What was taken at half past nine in the evening of 14 June 2019 in Washington.
#[test]
fn each_source_tells_the_same_evening() {
    let evening = Some(local("2019-06-14T21:30:00"));
    let place = Some(NEW_YORK);
    let at = Some(utc("2019-06-15T01:30:00"));
    let cases = [
        (Shot { local: evening, offset_minutes: Some(-240), ..shot() }, Source::Offset),
        (Shot { local: evening, place, gps_at: at, ..shot() }, Source::Gps),
        (Shot { place, exported_at: at, ..shot() }, Source::Takeout),
        (Shot { local: evening, place, ..shot() }, Source::PlaceZone),
    ];
    for (shot, source) in cases {
        let moment = alone(shot).unwrap();
        assert_eq!((moment.sure(), moment.source, moment.corrected), (at, source, false));
    }
}

#[test]
fn the_time_of_the_position_corrects_a_clock() {
    let at = Some(utc("2019-06-15T01:30:00"));
    let clock = |text: &str| {
        alone(Shot { local: Some(local(text)), place: Some(NEW_YORK), gps_at: at, ..shot() })
            .unwrap()
    };
    // Still winter time, and the zone of home.
    for wrong in ["2019-06-14T20:30:00", "2019-06-14T18:30:00", "2019-06-15T03:30:00"] {
        let moment = clock(wrong);
        assert_eq!((moment.sure(), moment.corrected), (at, true), "{wrong}");
    }
    // A wrong year is a doubt, whichever of the two is wrong.
    assert_eq!(clock("2016-06-14T21:30:00").doubt, Some(Doubt::GpsDisagrees));
}

#[test]
fn takeout_that_took_the_clock_for_utc_is_not_asked() {
    let evening = local("2019-06-14T21:30:00");
    let moment = alone(Shot {
        local: Some(evening),
        exported_at: Some(evening.and_utc()),
        place: Some(NEW_YORK),
        ..shot()
    });
    assert_eq!(moment.unwrap().sure(), Some(utc("2019-06-15T01:30:00")));
}

#[test]
fn a_camera_is_as_wrong_as_shortly_before() {
    let place = Some(NEW_YORK);
    // The clock is three hours behind; one photo knows it.
    let known = Shot {
        local: Some(local("2019-06-14T18:30:00")),
        gps_at: Some(utc("2019-06-15T01:30:00")),
        place,
        ..shot()
    };
    let near = Shot { local: Some(local("2019-06-14T19:00:00")), place, ..shot() };
    let later = Shot { local: Some(local("2019-06-14T23:00:00")), place, ..shot() };
    let other = Shot { camera: Some("iPhone".to_owned()), ..near.clone() };
    let found = moments(&[known, near, later, other], utc("2026-01-01T00:00:00"));
    let found: Vec<_> =
        found.into_iter().flatten().map(|moment| (moment.source, moment.at.unwrap())).collect();
    assert_eq!(found[1], (Source::SameCamera, utc("2019-06-15T02:00:00")));
    assert_eq!(found[2], (Source::PlaceZone, utc("2019-06-15T03:00:00")));
    assert_eq!(found[3], (Source::PlaceZone, utc("2019-06-14T23:00:00")));
}

#[test]
fn without_a_position_the_owners_zone_is_read() {
    let at_home =
        Shot { local: Some(local("2019-06-14T12:00:00")), place: Some(NEW_YORK), ..shot() };
    let without = Shot { local: Some(local("2019-06-14T21:30:00")), camera: None, ..shot() };
    let found = moments(&[at_home, without.clone()], utc("2026-01-01T00:00:00"));
    let found = found[1].as_ref().unwrap();
    assert_eq!((found.source, found.at), (Source::OwnersZone, Some(utc("2019-06-15T01:30:00"))));
    assert_eq!(alone(without).unwrap().source, Source::Clock);
}

#[test]
fn nonsense_is_no_time() {
    let cases = [
        "1969-12-31T23:59:59",
        "1970-01-01T00:00:00",
        "1970-01-01T07:12:00",
        "1980-01-01T00:03:00",
        "2000-01-01T00:00:00",
        "1904-01-01T00:00:00",
        "2027-06-01T20:00:00",
        "1826-01-01T20:00:00",
    ];
    for nonsense in &cases[1..] {
        let shot = Shot { local: Some(local(nonsense)), place: Some(NEW_YORK), ..shot() };
        assert_eq!(alone(shot), None, "{nonsense}");
    }
    // With another witness, that one is believed.
    let exported_at = Some(utc("2019-06-15T01:30:00"));
    let shot = Shot { local: Some(local(cases[1])), place: Some(NEW_YORK), exported_at, ..shot() };
    assert_eq!(alone(shot).unwrap().sure(), exported_at);
}

#[test]
fn the_upload_is_never_when_a_photo_was_taken() {
    let uploaded_at = Some(utc("2019-06-15T01:30:00"));
    assert_eq!(alone(Shot { uploaded_at, place: Some(NEW_YORK), ..shot() }), None);
    // But nothing is taken after it.
    let late = Shot {
        local: Some(local("2021-06-15T21:30:00")),
        place: Some(NEW_YORK),
        uploaded_at,
        ..shot()
    };
    assert_eq!(alone(late).unwrap().doubt, Some(Doubt::UploadedBefore));
}

#[test]
fn names_of_files_raise_doubts_and_tell_days() {
    let named = |name: &str, text: Option<&str>| {
        let shot =
            Shot { name: name.to_owned(), local: text.map(local), place: Some(NEW_YORK), ..shot() };
        alone(shot).map(|moment| (moment.doubt, moment.concert_days()))
    };
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    assert_eq!(
        named("IMG_20190614_213000.jpg", Some("2019-06-14T21:30:00")),
        Some((None, vec![day("2019-06-14")]))
    );
    assert_eq!(
        named("IMG_20190614_213000.jpg", Some("2016-06-14T21:30:00")),
        Some((Some(Doubt::NameDisagrees), vec![day("2019-06-14"), day("2016-06-14")]))
    );
    assert_eq!(
        named("IMG-20190614-WA0007.jpg", None),
        Some((None, vec![day("2019-06-14"), day("2019-06-13")]))
    );
    assert_eq!(named("DSC_0001.JPG", None), None);
    assert_eq!(
        named("new year.jpg", Some("2019-01-01T00:00:12")).unwrap().0,
        Some(Doubt::ClockReset)
    );
}
