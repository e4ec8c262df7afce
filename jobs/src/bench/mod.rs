//! What `tests/bench` measures, as programs of their own can call it. Not for use: the daemon has jobs.

mod library;
mod stored;

use sha2::{Digest as _, Sha256};

use crate::photos::dedup::index::Words;
use crate::pixels::{
    self, Encoding, Fingerprint, Head, Limits, Probe, SHORT_SIDE, Step, VariantOrder, Wanted, probe,
};

pub use library::{Matched, match_library};
pub use stored::store_library;

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
    std::hint::black_box(Fingerprint::of(&made.luma));
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

/// What a scan finds out about a photo's looks: camera data, scaled decode, fingerprint; a word of it.
///
/// # Errors
/// The photo cannot be read.
pub fn fingerprint(bytes: &[u8]) -> Result<u64, String> {
    let probe = probed(bytes)?;
    let decoded = pixels::decode_luma(bytes, &probe, SHORT_SIDE, MEMORY);
    let luma = decoded.map_err(|error| error.to_string())?.pixels;
    Ok(Fingerprint::of(&luma).gradient)
}

/// The hash of a photo's bytes, which a scan computes on the way; a byte of it.
pub fn content_hash(bytes: &[u8]) -> u8 {
    Sha256::digest(bytes)[0]
}

/// How many pairs of words differ by at most `radius` bits, and a sum that tells whether they are the
/// same ones, in whatever order they were found.
pub fn pairs(words: Vec<u64>, radius: u32) -> (u64, u64) {
    let (mut count, mut sum) = (0, 0_u64);
    Words::new(words).pairs(radius, |one, other| {
        count += 1;
        sum = sum.wrapping_add(u64::from(one) << 32 | u64::from(other));
    });
    (count, sum)
}

/// Prepares words for look-ups; what it answers tells how many are within `radius` of one.
pub fn look_up(words: &[u64], radius: u32) -> impl Fn(u64) -> usize + use<> {
    let index = Words::new(words.iter().copied()).index(radius);
    move |word| index.within(word).len()
}
