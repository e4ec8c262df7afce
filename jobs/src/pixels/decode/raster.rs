//! PNG, GIF (its first frame), TIFF and BMP through the decoders of `image`.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, tiff::TiffDecoder};
use image::error::{ImageError, UnsupportedErrorKind};
use image::{ColorType, ImageDecoder};

use super::super::colour::Profile;
use super::super::picture;
use super::{DecodeError, Format, Probe, Raw, Samples, blend, over_white};

/// Reads the samples; what the decoder allocates itself may take up to `memory` bytes.
pub(super) fn read(bytes: &[u8], probe: &Probe, memory: u64) -> Result<Raw, DecodeError> {
    let input = Cursor::new(bytes);
    let read = match probe.format {
        Format::Png => PngDecoder::new(input).and_then(|decoder| samples(decoder, probe, memory)),
        Format::Gif => GifDecoder::new(input).and_then(|decoder| samples(decoder, probe, memory)),
        Format::Tiff => TiffDecoder::new(input).and_then(|decoder| samples(decoder, probe, memory)),
        _ => BmpDecoder::new(input).and_then(|decoder| samples(decoder, probe, memory)),
    };
    read.map_err(|error| refusal(&error, probe.format))
}

fn samples(mut decoder: impl ImageDecoder, probe: &Probe, memory: u64) -> Result<Raw, ImageError> {
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(probe.width);
    limits.max_image_height = Some(probe.height);
    limits.max_alloc = Some(memory);
    decoder.set_limits(limits)?;
    let (width, height) = decoder.dimensions();
    let kind = decoder.color_type();
    let profile = decoder.icc_profile().unwrap_or_default();
    // The header may promise less than the decoder would hand out.
    let mut samples = vec![0; picture::bytes(width, height, kind.bytes_per_pixel())];
    decoder.read_image(&mut samples)?;
    Ok(Raw {
        width,
        height,
        samples: eight_bits(samples, kind)?,
        profile: profile.map(Profile::Icc),
        orientation: probe.orientation.unwrap_or(1),
        flaw: None,
    })
}

/// What decoders of `image` hand out, as colours or greys of eight bits without transparency.
fn eight_bits(samples: Vec<u8>, kind: ColorType) -> Result<Samples, ImageError> {
    let narrow = |samples: &[u8]| -> Vec<u8> {
        let (wide, _) = samples.as_chunks::<2>();
        wide.iter().map(|&bytes| narrow(u16::from_ne_bytes(bytes))).collect()
    };
    let grey_over_white = |samples: &[u8]| {
        let (pixels, _) = samples.as_chunks::<2>();
        pixels.iter().map(|&[grey, alpha]| blend(grey, alpha)).collect()
    };
    Ok(match kind {
        ColorType::L8 => Samples::Grey(samples),
        ColorType::L16 => Samples::Grey(narrow(&samples)),
        ColorType::La8 => Samples::Grey(grey_over_white(&samples)),
        ColorType::La16 => Samples::Grey(grey_over_white(&narrow(&samples))),
        ColorType::Rgb8 => Samples::Rgb(samples),
        ColorType::Rgb16 => Samples::Rgb(narrow(&samples)),
        ColorType::Rgba8 => Samples::Rgb(over_white(&samples)),
        ColorType::Rgba16 => Samples::Rgb(over_white(&narrow(&samples))),
        other => {
            let kind = UnsupportedErrorKind::Color(other.into());
            let hint = image::error::ImageFormatHint::Unknown;
            let error = image::error::UnsupportedError::from_format_and_kind(hint, kind);
            return Err(ImageError::Unsupported(error));
        }
    })
}

/// The nearest value of eight bits; 65535 is 255 × 257.
fn narrow(value: u16) -> u8 {
    u8::try_from((u32::from(value) + 128) / 257).unwrap_or(u8::MAX)
}

fn refusal(error: &ImageError, format: Format) -> DecodeError {
    let why = error.to_string();
    match error {
        ImageError::Unsupported(_) => DecodeError::Unsupported { format, why },
        _ => DecodeError::Broken { format, why },
    }
}
