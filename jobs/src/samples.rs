//! Sample photos, for demos and tests: what a phone, a camera and an export leave behind over some
//! years of concerts, the usual breakages included.
//!
//! The same number always gives the same bytes: no clock, no chance.
//!
//! - `exif`: the camera's notes;
//! - `world`: what was on where they were taken;
//! - `picture`: the pixels.

mod exif;
mod picture;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

pub use self::world::{World, world};

use self::exif::Shot;
use self::picture::Pictures;

/// Photos of one evening, about 23 minutes apart.
const PER_EVENING: usize = 8;
const MINUTES_BETWEEN: usize = 23;
/// Evenings are spread over so many days, in a stride that meets each of them once.
const DAYS: usize = 2_900;
const STRIDE: usize = 353;

/// Where it was: degrees north and east, and the wall clock's distance from UTC in minutes.
const VENUES: [(f64, f64, i32); 8] = [
    (52.3140, 4.9373, 60),
    (39.6654, -105.2057, -420),
    (-33.8568, 151.2153, 600),
    (-34.5453, -58.4498, -180),
    (52.5158, 13.2297, 60),
    (35.6933, 139.7500, 540),
    (-41.2865, 174.7762, 720),
    (51.5030, 0.0032, 0),
];

const CAMERAS: [(&str, &str); 5] = [
    ("Apple", "iPhone 11"),
    ("samsung", "SM-G973F"),
    ("Canon", "Canon EOS 80D"),
    ("Google", "Pixel 3"),
    ("NIKON CORPORATION", "NIKON D750"),
];

/// What a file is made to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A photo as a camera writes it.
    Photo,
    /// Camera and lens are known, the time only from the sidecar of a Takeout export.
    Takeout,
    /// Saved by a program that leaves nothing about the camera.
    BareJpeg,
    BarePng,
    /// The upload ended in the middle.
    Truncated,
    /// A text with the name of a photo.
    Text,
    Empty,
    /// A latitude of 200 degrees.
    OffTheGlobe,
    /// A JPEG called `.png`.
    Misnamed,
}

/// One in forty has something wrong, each in turn.
const FAULTS: [Kind; 5] =
    [Kind::Truncated, Kind::Text, Kind::Empty, Kind::OffTheGlobe, Kind::Misnamed];

impl Kind {
    fn of(number: usize) -> Self {
        match number % 40 {
            17 => FAULTS[number / 40 % FAULTS.len()],
            3 | 23 => Self::BareJpeg,
            13 | 33 => Self::BarePng,
            9 | 29 | 37 => Self::Takeout,
            _ => Self::Photo,
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::BarePng | Self::Misnamed => "png",
            _ => "jpg",
        }
    }
}

/// Writes `count` sample photos below `folder`, which is made if it is not there, and answers
/// how many: always `count`, sidecars of the Takeout export not among them.
///
/// Files of an earlier call are overwritten with the same bytes.
///
/// # Errors
/// A folder or a file cannot be written.
pub fn write(folder: &Path, count: usize) -> io::Result<usize> {
    let pictures = Pictures::draw()?;
    let mut made = BTreeSet::new();
    for number in 0..count {
        let sample = Sample::new(number);
        let path = folder.join(sample.path());
        if let Some(parent) = path.parent()
            && !made.contains(parent)
        {
            fs::create_dir_all(parent)?;
            made.insert(parent.to_path_buf());
        }
        fs::write(&path, sample.bytes(&pictures))?;
        if sample.kind == Kind::Takeout {
            let mut sidecar = path.into_os_string();
            sidecar.push(".supplemental-metadata.json");
            fs::write(sidecar, sample.sidecar())?;
        }
    }
    Ok(count)
}

/// One file.
struct Sample {
    number: usize,
    kind: Kind,
    /// Local time of the venue.
    taken: NaiveDateTime,
    offset_minutes: i32,
    place: (f64, f64),
}

