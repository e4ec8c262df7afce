//! Time zones of places, offline, and what their rules make of a wall clock.

use std::sync::LazyLock;

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use tzf_rs::DefaultFinder;

use crate::pixels::Place;

/// Borders of the zones, from OpenStreetMap: 4 MB, unpacked once.
static BORDERS: LazyLock<DefaultFinder> = LazyLock::new(DefaultFinder::new);

/// A concert night ends at six in the morning: what is photographed before belongs to the evening.
const NIGHT_CUT: TimeDelta = TimeDelta::hours(6);

/// The zone of a place; on the high seas `Etc/GMT…`.
pub(crate) fn zone_of(place: Place) -> Option<Tz> {
    BORDERS.get_tz_name(place.lon, place.lat).parse().ok()
}

/// When a clock in this zone showed this. Of an hour that came twice it is the first; one that was
/// skipped in spring is read as if the clock had not been put forward yet.
pub(crate) fn instant_of(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let instant = match zone.from_local_datetime(&local) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant,
        LocalResult::None => {
            let before = zone.from_local_datetime(&(local - TimeDelta::hours(1))).earliest()?;
            before + TimeDelta::hours(1)
        }
    };
    Some(instant.with_timezone(&Utc))
}

/// The day whose evening this is, by a wall clock at the place.
pub(crate) fn concert_day(local: NaiveDateTime) -> NaiveDate {
    (local - NIGHT_CUT).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn places_have_zones() {
        let cases = [
            (33.6659, -117.9049, "America/Los_Angeles"),
            (32.5067, -116.9956, "America/Tijuana"),
            (33.4209, -111.8301, "America/Phoenix"),
            (51.5030, 0.0032, "Europe/London"),
            (-33.8568, 151.2153, "Australia/Sydney"),
        ];
        for (lat, lon, zone) in cases {
            assert_eq!(zone_of(Place { lat, lon }).map(Tz::name), Some(zone));
        }
    }

    #[test]
    fn clocks_are_read_by_the_rules_of_their_zone_and_year() {
        let new_york: Tz = "America/New_York".parse().unwrap();
        let read = |text: &str| instant_of(local(text), new_york).unwrap().naive_utc();
        assert_eq!(read("2019-07-01T20:00:00"), local("2019-07-02T00:00:00"));
        assert_eq!(read("2019-12-01T20:00:00"), local("2019-12-02T01:00:00"));
        // Before 2007, summer began in April.
        assert_eq!(read("2006-03-20T20:00:00"), local("2006-03-21T01:00:00"));
        // Skipped in spring, and twice in autumn.
        assert_eq!(read("2019-03-10T02:30:00"), local("2019-03-10T07:30:00"));
        assert_eq!(read("2019-11-03T01:30:00"), local("2019-11-03T05:30:00"));
    }

    #[test]
    fn a_night_lasts_until_six() {
        let day = |text: &str| concert_day(local(text)).to_string();
        assert_eq!(day("2019-06-14T23:59:59"), "2019-06-14");
        assert_eq!(day("2019-06-15T00:30:00"), "2019-06-14");
        assert_eq!(day("2019-06-15T05:59:59"), "2019-06-14");
        assert_eq!(day("2019-06-15T06:00:00"), "2019-06-15");
    }
}
