//! Positions in EXIF: degrees, minutes and seconds as fractions, and a letter for the side.

use exif::Tag;

use super::flaw::{Flaw, Flaws};
use super::tags::Tags;

/// A position on the globe (WGS 84), in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    /// -90 to 90, north positive: EXIF `GPSLatitude` and `GPSLatitudeRef`.
    pub(crate) lat: f64,
    /// -180 to 180, east positive: EXIF `GPSLongitude` and `GPSLongitudeRef`.
    pub(crate) lon: f64,
}

/// The position, when there is a usable one.
pub(super) fn read(tags: &Tags, flaws: &mut Flaws) -> Option<Place> {
    let lat = tags.fractions(Tag::GPSLatitude)?;
    let lon = tags.fractions(Tag::GPSLongitude)?;
    // How cameras say that they do not know: nothing at all, or zero divisors only.
    if lat.iter().chain(&lon).all(Option::is_none) {
        return None;
    }
    let sides = side(tags.text(Tag::GPSLatitudeRef), b'N', b'S').zip(side(
        tags.text(Tag::GPSLongitudeRef),
        b'E',
        b'W',
    ));
    let flaw = match (degrees(&lat).zip(degrees(&lon)), sides) {
        (None, _) => Flaw::NoPosition { why: "it divides by zero" },
        (Some((0.0, 0.0)), _) => Flaw::NoFix,
        (_, None) => Flaw::NoPosition { why: "north or south, east or west is missing" },
        (Some((lat, lon)), Some((north, east))) => {
            let place = Place { lat: lat * north, lon: lon * east };
            if lat.abs() <= 90.0 && lon.abs() <= 180.0 {
                return Some(place);
            }
            Flaw::OffTheGlobe { lat: place.lat, lon: place.lon }
        }
    };
    flaws.add(flaw);
    None
}

/// How far off the position may be, in metres: EXIF `GPSHPositioningError` (2.31, 4.6.6).
pub(super) fn accuracy(tags: &Tags) -> Option<f64> {
    let metres = tags.fractions(Tag::GPSHPositioningError)?.into_iter().next()??;
    Some(metres).filter(|metres| *metres >= 0.0)
}

/// Degrees, and minutes and seconds if they are there.
fn degrees(parts: &[Option<f64>]) -> Option<f64> {
    let parts: Option<Vec<f64>> = parts.iter().take(3).copied().collect();
    let scales = [1.0, 60.0, 3600.0];
    Some(parts?.iter().zip(scales).map(|(part, scale)| part / scale).sum())
}

fn side(letter: Option<&[u8]>, positive: u8, negative: u8) -> Option<f64> {
    match letter?.trim_ascii().first()?.to_ascii_uppercase() {
        letter if letter == positive => Some(1.0),
        letter if letter == negative => Some(-1.0),
        _ => None,
    }
}
