//! What a picture looks like, in few bits: copies of it have nearly the same ones.
//!
//! The route is one for all, and [`FINGERPRINT_VERSION`] names it: the upright luma (BT.601, as JPEG keeps
//! it) at any scale that leaves [`SHORT_SIDE`] pixels, averaged over a field of 64 × 64 cells whatever
//! the proportions, then hashed twice with `image_hasher`: signs of horizontal gradients, which are
//! searched for, and signs of a cosine transform, which confirm what was found.

use std::sync::LazyLock;

use image::GrayImage;
use image_hasher::{FilterType, HashAlg, Hasher, HasherConfig};

use super::Luma;

/// Fingerprints of different versions cannot be compared. Count up when anything here changes a bit.
pub(crate) const FINGERPRINT_VERSION: i32 = 1;

/// Pixels that a scaled decode has to leave on the shorter side.
pub(crate) const SHORT_SIDE: u32 = 128;

/// Cells of the averaged field on each side.
const FIELD: u32 = 64;
/// Samples from which a cell counts as brighter than its neighbour, beyond any noise of a codec.
const DECIDED: u8 = 3;
/// Samples that are clipped, at either end.
const CLIPPED: u8 = 4;

/// What a picture looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Signs of the gradients between 9 × 8 cells, row by row.
    pub(crate) gradient: u64,
    /// Whether the 16 × 16 lowest frequencies are above their median, row by row.
    pub(crate) dct: [u64; 4],
    /// How many of the gradients are clear, of 64. A picture without is flat, and its bits are noise.
    pub(crate) detail: u8,
    /// Energy of the Laplacian relative to the variance, in thousandths: how crisp the picture is at a
    /// scale of 128 × 128 cells, whatever its contrast.
    pub(crate) sharpness: u32,
    /// Samples that are neither black nor white, in thousandths.
    pub(crate) exposure: u16,
}

struct Hashers {
    gradient: Hasher<[u8; 8]>,
    dct: Hasher<[u8; 32]>,
}

static HASHERS: LazyLock<Hashers> = LazyLock::new(|| {
    let filter = FilterType::Triangle;
    Hashers {
        gradient: HasherConfig::with_bytes_type()
            .hash_alg(HashAlg::Gradient)
            .hash_size(8, 8)
            .resize_filter(filter)
            .to_hasher(),
        dct: HasherConfig::with_bytes_type()
            .hash_alg(HashAlg::Median)
            .hash_size(16, 16)
            .preproc_dct()
            .resize_filter(filter)
            .to_hasher(),
    }
});

