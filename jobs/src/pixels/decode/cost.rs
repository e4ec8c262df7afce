//! What a decode takes, known from the header: the number that jobs reserve before they decode.

use super::super::orient;
use super::{Format, Probe, Wanted};

/// What decoders take whatever the size: tables, rows in flight, colour transforms.
const BASE: u64 = 4 << 20;
/// The table that takes inks with a profile to colours.
const INKS: u64 = 16 << 20;
/// Of a decoded picture, three bytes a pixel, and once more while it is turned upright.
const PICTURE: u64 = 3;

/// Peak bytes that [`super::decode`] and [`super::decode_luma`] need for this picture beside the file
/// itself. An upper bound: measured peaks lie
/// below it.
pub(crate) fn cost(probe: &Probe, wanted: Wanted) -> u64 {
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    let coding = probe.coding;
    let native = u64::from(coding.channels) * u64::from(coding.bits.div_ceil(8));
    let result = |scaled: u64, read: u64| scaled * (read + PICTURE).max(2 * PICTURE);
    let needs = match probe.format {
        Format::Jpeg => {
            let inks = if coding.channels == 4 { INKS } else { 0 };
            inks + coding.held + result(scaled(probe, wanted), native)
        }
        Format::WebP => coding.held + pixels + result(scaled(probe, wanted), 4),
        Format::Png => result(pixels, native),
        // The canvas, and the frame that is drawn on it.
        Format::Gif => result(pixels, 4 + 4),
        // A strip or tile may be the whole picture, and is held beside it.
        Format::Tiff => result(pixels, 2 * native),
        Format::Bmp => result(pixels, 4),
        // Frames of the codec, planes, and four bytes a pixel of the result. Measured: 15 to 18 bytes a
        // pixel of 8 bits; planes of 10 bits take twice their room.
        Format::Avif | Format::Heic => result(pixels, 24),
    };
    BASE + needs
}

/// The scale, in eighths, at which a JPEG decoder still gives what is wanted: those that its fast
/// transforms know.
pub(super) fn eighths(probe: &Probe, wanted: Wanted) -> u32 {
    let (width, height) = (probe.width, probe.height);
    let upright = orient::size(probe.orientation.unwrap_or(1), width, height);
    let enough = |eighths: u32| {
        let scale = |side: u32| (u64::from(side) * u64::from(eighths)).div_ceil(8);
        match wanted {
            Wanted::Full => false,
            Wanted::Width(least) => scale(upright.0) >= u64::from(least),
            Wanted::ShortSide(least) => scale(width.min(height)) >= u64::from(least),
        }
    };
    [1, 2, 4].into_iter().find(|&eighths| enough(eighths)).unwrap_or(8)
}

/// Pixels of the scaled picture.
fn scaled(probe: &Probe, wanted: Wanted) -> u64 {
    let (width, height) = scaled_size(probe, wanted);
    u64::from(width) * u64::from(height)
}

/// Width and height, as stored, of the scale that serves.
pub(super) fn scaled_size(probe: &Probe, wanted: Wanted) -> (u32, u32) {
    let eighths = eighths(probe, wanted);
    let scale = |side: u32| side / 8 * eighths + (side % 8 * eighths).div_ceil(8);
    (scale(probe.width), scale(probe.height))
}
