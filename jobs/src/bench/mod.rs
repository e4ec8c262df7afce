//! What `tests/bench` measures, as programs of their own can call it. Not for use: the daemon has jobs.

mod library;

use crate::pixels::{self, Encoding, Head, Limits, Probe, Step, VariantOrder, Wanted, probe};

pub use library::{Matched, match_library};

/// As much as the decode of any photo takes.
const MEMORY: u64 = 1 << 30;

/// Everything that is known of a photo's file, camera data included.
fn probed(bytes: &[u8]) -> Result<Probe, String> {
    let mut head = Head::new(bytes.len() as u64);
    loop {
        match probe(&head, "", Limits::default()) {
            Step::Need(range) => {
                let part = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                let part = part.and_then(|(start, end)| bytes.get(start..end));
                head.insert(range.start, part.unwrap_or_default().to_vec());
            }
            Step::Picture(probe) => return Ok(*probe),
            Step::Refused(refusal) => return Err(refusal.to_string()),
        }
    }
}

/// A photo's three variants, and what is made of it beside them.
#[derive(Debug)]
pub struct Made {
    /// Widths and files.
    pub files: Vec<(u32, Vec<u8>)>,
    /// The bytes of its `ThumbHash`.
    pub placeholder: Vec<u8>,
    /// What is wrong with the photo.
    pub flaw: Option<String>,
}

/// A photo's variants of 400, 800 and 1200 pixels in one format, its placeholder and fingerprint.
///
/// # Errors
/// The photo cannot be read, or the format is none of `jpeg`, `webp`, `avif`.
pub fn variants(bytes: &[u8], format: &str, quality: u8, effort: u8) -> Result<Made, String> {
    let encoding = match format {
        "jpeg" => Encoding::Jpeg { quality },
        "webp" => Encoding::WebP { quality, effort },
        "avif" => Encoding::Avif { quality, speed: effort },
        other => return Err(format!("{other} is none of jpeg, webp, avif")),
    };
    let order = VariantOrder { widths: vec![400, 800, 1200], encodings: vec![encoding] };
    let probe = probed(bytes)?;
    let made = pixels::variants(bytes, &probe, &order, MEMORY, &|| false)
        .map_err(|error| error.to_string())?;
    std::hint::black_box(made.luma);
    Ok(Made {
        files: made.files.into_iter().map(|file| (file.width, file.bytes)).collect(),
        placeholder: made.placeholder,
        flaw: made.flaw.map(|flaw| flaw.to_string()),
    })
}

/// Width, height and samples of a photo's brightness, at least so many pixels on the shorter side.
///
/// # Errors
/// The photo cannot be read.
pub fn luma(bytes: &[u8], short_side: u32) -> Result<(u32, u32, Vec<u8>), String> {
    let decoded = pixels::decode_luma(bytes, &probed(bytes)?, short_side, MEMORY);
    let luma = decoded.map_err(|error| format!("{error}; {}", error.hint()))?.pixels;
    Ok((luma.width, luma.height, luma.samples))
}

/// Width, height and colours of a photo at full size, and what its decode and its variants were
/// expected to take in bytes.
///
/// # Errors
/// The photo cannot be read.
pub fn picture(bytes: &[u8]) -> Result<(u32, u32, Vec<u8>, [u64; 2]), String> {
    let probe = probed(bytes)?;
    let order = VariantOrder {
        widths: vec![400, 800, 1200],
        encodings: vec![Encoding::Avif { quality: 60, speed: 9 }],
    };
    let costs = [pixels::cost(&probe, Wanted::Full), pixels::variants_cost(&probe, &order)];
    let decoded = pixels::decode(bytes, &probe, Wanted::Full, MEMORY);
    let picture = decoded.map_err(|error| format!("{error}; {}", error.hint()))?.pixels;
    Ok((picture.width, picture.height, picture.rgb, costs))
}
