//! Small pictures, and files of them.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use super::super::Probe;
use super::look;

/// Smooth in all three colours, different in all four corners, so that no turn goes unnoticed.
pub(super) fn slope(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let part = |at: u32, of: u32| u8::try_from(at * 255 / of.max(1)).unwrap();
        Rgb([part(x, width), part(y, height), part(x + y, width + height) / 2 + 60])
    })
}

/// A busy picture, of which a JPEG takes some bytes everywhere.
pub(super) fn busy(width: u32, height: u32) -> RgbImage {
    let mut picture = slope(width, height);
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)) >> 27;
        pixel.0[0] = pixel.0[0].wrapping_add(u8::try_from(noise).unwrap());
    }
    picture
}

/// A JPEG of a quality at which nothing is lost that a test could see.
pub(super) fn jpeg(picture: &RgbImage, subsampling: Subsamp, progressive: bool) -> Vec<u8> {
    let mut encoder = Compressor::new().unwrap();
    encoder.set_quality(95).unwrap();
    encoder.set_subsamp(subsampling).unwrap();
    encoder.set_progressive(progressive).unwrap();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let format = PixelFormat::RGB;
    let image = Image { pixels: &picture.as_raw()[..], width, pitch: 3 * width, height, format };
    encoder.compress_to_vec(image).unwrap()
}

pub(super) fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// With these segments behind the start of the file.
pub(super) fn with_segments(jpeg: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    for (marker, body) in segments {
        out.extend([0xFF, *marker]);
        out.extend(u16::try_from(body.len() + 2).unwrap().to_be_bytes());
        out.extend(*body);
    }
    out.extend(&jpeg[2..]);
    out
}

pub(super) fn probed(file: &[u8]) -> Probe {
    look(file, "photo").unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// The largest and the mean difference of two pictures.
pub(super) fn differ(ours: &[u8], theirs: &[u8]) -> (u8, f64) {
    assert_eq!(ours.len(), theirs.len());
    let differences = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences.clone().map(u64::from).sum();
    #[expect(clippy::cast_precision_loss, reason = "small pictures")]
    let mean = sum as f64 / ours.len() as f64;
    (differences.max().unwrap(), mean)
}
