//! AVIF through libavif and libaom.

use std::borrow::Cow;

use super::super::isobmff;
use super::super::picture;
use super::{DecodeError, Format, Probe, Raw, Reason, Samples, av1, over_white};

/// Reads the samples. The container's turns are ours to do; EXIF's orientation does not count (AVIF
/// 1.1, 4.2, as in HEIF).
pub(super) fn read(bytes: &[u8], probe: &Probe) -> Result<Raw, DecodeError> {
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    // Tiles reach over the edge of what they make up, those of a small picture by much.
    let most = (2 * pixels).max(1 << 20);
    let items = isobmff::data(bytes).ok_or_else(|| broken("its parts lie over each other"))?;
    if items.iter().any(|item| av1::largest_frame(item) > most) {
        return Err(broken("the picture is larger than its container says"));
    }
    // Of an animation the still beside it: the library would read the film, which was not looked at.
    let mut still = Cow::Borrowed(bytes);
    if bytes.get(8..12) == Some(b"avis") {
        still.to_mut()[8..12].copy_from_slice(b"avif");
    }
    let image = libavif::decode(&still).map_err(broken)?;
    let (width, height) = (image.width(), image.height());
    if width > probe.width || height > probe.height {
        return Err(broken("the picture is larger than its container says"));
    }
    let rgba = libavif::RgbPixels::from(image);
    let rgba = rgba.as_slice();
    if rgba.len() != picture::bytes(width, height, 4) {
        return Err(broken("its parts contradict each other"));
    }
    let (profile, orientation) = isobmff::shown(bytes);
    Ok(Raw {
        width,
        height,
        samples: Samples::Rgb(over_white(rgba)),
        profile,
        orientation,
        flaw: None,
    })
}

fn broken(why: impl Into<Reason>) -> DecodeError {
    DecodeError::Broken { format: Format::Avif, why: why.into().to_string() }
}
