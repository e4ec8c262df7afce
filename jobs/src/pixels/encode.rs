//! Encodes pictures for the web. What is written holds pixels and nothing else: no EXIF, no XMP, no
//! preview, no profile, because what has none is sRGB.

use thiserror::Error;

use super::format::Format;
use super::picture::Picture;

/// A format and how to write it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Encoding {
    /// Baseline, colours halved both ways (4:2:0), with Huffman tables of the picture's own.
    Jpeg { quality: u8 },
    /// Lossy VP8; `effort` is libwebp's `method`, 0 (fastest) to 6.
    WebP { quality: u8, effort: u8 },
    /// AV1, 4:2:0; `speed` is libavif's, 0 to 10 (fastest).
    Avif { quality: u8, speed: u8 },
}

/// The encoder could not do it; says why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the {format} encoder failed on {width} × {height} pixels: {why}")]
pub(crate) struct EncodeError {
    format: Format,
    width: u32,
    height: u32,
    why: String,
}

impl Encoding {
    /// What is written.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Jpeg { .. } => Format::Jpeg,
            Self::WebP { .. } => Format::WebP,
            Self::Avif { .. } => Format::Avif,
        }
    }

    /// Peak bytes that the encoder takes for so many pixels beside the picture itself, as measured.
    pub(super) fn cost(self, pixels: u64) -> u64 {
        match self {
            Self::Jpeg { .. } => 4 * pixels,
            Self::WebP { .. } => 10 * pixels,
            Self::Avif { .. } => (12 << 20) + 40 * pixels,
        }
    }

    /// The whole file. One thread.
    pub(crate) fn encode(self, picture: &Picture) -> Result<Vec<u8>, EncodeError> {
        let encoded = match self {
            Self::Jpeg { quality } => jpeg(picture, quality),
            Self::WebP { quality, effort } => webp(picture, quality, effort),
            Self::Avif { quality, speed } => avif(picture, quality, speed),
        };
        let Picture { width, height, .. } = *picture;
        encoded.map_err(|why| EncodeError { format: self.format(), width, height, why })
    }
}

fn words(error: impl Into<Box<dyn std::error::Error>>) -> String {
    error.into().to_string()
}

fn jpeg(picture: &Picture, quality: u8) -> Result<Vec<u8>, String> {
    let mut encoder = turbojpeg::Compressor::new().map_err(words)?;
    encoder.set_quality(quality.clamp(1, 100).into()).map_err(words)?;
    encoder.set_subsamp(turbojpeg::Subsamp::Sub2x2).map_err(words)?;
    encoder.set_optimize(true).map_err(words)?;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let format = turbojpeg::PixelFormat::RGB;
    let image =
        turbojpeg::Image { pixels: &picture.rgb[..], width, pitch: 3 * width, height, format };
    encoder.compress_to_vec(image).map_err(words)
}

fn webp(picture: &Picture, quality: u8, effort: u8) -> Result<Vec<u8>, String> {
    let config = webpx::EncoderConfig::new().quality(quality.into()).method(effort.min(6));
    webpx::Encoder::new_rgb(&picture.rgb, picture.width, picture.height)
        .config(config)
        .encode(webpx::Unstoppable)
        .map_err(words)
}

fn avif(picture: &Picture, quality: u8, speed: u8) -> Result<Vec<u8>, String> {
    let pixels = libavif::RgbPixels::new(picture.width, picture.height, &picture.rgb);
    let image = pixels.map_err(words)?.to_image(libavif::YuvFormat::Yuv420);
    let mut encoder = libavif::Encoder::new();
    encoder.set_quality(quality).set_speed(speed).set_max_threads(1);
    encoder.encode(&image).map(|file| file.to_vec()).map_err(words)
}
