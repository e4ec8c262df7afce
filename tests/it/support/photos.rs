//! Small photos of which every fact is known.

use std::path::Path;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

/// What a photo says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shot<'a> {
    /// `2019:07:20 21:14:05`
    pub(crate) taken: Option<&'a str>,
    /// `+02:00`
    pub(crate) offset: Option<&'a str>,
    /// Degrees north and east, in whole seconds of arc.
    pub(crate) place: Option<(i32, i32)>,
    pub(crate) orientation: Option<u16>,
    pub(crate) model: Option<&'a str>,
    pub(crate) size: (u16, u16),
    /// Bytes of picture.
    pub(crate) bytes: usize,
}

/// As a phone writes it, but for the picture itself.
pub(crate) const PHONE: Shot<'_> = Shot {
    taken: Some("2019:07:20 21:14:05"),
    offset: Some("+02:00"),
    place: Some((188_330, 17_774)),
    orientation: Some(3),
    model: Some("Pixel 3"),
    size: (4_032, 3_024),
    bytes: 500,
};

/// Upper left and right, lower left and right; see [`Shot::photo`].
pub(crate) const QUARTERS: [[[u8; 3]; 2]; 2] =
    [[[220, 30, 30], [30, 200, 30]], [[30, 30, 220], [250, 250, 250]]];

const TEXT: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIO: u16 = 5;

type Tag = (u16, u16, u32, Vec<u8>);

fn text(tag: u16, value: &str) -> Tag {
    let bytes = [value.as_bytes(), b"\0"].concat();
    (tag, TEXT, u32::try_from(bytes.len()).unwrap(), bytes)
}

fn long(tag: u16, value: usize) -> Tag {
    let value = u32::try_from(value).unwrap();
    (tag, LONG, 1, value.to_le_bytes().to_vec())
}

/// Degrees, minutes and seconds.
fn arc(tag: u16, seconds: i32) -> Tag {
    let all = seconds.unsigned_abs();
    let parts = [all / 3600, 1, all / 60 % 60, 1, all % 60, 1];
    let bytes = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    (tag, RATIO, 3, bytes)
}

/// A TIFF directory that begins at `at`, its values behind it.
fn directory(tags: &[Tag], at: usize) -> Vec<u8> {
    let mut out = u16::try_from(tags.len()).unwrap().to_le_bytes().to_vec();
    let values_at = at + 2 + 12 * tags.len() + 4;
    let mut values: Vec<u8> = Vec::new();
    for (tag, kind, count, bytes) in tags {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        let mut inline = bytes.clone();
        if bytes.len() > 4 {
            inline = u32::try_from(values_at + values.len()).unwrap().to_le_bytes().to_vec();
            values.extend(bytes);
        }
        inline.resize(4, 0);
        out.extend(inline);
    }
    out.extend([0; 4]);
    out.extend(values);
    out
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length[..], data].concat()
}

impl Shot<'_> {
    /// A file that looks like a picture from outside.
    pub(crate) fn jpeg(&self) -> Vec<u8> {
        let ([h1, h2], [w1, w2]) = (self.size.1.to_be_bytes(), self.size.0.to_be_bytes());
        let frame = segment(0xC0, &[8, h1, h2, w1, w2, 1, 1, 0x11, 0]);
        let scan = segment(0xDA, &[1, 1, 0, 0, 63, 0]);
        let mut out = [&[0xFF, 0xD8][..], &self.app1(), &frame, &scan].concat();
        out.resize(out.len() + self.bytes.max(3), 0x55);
        out.extend([0xFF, 0xD9]);
        out
    }

    /// A real picture of this size, with these notes. Where `orientation` leads to, its left upper
    /// quarter is red, the right upper one green, the left lower one blue, and the last one white.
    pub(crate) fn photo(&self) -> Vec<u8> {
        let (width, height) = (u32::from(self.size.0), u32::from(self.size.1));
        let turned = self.orientation.unwrap_or(1);
        let quarter = |x: u32, y: u32| {
            let (right, low) = (x >= width / 2, y >= height / 2);
            // EXIF 2.32, 4.6.4: where row 0 and column 0 of what is stored are to be seen.
            let (right, low) = match turned {
                2 => (!right, low),
                3 => (!right, !low),
                4 => (right, !low),
                5 => (low, right),
                6 => (!low, right),
                7 => (!low, !right),
                8 => (low, !right),
                _ => (right, low),
            };
            QUARTERS[usize::from(low)][usize::from(right)]
        };
        self.of(&RgbImage::from_fn(width, height, |x, y| image::Rgb(quarter(x, y))), 90)
    }

    /// A JPEG of this picture, with these notes.
    pub(crate) fn of(&self, picture: &RgbImage, quality: u8) -> Vec<u8> {
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, quality).encode_image(picture).unwrap();
        [&jpeg[..2], &self.app1(), &jpeg[2..]].concat()
    }

    fn app1(&self) -> Vec<u8> {
        segment(0xE1, &[b"Exif\0\0II\x2A\0\x08\0\0\0", &self.exif()[..]].concat())
    }

    /// Three directories, from byte 8 on.
    fn exif(&self) -> Vec<u8> {
        let mut main = Vec::new();
        main.extend(self.model.map(|model| text(0x0110, model)));
        let orientation = self.orientation;
        main.extend(orientation.map(|o| (0x0112, SHORT, 1, o.to_le_bytes().to_vec())));
        let mut exif = Vec::new();
        exif.extend(self.taken.map(|taken| text(0x9003, taken)));
        exif.extend(self.offset.map(|offset| text(0x9011, offset)));
        let gps = self.place.map_or_else(Vec::new, |(lat, lon)| {
            vec![
                text(1, if lat < 0 { "S" } else { "N" }),
                arc(2, lat),
                text(3, if lon < 0 { "W" } else { "E" }),
                arc(4, lon),
            ]
        });
        let pointers = |exif_at, gps_at| [long(0x8769, exif_at), long(0x8825, gps_at)];
        let length = directory(&[&main[..], &pointers(0, 0)].concat(), 8).len();
        let exif_at = 8 + length;
        let exif = directory(&exif, exif_at);
        let gps_at = exif_at + exif.len();
        let main = directory(&[&main[..], &pointers(exif_at, gps_at)].concat(), 8);
        [main, exif, directory(&gps, gps_at)].concat()
    }
}

/// Writes so many photos, a minute apart.
pub(crate) fn write_many(folder: &Path, count: usize) {
    for number in 0..count {
        let taken = format!("2019:07:20 {:02}:{:02}:00", number / 60 % 24, number % 60);
        let shot = Shot { taken: Some(&taken), size: (40, 30), ..Shot::default() };
        let file = folder.join(format!("IMG_{number:05}.jpg"));
        std::fs::write(file, shot.jpeg()).unwrap();
    }
}