impl Fingerprint {
    /// The fingerprint of a picture with at least one pixel.
    pub(crate) fn of(luma: &Luma) -> Self {
        let fine = average(luma, 2 * FIELD, 2 * FIELD);
        let field = average(luma, FIELD, FIELD);
        let detail = clear_gradients(&average(luma, 9, 8));
        // A field has as many samples as cells.
        let field = GrayImage::from_raw(FIELD, FIELD, field).unwrap_or_default();
        let gradient = HASHERS.gradient.hash_image(&field);
        let dct = HASHERS.dct.hash_image(&field);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(dct.as_bytes().as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self {
            gradient: gradient.as_bytes().as_array().copied().map_or(0, u64::from_le_bytes),
            dct: words,
            detail,
            sharpness: sharpness(&fine, 2 * FIELD as usize),
            exposure: exposure(&fine),
        }
    }

    /// Bits by which the gradients differ, of 64.
    pub(crate) fn gradient_distance(&self, other: &Self) -> u32 {
        (self.gradient ^ other.gradient).count_ones()
    }

    /// Bits by which the frequencies differ, of 256.
    pub(crate) fn dct_distance(&self, other: &Self) -> u32 {
        self.dct.iter().zip(&other.dct).map(|(one, two)| (one ^ two).count_ones()).sum()
    }
}

/// Averages a picture over `width` × `height` cells of equal size, fractions of pixels included.
fn average(luma: &Luma, width: u32, height: u32) -> Vec<u8> {
    let (stride, cells) = (luma.width as usize, width as usize);
    // A cell is `luma.width × luma.height` units of area, a pixel `width × height`.
    let area = u64::from(luma.width) * u64::from(luma.height);
    let columns: Vec<Vec<(usize, u32)>> =
        (0..width).map(|at| overlaps(at, luma.width, width)).collect();
    let mut averaged = Vec::with_capacity(cells * height as usize);
    let mut sums = vec![0_u32; stride];
    for row in 0..height {
        sums.fill(0);
        for (line, weight) in overlaps(row, luma.height, height) {
            let line = &luma.samples[line * stride..][..stride];
            for (sum, &sample) in sums.iter_mut().zip(line) {
                *sum += weight * u32::from(sample);
            }
        }
        averaged.extend(columns.iter().map(|pixels| {
            let weighed = pixels.iter().map(|&(x, weight)| u64::from(sums[x]) * u64::from(weight));
            u8::try_from((weighed.sum::<u64>() + area / 2) / area).unwrap_or(u8::MAX)
        }));
    }
    averaged
}

/// The pixels that a cell covers, and how much of each: of `cells` cells that share `pixels` pixels,
/// a pixel has `cells` units and a cell has `pixels`.
fn overlaps(cell: u32, pixels: u32, cells: u32) -> Vec<(usize, u32)> {
    let (pixels, cells) = (u64::from(pixels), u64::from(cells));
    let (start, end) = (u64::from(cell) * pixels, (u64::from(cell) + 1) * pixels);
    (start / cells..end.div_ceil(cells))
        .map(|pixel| {
            let covered = end.min((pixel + 1) * cells) - start.max(pixel * cells);
            // Both are at most as large as a side of the picture.
            (usize::try_from(pixel).unwrap_or(0), u32::try_from(covered).unwrap_or(0))
        })
        .collect()
}

/// How many neighbours in rows of nine differ clearly.
fn clear_gradients(cells: &[u8]) -> u8 {
    let rows = cells.as_chunks::<9>().0.iter();
    let clear =
        rows.flat_map(|row| row.windows(2)).filter(|two| two[0].abs_diff(two[1]) >= DECIDED);
    u8::try_from(clear.count()).unwrap_or(u8::MAX)
}

/// Mean square of the Laplacian relative to the variance, in thousandths.
fn sharpness(field: &[u8], side: usize) -> u32 {
    let at = |x: usize, y: usize| i64::from(field[y * side + x]);
    let mut energy = 0;
    for y in 1..side - 1 {
        for x in 1..side - 1 {
            let around = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1);
            energy += (around - 4 * at(x, y)).pow(2);
        }
    }
    let count = i64::try_from(field.len()).unwrap_or(i64::MAX);
    let sum: i64 = field.iter().map(|&sample| i64::from(sample)).sum();
    let squares: i64 = field.iter().map(|&sample| i64::from(sample).pow(2)).sum();
    let variance = (squares - sum * sum / count).max(1);
    u32::try_from(energy * 1_000 / variance).unwrap_or(u32::MAX)
}

/// Samples that are not clipped, in thousandths.
fn exposure(field: &[u8]) -> u16 {
    let kept = field.iter().filter(|&&sample| (CLIPPED..=u8::MAX - CLIPPED).contains(&sample));
    u16::try_from(kept.count() * 1_000 / field.len().max(1)).unwrap_or(0)
}

/// Spreads the bits of a gradient so that each run of them holds places that lie far apart, because
/// neighbours tend to agree: 16 bits in a row are every second place of every second line. Distances
/// stay as they are.
pub(crate) fn spread(gradient: u64) -> u64 {
    // The number of a place, highest bit first: y2 y1 y0 x2 x1 x0 → x0 y0 x1 y1 x2 y2.
    let swapped = swap(swap(gradient, 5, 0), 4, 3);
    swap(swap(swapped, 3, 1), 2, 1)
}

/// Moves each bit to the place whose number has two bits swapped, the first higher than the second.
fn swap(word: u64, high: u32, low: u32) -> u64 {
    // Every place whose number has this bit.
    let with = |bit: u32| (u64::MAX / ((1 << (1 << bit)) + 1)) << (1 << bit);
    let distance = (1 << high) - (1 << low);
    let differ = (word ^ (word >> distance)) & with(low) & !with(high);
    word ^ differ ^ (differ << distance)
}

/// A gradient in four bands.
pub(crate) fn bands(gradient: u64) -> [u16; 4] {
    let spread = spread(gradient);
    [0, 16, 32, 48].map(|shift| u16::try_from(spread >> shift & 0xffff).unwrap_or(0))
}

/// All values that each band of a gradient within `radius` may have, in at least one of the bands: the
/// general pigeonhole principle, by which the limits of four bands sum up to `radius − 3`.
pub(crate) fn bands_near(gradient: u64, radius: u32) -> [Vec<u16>; 4] {
    let sum = radius.saturating_sub(3);
    let mut at = 0;
    bands(gradient).map(|band| {
        let limit = (sum + at) / 4;
        at += 1;
        let near = (0..=u16::MAX).filter(|differ| differ.count_ones() <= limit);
        near.map(|differ| band ^ differ).collect()
    })
}

#[cfg(test)]
mod tests;
