//! Writes the EXIF of a sample: a small TIFF (big-endian, Exif 2.32) in a JPEG segment.

use chrono::{NaiveDateTime, Timelike as _};

/// Tags of the main directory.
const MAKE: u16 = 0x010F;
const MODEL: u16 = 0x0110;
const ORIENTATION: u16 = 0x0112;
const EXIF: u16 = 0x8769;
const GPS: u16 = 0x8825;
/// Of the Exif directory.
const EXIF_VERSION: u16 = 0x9000;
const DATE_TIME_ORIGINAL: u16 = 0x9003;
const OFFSET_TIME_ORIGINAL: u16 = 0x9011;
/// Of the GPS directory.
const VERSION: u16 = 0;
const LATITUDE_REF: u16 = 1;
const LATITUDE: u16 = 2;
const LONGITUDE_REF: u16 = 3;
const LONGITUDE: u16 = 4;
const TIME_STAMP: u16 = 7;
const DATE_STAMP: u16 = 29;

/// Types of values (TIFF 6.0, section 2).
const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;

/// What the camera notes.
pub(super) struct Shot {
    pub(super) make: &'static str,
    pub(super) model: &'static str,
    pub(super) orientation: u16,
    /// By the camera's clock.
    pub(super) taken: Option<NaiveDateTime>,
    /// Its distance from UTC, where the camera tells.
    pub(super) offset_minutes: Option<i32>,
    /// Degrees north and east, and the satellites' time.
    pub(super) place: Option<((f64, f64), NaiveDateTime)>,
}

impl Shot {
    /// The whole segment, marker and length included.
    pub(super) fn app1(&self) -> Vec<u8> {
        let tiff = self.tiff();
        let mut segment = vec![0xFF, 0xE1];
        // The length counts itself and the six bytes of the signature.
        let length = u16::try_from(tiff.len() + 8).unwrap_or(u16::MAX);
        segment.extend(length.to_be_bytes());
        segment.extend(b"Exif\0\0");
        segment.extend(tiff);
        segment
    }

    fn tiff(&self) -> Vec<u8> {
        let camera = self.camera();
        let gps = self.place.map(|(place, at)| position(place, at));
        let mut main = Directory::default();
        main.text(MAKE, self.make);
        main.text(MODEL, self.model);
        main.add(ORIENTATION, SHORT, 1, &self.orientation.to_be_bytes());
        // Known before the pointers are: their values do not change the size.
        let pointers = 1 + usize::from(gps.is_some());
        let camera_at = HEADER + main.size() + pointers * ENTRY;
        main.pointer(EXIF, camera_at);
        if gps.is_some() {
            main.pointer(GPS, camera_at + camera.size());
        }
        let mut tiff = b"MM\0\x2A\0\0\0\x08".to_vec();
        main.write(&mut tiff);
        camera.write(&mut tiff);
        if let Some(gps) = gps {
            gps.write(&mut tiff);
        }
        tiff
    }

    fn camera(&self) -> Directory {
        let mut camera = Directory::default();
        camera.add(EXIF_VERSION, UNDEFINED, 4, b"0232");
        if let Some(taken) = self.taken {
            camera.text(DATE_TIME_ORIGINAL, &taken.format("%Y:%m:%d %H:%M:%S").to_string());
            if let Some(minutes) = self.offset_minutes {
                let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
                let offset = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
                camera.text(OFFSET_TIME_ORIGINAL, &offset);
            }
        }
        camera
    }
}

fn position((north, east): (f64, f64), at: NaiveDateTime) -> Directory {
    let mut gps = Directory::default();
    gps.add(VERSION, BYTE, 4, &[2, 3, 0, 0]);
    gps.text(LATITUDE_REF, if north < 0.0 { "S" } else { "N" });
    gps.fractions(LATITUDE, &degrees(north));
    gps.text(LONGITUDE_REF, if east < 0.0 { "W" } else { "E" });
    gps.fractions(LONGITUDE, &degrees(east));
    let time = [at.hour(), at.minute(), at.second()];
    gps.fractions(TIME_STAMP, &time.map(|part| (part, 1)));
    gps.text(DATE_STAMP, &at.format("%Y:%m:%d").to_string());
    gps
}

/// Degrees, minutes and hundredths of seconds, without the sign.
fn degrees(value: f64) -> [(u32, u32); 3] {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few hundred degrees at most, and positive"
    )]
    let hundredths = (value.abs() * 360_000.0).round() as u32;
    [(hundredths / 360_000, 1), (hundredths / 6_000 % 60, 1), (hundredths % 6_000, 100)]
}

/// Bytes before the first directory, and of an entry.
const HEADER: usize = 8;
const ENTRY: usize = 12;
/// An entry has room for so many bytes of its value; longer ones follow the directory.
const INLINE: usize = 4;

/// An image file directory; entries must come in ascending order.
#[derive(Default)]
struct Directory(Vec<Entry>);

struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    value: Vec<u8>,
}

impl Directory {
    fn add(&mut self, tag: u16, kind: u16, count: usize, value: &[u8]) {
        let mut value = value.to_vec();
        // Short values stand left in their four bytes, long ones begin at even places.
        let padded = if value.len() <= INLINE { INLINE } else { value.len().next_multiple_of(2) };
        value.resize(padded, 0);
        self.0.push(Entry { tag, kind, count: super::small(count), value });
    }

    fn text(&mut self, tag: u16, text: &str) {
        let value = [text.as_bytes(), b"\0"].concat();
        self.add(tag, ASCII, value.len(), &value);
    }

    fn fractions(&mut self, tag: u16, fractions: &[(u32, u32)]) {
        let value: Vec<u8> = fractions
            .iter()
            .flat_map(|(upper, lower)| [upper.to_be_bytes(), lower.to_be_bytes()].concat())
            .collect();
        self.add(tag, RATIONAL, fractions.len(), &value);
    }

    fn pointer(&mut self, tag: u16, at: usize) {
        self.add(tag, LONG, 1, &super::small(at).to_be_bytes());
    }

    /// Without the values that follow: count, entries, and where the next directory is.
    fn table(&self) -> usize {
        2 + self.0.len() * ENTRY + 4
    }

    fn size(&self) -> usize {
        let behind = self.0.iter().map(|entry| entry.value.len()).filter(|&bytes| bytes > INLINE);
        self.table() + behind.sum::<usize>()
    }

    /// Appends itself; places are counted from the beginning of `tiff`.
    fn write(&self, tiff: &mut Vec<u8>) {
        let mut behind = tiff.len() + self.table();
        tiff.extend(u16::try_from(self.0.len()).unwrap_or(u16::MAX).to_be_bytes());
        for entry in &self.0 {
            tiff.extend(entry.tag.to_be_bytes());
            tiff.extend(entry.kind.to_be_bytes());
            tiff.extend(entry.count.to_be_bytes());
            if entry.value.len() <= INLINE {
                tiff.extend(&entry.value);
            } else {
                tiff.extend(super::small(behind).to_be_bytes());
                behind += entry.value.len();
            }
        }
        // No further directory.
        tiff.extend([0; 4]);
        for entry in self.0.iter().filter(|entry| entry.value.len() > INLINE) {
            tiff.extend(&entry.value);
        }
    }
}
