//! Pixels out of files, within bounds that are known before anything is allocated.
//!
//! 1. [`cost()`] says from the header alone what a decode takes; [`decode`] refuses what takes more
//!    than it may;
//! 2. `jpeg`, `raster`, `webp`, `avif`, `heif` read the samples of a format as the file has them, as small
//!    as serves what is wanted;
//! 3. the colours become sRGB and the rows upright.

mod av1;
mod avif;
mod bits;
mod cost;
mod heif;
mod hevc;
mod jpeg;
mod raster;
mod segments;
mod webp;

use thiserror::Error;

pub(crate) use cost::cost;

use super::colour::{self, Profile};
use super::format::Format;
use super::picture::{self, Luma, Picture};
use super::resize::resize;
use super::variants::shrunk;
use super::{Flaw, Probe, orient};

/// How large a picture is needed. Decoders that can (JPEG, WebP) read it in the smallest scale that
/// is still as large; no picture is enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Every pixel.
    Full,
    /// At least so wide, upright.
    Width(u32),
    /// At least so many pixels on its shorter side.
    ShortSide(u32),
}

/// What a decoder made of a file.
#[derive(Clone, Debug)]
pub(crate) struct Decoded<T> {
    /// The pixels.
    pub(crate) pixels: T,
    /// What is wrong with them; the picture can be shown all the same.
    pub(crate) flaw: Option<Flaw>,
}

/// Why a file has no pixels for us. The text is for the person who uploaded it.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum DecodeError {
    /// It would take more memory than it may.
    #[error(
        "the {format} picture of {width} × {height} pixels takes {} MB to decode; the limit is {} MB",
        cost.div_ceil(1_000_000), limit / 1_000_000
    )]
    TooCostly { format: Format, width: u32, height: u32, cost: u64, limit: u64 },
    /// The compressed picture is damaged beyond use.
    #[error("the {format} picture cannot be decoded: {why}")]
    Broken { format: Format, why: String },
    /// Most of it is missing.
    #[error("{missing} % of the {format} picture is missing: {why}")]
    Fragment { format: Format, missing: u8, why: String },
    /// A kind of the format that no decoder here reads.
    #[error("this kind of {format} cannot be read: {why}")]
    Unsupported { format: Format, why: String },
}

impl DecodeError {
    /// What the uploader can do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::TooCostly { .. } => "make the picture smaller in a photo editor",
            Self::Broken { .. } | Self::Fragment { .. } => "upload the original again",
            Self::Unsupported { .. } => "save it as a JPEG in a photo editor",
        }
    }
}

/// What a decoder says when it fails: an error of its own, or our words.
type Reason = Box<dyn std::error::Error + Send + Sync>;

/// Samples as a file has them, and what is to be known to show them.
struct Raw {
    width: u32,
    height: u32,
    samples: Samples,
    profile: Option<Profile>,
    /// EXIF's numbers, 1 to 8, whatever the format calls them.
    orientation: u8,
    flaw: Option<Flaw>,
}

/// Eight bits a sample.
pub(super) enum Samples {
    Grey(Vec<u8>),
    Rgb(Vec<u8>),
    /// 0 is no ink.
    Cmyk(Vec<u8>),
}

/// The picture in a file that [`super::probe`] has accepted, in at most `memory` bytes.
pub(crate) fn decode(
    bytes: &[u8],
    probe: &Probe,
    wanted: Wanted,
    memory: u64,
) -> Result<Decoded<Picture>, DecodeError> {
    Ok(raw(bytes, probe, wanted, memory, false)?.shown())
}

impl Raw {
    /// Upright, in sRGB.
    fn shown(self) -> Decoded<Picture> {
        let rgb = colour::to_srgb(self.samples, self.profile.as_ref());
        let (width, height) = orient::size(self.orientation, self.width, self.height);
        let rgb = orient::upright::<3>(rgb, self.width, self.height, self.orientation);
        Decoded { pixels: Picture { width, height, rgb }, flaw: self.flaw }
    }
}

/// The picture in a file, so wide or as wide as it is, whichever is less. The pixels are resampled before
/// their colours are converted and before they are turned: there are fewer of them then.
pub(super) fn decode_to_width(
    bytes: &[u8],
    probe: &Probe,
    width: u32,
    memory: u64,
) -> Result<Decoded<Picture>, DecodeError> {
    let mut raw = raw(bytes, probe, Wanted::Width(width), memory, false)?;
    let upright = orient::size(raw.orientation, raw.width, raw.height);
    let wanted = shrunk(upright, width.min(upright.0));
    if let (Samples::Rgb(rgb), true) = (&raw.samples, wanted != upright) {
        let stored = orient::size(raw.orientation, wanted.0, wanted.1);
        let smaller = resize(rgb, (raw.width, raw.height), stored).map_err(|error| {
            DecodeError::Broken { format: probe.format, why: error.to_string() }
        })?;
        raw.samples = Samples::Rgb(smaller);
        (raw.width, raw.height) = stored;
    }
    Ok(raw.shown())
}

/// The brightness of the picture in a file, at least `short_side` pixels on its shorter side when it
/// has as many. Of a JPEG only the smallest sufficient scale of its Y plane is computed.
pub(crate) fn decode_luma(
    bytes: &[u8],
    probe: &Probe,
    short_side: u32,
    memory: u64,
) -> Result<Decoded<Luma>, DecodeError> {
    let raw = raw(bytes, probe, Wanted::ShortSide(short_side), memory, true)?;
    let samples = match raw.samples {
        Samples::Grey(grey) => grey,
        Samples::Rgb(rgb) => picture::luma(&rgb),
        cmyk @ Samples::Cmyk(_) => picture::luma(&colour::to_srgb(cmyk, raw.profile.as_ref())),
    };
    let (width, height) = orient::size(raw.orientation, raw.width, raw.height);
    let samples = orient::upright::<1>(samples, raw.width, raw.height, raw.orientation);
    Ok(Decoded { pixels: Luma { width, height, samples }, flaw: raw.flaw })
}

/// `grey`: brightness is enough, where that is cheaper.
fn raw(
    bytes: &[u8],
    probe: &Probe,
    wanted: Wanted,
    memory: u64,
    grey: bool,
) -> Result<Raw, DecodeError> {
    let Probe { format, width, height, .. } = *probe;
    let cost = cost(probe, wanted);
    if cost > memory {
        return Err(DecodeError::TooCostly { format, width, height, cost, limit: memory });
    }
    let raw = match format {
        Format::Jpeg => jpeg::read(bytes, probe, wanted, grey),
        Format::WebP => webp::read(bytes, probe, wanted),
        Format::Heic => heif::read(bytes, probe),
        Format::Avif => avif::read(bytes, probe),
        Format::Png | Format::Gif | Format::Tiff | Format::Bmp => {
            raster::read(bytes, probe, memory)
        }
    }?;
    Ok(raw)
}

/// Red, green, blue of pixels with alpha, over white.
fn over_white(rgba: &[u8]) -> Vec<u8> {
    let (pixels, _) = rgba.as_chunks::<4>();
    pixels
        .iter()
        .flat_map(|&[red, green, blue, alpha]| {
            [red, green, blue].map(|colour| blend(colour, alpha))
        })
        .collect()
}

/// A colour or grey value of this opacity over white, rounded.
fn blend(value: u8, alpha: u8) -> u8 {
    let sum = u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
    u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
}
