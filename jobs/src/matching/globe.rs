//! Distances on the globe.

use crate::pixels::Place;

/// Mean radius of the earth in metres (IUGG).
const RADIUS: f64 = 6_371_009.0;

/// Metres between two places, by the haversine formula: right to half a percent everywhere.
pub(crate) fn metres(a: Place, b: Place) -> f64 {
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let lon = a.lat.to_radians().cos() * b.lat.to_radians().cos() * half(a.lon, b.lon);
    2.0 * RADIUS * (half(a.lat, b.lat) + lon).sqrt().min(1.0).asin()
}

/// The place in the middle, each counted by its weight; `None` without weights.
pub(crate) fn middle(places: impl IntoIterator<Item = (Place, f64)>) -> Option<Place> {
    let mut sum: Option<(Place, f64, f64, f64)> = None;
    for (place, weight) in places {
        let (first, lat, lon, total) = sum.get_or_insert((place, 0.0, 0.0, 0.0));
        *lat += weight * (place.lat - first.lat);
        *lon += weight * around(place.lon - first.lon);
        *total += weight;
    }
    let (first, lat, lon, total) = sum.filter(|sum| sum.3 > 0.0)?;
    Some(Place { lat: first.lat + lat / total, lon: around(first.lon + lon / total) })
}

/// Degrees of longitude between -180 and 180.
fn around(degrees: f64) -> f64 {
    (degrees + 540.0).rem_euclid(360.0) - 180.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lat: f64, lon: f64) -> Place {
        Place { lat, lon }
    }

    #[test]
    fn distances_are_right_also_over_the_date_line() {
        let paris_london = metres(at(48.8566, 2.3522), at(51.5074, -0.1278));
        assert!((paris_london - 343_560.0).abs() < 500.0, "{paris_london}");
        let line = metres(at(0.0, 179.9995), at(0.0, -179.9995));
        assert!((line - 111.2).abs() < 1.0, "{line}");
    }

    #[test]
    fn the_middle_is_weighted_also_over_the_date_line() {
        let middle = middle([(at(0.0, 179.9), 3.0), (at(0.4, -179.7), 1.0)]).unwrap();
        assert!((middle.lat - 0.1).abs() < 1e-9 && (middle.lon + 180.0).abs() < 1e-9, "{middle:?}");
    }

    #[test]
    fn nothing_has_no_middle() {
        assert_eq!(middle([]), None);
    }
}
