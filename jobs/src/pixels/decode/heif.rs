//! HEIC through a decoder of HEVC stills in Rust.

use heic_decoder::HeifError;

use super::super::colour::{Cicp, Profile};
use super::super::isobmff;
use super::{DecodeError, Format, Probe, Raw, Reason, Samples, hevc, over_white};

/// Reads the samples; the decoder turns them upright, as the container says. EXIF's orientation does
/// not count in HEIF (ISO/IEC 23008-12, 6.5.10 and annex A.1).
pub(super) fn read(bytes: &[u8], probe: &Probe) -> Result<Raw, DecodeError> {
    let info = heic_decoder::probe(bytes).map_err(refusal)?;
    let claimed = (probe.width as usize, probe.height as usize);
    if info.coded_width > claimed.0 || info.coded_height > claimed.1 {
        return Err(broken("the picture is larger than its container says"));
    }
    // Tiles reach over the edge of what they make up, those of a small picture by much.
    let most = (2 * u64::from(probe.width) * u64::from(probe.height)).max(1 << 20);
    for pictures in isobmff::configurations(&bytes, *b"hvcC") {
        if pictures.into_iter().map(hevc::largest_picture).sum::<u64>() > most {
            return Err(broken("the picture is larger than its container says"));
        }
    }
    // One thread: how many pictures are decoded at once is not the decoder's to decide.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(broken)?;
    let image = alone.install(|| heic_decoder::decode(bytes)).map_err(refusal)?;
    let samples = match image.alpha {
        Some(_) => over_white(&image.to_rgba8().map_err(refusal)?.data),
        None => image.to_rgb8().map_err(refusal)?.data,
    };
    let cicp = image.color_info.map(|colour| {
        Profile::Cicp(Cicp {
            primaries: colour.color_primaries,
            transfer: colour.transfer_characteristics,
        })
    });
    Ok(Raw {
        width: u32::try_from(image.width).map_err(broken)?,
        height: u32::try_from(image.height).map_err(broken)?,
        samples: Samples::Rgb(samples),
        profile: image.metadata.icc_profile.map(Profile::Icc).or(cicp),
        orientation: 1,
        flaw: None,
    })
}

fn refusal(error: HeifError) -> DecodeError {
    match error {
        HeifError::Unsupported(_) => {
            DecodeError::Unsupported { format: Format::Heic, why: error.to_string() }
        }
        _ => broken(error),
    }
}

fn broken(why: impl Into<Reason>) -> DecodeError {
    DecodeError::Broken { format: Format::Heic, why: why.into().to_string() }
}
