//! A few pictures, drawn once: a stage under coloured light. What makes files differ is their EXIF.

use std::io;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
const QUALITY: u8 = 75;

/// Colours of the light.
const LIGHTS: [[u8; 3]; 6] = [
    [230, 60, 40],
    [40, 110, 240],
    [250, 190, 60],
    [170, 60, 220],
    [60, 210, 120],
    [240, 240, 250],
];

/// Start of image (T.81, B.2.1).
const SOI: usize = 2;

/// The same few pictures in both formats.
pub(super) struct Pictures {
    jpegs: Vec<Vec<u8>>,
    pngs: Vec<Vec<u8>>,
}

impl Pictures {
    pub(super) fn draw() -> io::Result<Self> {
        let (mut jpegs, mut pngs) = (Vec::new(), Vec::new());
        for light in LIGHTS {
            let picture = stage(light);
            let mut jpeg = Vec::new();
            JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
                .write_image(&picture, WIDTH, HEIGHT, ExtendedColorType::Rgb8)
                .map_err(io::Error::other)?;
            jpegs.push(jpeg);
            let mut png = Vec::new();
            PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Up)
                .write_image(&picture, WIDTH, HEIGHT, ExtendedColorType::Rgb8)
                .map_err(io::Error::other)?;
            pngs.push(png);
        }
        Ok(Self { jpegs, pngs })
    }

    /// One of the JPEGs with a segment at its beginning, where Exif has its place.
    pub(super) fn jpeg(&self, number: usize, segment: &[u8]) -> Vec<u8> {
        let (start, rest) = self.jpegs[number % self.jpegs.len()].split_at(SOI);
        [start, segment, rest].concat()
    }

    pub(super) fn png(&self, number: usize) -> Vec<u8> {
        self.pngs[number % self.pngs.len()].clone()
    }
}

/// Light from above, darker towards the edges, and a black stage in front.
fn stage(light: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let aside = x.abs_diff(WIDTH / 2);
        let bright = if y > HEIGHT * 5 / 6 { 16 } else { 255_u32.saturating_sub(y / 2 + aside) };
        Rgb(light.map(|part| u8::try_from(u32::from(part) * bright / 255).unwrap_or(u8::MAX)))
    })
}
