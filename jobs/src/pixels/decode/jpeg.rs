//! JPEG through libjpeg-turbo, scaled while it is decoded: at 1/8 only the mean of each block of 8 × 8
//! pixels is computed.

use std::borrow::Cow;

use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor};

use super::super::colour::Profile;
use super::{DecodeError, Flaw, Format, Probe, Raw, Reason, Samples, Wanted, cost, segments};

/// A progressive picture may have so many scans. Encoders write about ten; each one goes over the
/// whole picture, so a small file could keep a decoder busy for minutes.
const MAX_SCANS: u32 = 64;
/// A picture of which more is missing is none.
const MAX_MISSING: usize = 50;
/// What libjpeg fills in where a file ends early: no deviation from the middle.
const MISSING: u8 = 128;

/// Reads the samples in the smallest scale that serves.
pub(super) fn read(
    bytes: &[u8],
    probe: &Probe,
    wanted: Wanted,
    grey: bool,
) -> Result<Raw, DecodeError> {
    let scale = ScalingFactor::new(cost::eighths(probe, wanted) as usize, 8);
    let mut decoder = Decompressor::new().map_err(broken)?;
    decoder.set_scan_limit(MAX_SCANS).map_err(broken)?;
    let (header, file) = header(&mut decoder, bytes)?;
    if (header.width, header.height) != (probe.width as usize, probe.height as usize) {
        return Err(broken("its headers contradict each other"));
    }
    let format = match header.colorspace {
        Colorspace::CMYK | Colorspace::YCCK => PixelFormat::CMYK,
        Colorspace::Gray => PixelFormat::GRAY,
        _ if grey => PixelFormat::GRAY,
        _ => PixelFormat::RGB,
    };
    let scale = if header.is_lossless { ScalingFactor::ONE } else { scale };
    decoder.set_scaling_factor(scale).map_err(broken)?;
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let pitch = width * format.size();
    let mut samples = vec![0; pitch * height];
    let mut decode = |samples: &mut [u8]| {
        decoder.decompress(&file, Image { pixels: samples, width, pitch, height, format })
    };
    let mut flaw = None;
    if decode(&mut samples).is_err() {
        // The rows before the damage are there; once more, to tell them from those that are not.
        samples.fill(MISSING);
        let error = decode(&mut samples).err();
        flaw = error.map(|error| damage(&samples, pitch, &error)).transpose()?;
    }
    if format == PixelFormat::CMYK {
        // What is stored is how much light the inks leave: Adobe's programs began with it, and all others
        // read it so, with Adobe's mark or without.
        for sample in &mut samples {
            *sample = !*sample;
        }
    }
    Ok(Raw {
        width: u32::try_from(width).map_err(broken)?,
        height: u32::try_from(height).map_err(broken)?,
        samples: match format {
            PixelFormat::CMYK => Samples::Cmyk(samples),
            PixelFormat::GRAY => Samples::Grey(samples),
            _ => Samples::Rgb(samples),
        },
        profile: segments::of_jpeg(bytes).map(Profile::Icc),
        orientation: probe.orientation.unwrap_or(1),
        flaw,
    })
}

/// What the headers say, and the file as the decoder takes it.
fn header<'a>(
    decoder: &mut Decompressor,
    bytes: &'a [u8],
) -> Result<(DecompressHeader, Cow<'a, [u8]>), DecodeError> {
    match decoder.read_header(bytes) {
        Ok(header) => Ok((header, Cow::Borrowed(bytes))),
        // It takes stray bytes for an error, which is no reason to give up a picture.
        Err(error) => {
            let tidy = segments::tidied(bytes).ok_or_else(|| broken(error))?;
            Ok((decoder.read_header(&tidy).map_err(broken)?, Cow::Owned(tidy)))
        }
    }
}

/// How much is missing at the end of a picture that could not be read to its end.
fn damage(samples: &[u8], pitch: usize, error: &turbojpeg::Error) -> Result<Flaw, DecodeError> {
    let why = words(error);
    let empty = |row: &&[u8]| row.iter().all(|&sample| sample == MISSING);
    let missing = samples.chunks_exact(pitch).rev().take_while(empty).count();
    let rows = samples.len() / pitch;
    let percent = (missing * 100).div_ceil(rows);
    let missing = u8::try_from(percent).unwrap_or(100);
    match percent {
        0..=MAX_MISSING => Ok(Flaw::Incomplete { missing, why }),
        100 => Err(DecodeError::Broken { format: Format::Jpeg, why }),
        _ => Err(DecodeError::Fragment { format: Format::Jpeg, missing, why }),
    }
}

/// The library's own words without its name.
fn words(error: &turbojpeg::Error) -> String {
    match error {
        turbojpeg::Error::TurboJpegError(words) => words.clone(),
        other => other.to_string(),
    }
}

fn broken(why: impl Into<Reason>) -> DecodeError {
    DecodeError::Broken { format: Format::Jpeg, why: why.into().to_string() }
}
