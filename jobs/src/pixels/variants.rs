//! All the sizes and formats of one picture that web pages ask for, from one decode.
//!
//! The picture is decoded in the smallest scale that is as wide as the widest variant, made that wide,
//! given its colours and turned upright; every narrower variant is made from the next wider one.

use pic_scale::PicScaleError;
use thiserror::Error;

use super::decode::{self, DecodeError, Decoded, Wanted};
use super::encode::{EncodeError, Encoding};
use super::format::Format;
use super::picture::{Luma, Picture};
use super::placeholder::placeholder;
use super::resize::resize;
use super::{Flaw, Probe, cost, orient};

/// WebP knows no longer side (RFC 9649, 2.6).
const MAX_SIDE: u32 = 16_383;
/// A fingerprint needs no more pixels than this on the shorter side.
const FINGERPRINT_SIDE: u32 = 128;

/// Which variants are wanted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VariantOrder {
    /// Pixels per row. A width that the picture does not have becomes its own width.
    pub(crate) widths: Vec<u32>,
    /// Each width is written in each of these.
    pub(crate) encodings: Vec<Encoding>,
}

/// One file for the web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) format: Format,
    /// The whole file.
    pub(crate) bytes: Vec<u8>,
}

/// What [`variants`] makes of a picture.
#[derive(Clone, Debug)]
pub(crate) struct Variants {
    /// Narrow before wide, and in each width in the order of the encodings.
    pub(crate) files: Vec<Variant>,
    /// A ThumbHash.
    pub(crate) placeholder: Vec<u8>,
    /// The brightness of a small variant, to make a fingerprint of.
    pub(crate) luma: Luma,
    /// What is wrong with the picture.
    pub(crate) flaw: Option<Flaw>,
}

/// Why there are no variants.
#[derive(Debug, Error)]
pub(crate) enum VariantError {
    /// The picture cannot be decoded: the file's fault.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A variant cannot be encoded: ours.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Nobody wants them any more.
    #[error("stopped between two stages, as asked")]
    Stopped,
    /// A variant cannot be made smaller: ours.
    #[error("the picture cannot be resized: {0}")]
    Resize(PicScaleError),
}

/// Peak bytes that [`variants`] needs beside the file itself: of the decode, or of the widest variant
/// with its dearest encoder.
pub(crate) fn variants_cost(probe: &Probe, order: &VariantOrder) -> u64 {
    let widest = order.widest();
    let (width, height) = orient::size(probe.orientation.unwrap_or(1), probe.width, probe.height);
    let (width, height) = shrunk((width, height), widest.min(width));
    let pixels = u64::from(width) * u64::from(height);
    let encoders = order.encodings.iter().map(|encoding| encoding.cost(pixels));
    let picture = 3 * pixels;
    let encode = 2 * picture + encoders.max().unwrap_or_default();
    (cost(probe, Wanted::Width(widest)) + picture).max(encode)
}

/// Makes all variants of the picture in a file that [`super::probe`] has accepted, in one thread, with
/// at most `memory` bytes for the decode. `stop` is asked before each stage.
pub(crate) fn variants(
    bytes: &[u8],
    probe: &Probe,
    order: &VariantOrder,
    memory: u64,
    stop: &dyn Fn() -> bool,
) -> Result<Variants, VariantError> {
    let go_on = || if stop() { Err(VariantError::Stopped) } else { Ok(()) };
    go_on()?;
    let decoded = decode::decode_to_width(bytes, probe, order.widest(), memory)?;
    let Decoded { pixels: mut picture, flaw } = decoded;
    let widest = (picture.width, picture.height);
    let sizes: Vec<_> =
        order.widths_of(widest).into_iter().map(|width| shrunk(widest, width)).collect();
    let large = sizes.iter().rfind(|(width, height)| width.min(height) >= &FINGERPRINT_SIDE);
    let fingerprint = large.or(sizes.first()).copied();
    let mut files = Vec::with_capacity(sizes.len() * order.encodings.len());
    let mut luma = None;
    for size in sizes {
        go_on()?;
        picture = smaller(picture, size)?;
        if fingerprint == Some(size) {
            luma = Some(picture.luma());
        }
        for encoding in order.encodings.iter().rev() {
            go_on()?;
            let Picture { width, height, .. } = picture;
            let bytes = encoding.encode(&picture)?;
            files.push(Variant { width, height, format: encoding.format(), bytes });
        }
    }
    files.reverse();
    let placeholder = placeholder(&picture).map_err(resizing)?;
    let luma = luma.unwrap_or_else(|| picture.luma());
    Ok(Variants { files, placeholder, luma, flaw })
}

impl VariantOrder {
    fn widest(&self) -> u32 {
        self.widths.iter().copied().max().unwrap_or(1)
    }

    /// The widths that a picture of this size gets, wide before narrow, each once.
    fn widths_of(&self, (width, height): (u32, u32)) -> Vec<u32> {
        let highest = u64::from(width) * u64::from(MAX_SIDE) / u64::from(height.max(1));
        let most = width.min(MAX_SIDE).min(u32::try_from(highest).unwrap_or(MAX_SIDE));
        let mut widths: Vec<_> =
            self.widths.iter().map(|&width| width.clamp(1, most.max(1))).collect();
        widths.sort_unstable_by(|a, b| b.cmp(a));
        widths.dedup();
        widths
    }
}

fn smaller(picture: Picture, to: (u32, u32)) -> Result<Picture, VariantError> {
    let from = (picture.width, picture.height);
    if from == to {
        return Ok(picture);
    }
    let rgb = resize(&picture.rgb, from, to).map_err(resizing)?;
    Ok(Picture { width: to.0, height: to.1, rgb })
}

/// A size of this width and the same shape, at least one row high.
pub(super) fn shrunk((from_width, from_height): (u32, u32), width: u32) -> (u32, u32) {
    let from_width = u64::from(from_width.max(1));
    let height = (u64::from(from_height) * u64::from(width) + from_width / 2) / from_width;
    (width, u32::try_from(height).unwrap_or(u32::MAX).max(1))
}

fn resizing(error: PicScaleError) -> VariantError {
    VariantError::Resize(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(widths: &[u32]) -> VariantOrder {
        VariantOrder { widths: widths.to_vec(), encodings: vec![Encoding::Jpeg { quality: 80 }] }
    }

    #[test]
    fn no_width_is_made_up() {
        let three = order(&[400, 800, 1200]);
        let cases: [(u32, u32, &[u32]); 6] = [
            (4032, 3024, &[1200, 800, 400]),
            (1200, 900, &[1200, 800, 400]),
            (1000, 700, &[1000, 800, 400]),
            (300, 200, &[300]),
            (1, 1, &[1]),
            // A side that WebP does not know.
            (1080, 32_766, &[540, 400]),
        ];
        for (width, height, expected) in cases {
            assert_eq!(three.widths_of((width, height)), expected, "{width} × {height}");
        }
    }

    #[test]
    fn shapes_are_kept() {
        assert_eq!(shrunk((4032, 3024), 1200), (1200, 900));
        assert_eq!(shrunk((3, 2), 2), (2, 1));
        assert_eq!(shrunk((10_000, 1), 400), (400, 1));
    }
}
