//! AVIF through libavif and libaom.

use super::super::isobmff;
use super::super::picture;
use super::{DecodeError, Format, Probe, Raw, Reason, Samples, over_white};

/// Reads the samples. The container's turns are ours to do; EXIF's orientation does not count (AVIF
/// 1.1, 4.2, as in HEIF).
pub(super) fn read(bytes: &[u8], probe: &Probe) -> Result<Raw, DecodeError> {
    let image = libavif::decode(bytes).map_err(broken)?;
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