impl Sample {
    fn new(number: usize) -> Self {
        let (evening, song) = (number / PER_EVENING, number % PER_EVENING);
        let (north, east, offset_minutes) = VENUES[evening % VENUES.len()];
        // People move about in the hall, by a few metres.
        let step = f64::from(small(song)) * 0.000_05;
        let first = NaiveDate::from_ymd_opt(2017, 1, 6).unwrap_or_default();
        let day = first + TimeDelta::days(i64::from(small(evening * STRIDE % DAYS)));
        let seconds = 19 * 3_600 + 41 * 60 + song * MINUTES_BETWEEN * 60 + number % 60;
        Self {
            number,
            kind: Kind::of(number),
            taken: day.and_time(chrono::NaiveTime::MIN) + TimeDelta::seconds(small(seconds).into()),
            offset_minutes,
            place: (north + step, east - step),
        }
    }

    /// Below the folder.
    fn path(&self) -> PathBuf {
        let name = format!("IMG_{:04}.{}", self.number + 1, self.kind.ending());
        let folder = match self.kind {
            Kind::Takeout => self.taken.format("Takeout/Google Photos/Photos from %Y"),
            Kind::BareJpeg | Kind::BarePng => self.taken.format("Saved/%Y"),
            // A camera that makes a folder for each evening, and a phone that makes one a month.
            _ if (self.number / PER_EVENING).is_multiple_of(3) => {
                self.taken.format("Concerts/%Y-%m-%d")
            }
            _ => self.taken.format("Camera Roll/%Y/%m"),
        };
        PathBuf::from(folder.to_string()).join(name)
    }

    fn bytes(&self, pictures: &Pictures) -> Vec<u8> {
        let jpeg = || pictures.jpeg(self.number, &self.shot().app1());
        match self.kind {
            Kind::Photo | Kind::Takeout | Kind::OffTheGlobe | Kind::Misnamed => jpeg(),
            Kind::Truncated => {
                let mut bytes = jpeg();
                bytes.truncate(bytes.len() * 2 / 3);
                bytes
            }
            Kind::BareJpeg => pictures.jpeg(self.number, &[]),
            Kind::BarePng => pictures.png(self.number),
            Kind::Text => b"Setlist: see the photo on the other phone.\n".to_vec(),
            Kind::Empty => Vec::new(),
        }
    }

    fn shot(&self) -> Shot {
        let takeout = self.kind == Kind::Takeout;
        let (make, model) = CAMERAS[self.number / PER_EVENING % CAMERAS.len()];
        let (north, east) = self.place;
        let place = match self.kind {
            Kind::OffTheGlobe => Some((200.0, east)),
            // Cameras without a receiver, and halls without reception.
            _ if takeout || self.number.is_multiple_of(3) => None,
            _ => Some((north, east)),
        };
        Shot {
            make,
            model,
            orientation: u16::try_from(self.number % 8 + 1).unwrap_or(1),
            taken: (!takeout).then_some(self.taken),
            offset_minutes: (!self.number.is_multiple_of(4)).then_some(self.offset_minutes),
            place: place.map(|place| (place, self.utc())),
        }
    }

    fn utc(&self) -> NaiveDateTime {
        self.taken - TimeDelta::minutes(self.offset_minutes.into())
    }

    /// As Google Photos writes it, as far as anybody reads it.
    fn sidecar(&self) -> String {
        let (north, east) = self.place;
        let seconds = self.utc().and_utc().timestamp();
        let name = self.path();
        let title = name.file_name().unwrap_or_default().to_string_lossy();
        let sidecar = serde_json::json!({
            "title": title,
            "description": "",
            "photoTakenTime": { "timestamp": seconds.to_string() },
            "geoData": { "latitude": north, "longitude": east, "altitude": 0.0 },
        });
        format!("{sidecar:#}\n")
    }
}

/// Sums of this file fit in many times over.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
