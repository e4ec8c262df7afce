//! Colours of any profile in sRGB.

use std::sync::LazyLock;

use moxcms::{
    CicpColorPrimaries, CicpProfile, ColorProfile, DataColorSpace, Layout, MatrixCoefficients,
    TransferCharacteristics, Transform8BitExecutor, TransformOptions,
};

use super::decode::Samples;

/// What colours in a file mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// A profile of the International Color Consortium.
    Icc(Vec<u8>),
    /// Numbers of ITU-T H.273, as AVIF and HEIC have them.
    Cicp(Cicp),
}

/// Colour primaries and transfer characteristics (H.273, tables 2 and 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cicp {
    pub(super) primaries: u16,
    pub(super) transfer: u16,
}

/// Pixels that are converted at a time: source and target stay in the cache.
const RUN: usize = 4096;

static SRGB: LazyLock<ColorProfile> = LazyLock::new(ColorProfile::new_srgb);

/// Red, green and blue in sRGB. Colours without a profile, or with one that cannot be used, are taken
/// for sRGB, as browsers do.
pub(super) fn to_srgb(samples: Samples, profile: Option<&Profile>) -> Vec<u8> {
    match samples {
        Samples::Rgb(mut rgb) => {
            if let Some(transform) = transform(profile, DataColorSpace::Rgb, Layout::Rgb) {
                in_place(&mut rgb, &*transform);
            }
            rgb
        }
        Samples::Grey(grey) => match transform(profile, DataColorSpace::Gray, Layout::Gray) {
            Some(transform) => convert::<1>(&grey, &*transform),
            None => grey.iter().flat_map(|&grey| [grey; 3]).collect(),
        },
        Samples::Cmyk(cmyk) => match transform(profile, DataColorSpace::Cmyk, Layout::Rgba) {
            Some(transform) => convert::<4>(&cmyk, &*transform),
            None => inks(&cmyk),
        },
    }
}

type Transform = std::sync::Arc<Transform8BitExecutor>;

/// The way from a profile to sRGB, unless it is sRGB itself or does not fit the samples.
fn transform(
    profile: Option<&Profile>,
    space: DataColorSpace,
    layout: Layout,
) -> Option<Transform> {
    let source = match profile? {
        Profile::Icc(icc) => ColorProfile::new_from_slice(icc).ok()?,
        Profile::Cicp(cicp) => from_cicp(*cicp)?,
    };
    if source.color_space != space {
        return None;
    }
    let transform = source
        .create_transform_8bit(layout, &SRGB, Layout::Rgb, TransformOptions::default())
        .ok()?;
    (layout != Layout::Rgb || !keeps(&*transform)).then_some(transform)
}

/// Whether a transform leaves colours where they are, as those of the many profiles that describe sRGB
/// do: by one level at most.
fn keeps(transform: &Transform8BitExecutor) -> bool {
    const STEPS: [u8; 6] = [0, 20, 64, 128, 200, 255];
    let steps = || STEPS.into_iter();
    let pairs = steps().flat_map(|red| steps().map(move |green| (red, green)));
    let colours = pairs.flat_map(|(red, green)| steps().flat_map(move |blue| [red, green, blue]));
    let colours: Vec<u8> = colours.collect();
    let mut turned = vec![0; colours.len()];
    transform.transform(&colours, &mut turned).is_ok()
        && colours.iter().zip(&turned).all(|(from, to)| from.abs_diff(*to) <= 1)
}

fn in_place(rgb: &mut [u8], transform: &Transform8BitExecutor) {
    let mut source = vec![0; 3 * RUN];
    for run in rgb.chunks_mut(3 * RUN) {
        let source = &mut source[..run.len()];
        source.copy_from_slice(run);
        // Fails only for lengths that do not fit each other.
        let _ = transform.transform(source, run);
    }
}

fn convert<const N: usize>(samples: &[u8], transform: &Transform8BitExecutor) -> Vec<u8> {
    let mut rgb = vec![0; samples.len() / N * 3];
    for (from, to) in samples.chunks(N * RUN).zip(rgb.chunks_mut(3 * RUN)) {
        let _ = transform.transform(from, to);
    }
    rgb
}

/// Inks without a profile: each takes away its light, and black takes the rest (PDF 32000-1, 10.3.5
/// multiplied instead of cut off, as most programs show it).
fn inks(cmyk: &[u8]) -> Vec<u8> {
    let (pixels, _) = cmyk.as_chunks::<4>();
    let left = |ink: u8, black: u8| {
        let product = u32::from(255 - ink) * u32::from(255 - black);
        u8::try_from((product + 127) / 255).unwrap_or(u8::MAX)
    };
    pixels.iter().flat_map(|&[c, m, y, k]| [left(c, k), left(m, k), left(y, k)]).collect()
}

/// The curves of BT.709 and its kin describe cameras, not screens: what is tagged with them is made
/// to be looked at as if it were sRGB, like what is tagged with nothing.
const CAMERAS: [u16; 5] = [1, 2, 6, 14, 15];

fn from_cicp(cicp: Cicp) -> Option<ColorProfile> {
    let transfer = if CAMERAS.contains(&cicp.transfer) { 13 } else { cicp.transfer };
    let primaries = if cicp.primaries == 2 { 1 } else { cicp.primaries };
    let number = |number: u16| u8::try_from(number).ok();
    let profile = CicpProfile {
        color_primaries: CicpColorPrimaries::try_from(number(primaries)?).ok()?,
        transfer_characteristics: TransferCharacteristics::try_from(number(transfer)?).ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    };
    Some(ColorProfile::new_from_cicp(profile))
}
