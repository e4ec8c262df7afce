//! WebP through libwebp, scaled while it is decoded; of an animation the first frame.

use webpx::{AnimationDecoder, ColorMode, Decoder, DecoderConfig};

use super::super::colour::Profile;
use super::super::picture;
use super::{DecodeError, Format, Probe, Raw, Reason, Samples, Wanted, cost, over_white};

/// Reads the samples in the scale that serves.
pub(super) fn read(bytes: &[u8], probe: &Probe, wanted: Wanted) -> Result<Raw, DecodeError> {
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    let mut limits = webpx::Limits::none();
    limits.max_pixels = Some(pixels);
    limits.max_width = Some(probe.width);
    limits.max_height = Some(probe.height);
    let decoder = Decoder::new(bytes).map_err(broken)?;
    let info = decoder.info();
    let animated = info.has_animation;
    let transparent = info.has_alpha;
    let (samples, width, height) = if animated {
        let decoder = AnimationDecoder::with_options_limits(bytes, ColorMode::Rgba, false, &limits);
        let frame = decoder.and_then(|mut decoder| decoder.next_frame()).map_err(broken)?;
        let frame = frame.ok_or_else(|| broken("it has no frame"))?;
        (over_white(&frame.data), frame.width, frame.height)
    } else {
        let (width, height) = cost::scaled_size(probe, wanted);
        let mut decoder = decoder.config(DecoderConfig::new().limits(limits));
        if (width, height) != (probe.width, probe.height) {
            decoder = decoder.scale(width, height);
        }
        if transparent {
            let (rgba, width, height) = decoder.decode_rgba_raw().map_err(broken)?;
            (over_white(&rgba), width, height)
        } else {
            decoder.decode_rgb_raw().map_err(broken)?
        }
    };
    if samples.len() != picture::bytes(width, height, 3) {
        return Err(broken("its parts contradict each other"));
    }
    let profile = webpx::get_icc_profile(bytes).ok().flatten();
    Ok(Raw {
        width,
        height,
        samples: Samples::Rgb(samples),
        profile: profile.map(Profile::Icc),
        orientation: probe.orientation.unwrap_or(1),
        flaw: None,
    })
}

fn broken(why: impl Into<Reason>) -> DecodeError {
    DecodeError::Broken { format: Format::WebP, why: why.into().to_string() }
}
