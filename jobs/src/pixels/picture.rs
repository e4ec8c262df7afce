//! Decoded pixels, ready for the eye: upright, and in sRGB.

/// A picture of three bytes a pixel: sRGB, upright, transparency laid over white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Pixels per row.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// Red, green, blue, row by row without gaps.
    pub(crate) rgb: Vec<u8>,
}

/// The brightness of a picture, upright: BT.601 luma of the file's own colour values, one byte a
/// pixel. Of a JPEG that is its Y plane as stored, so it costs no conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Luma {
    /// Pixels per row.
    pub(crate) width: u32,
    /// Rows.
    pub(crate) height: u32,
    /// 0 is black, 255 is white, row by row without gaps.
    pub(crate) samples: Vec<u8>,
}

impl Picture {
    /// BT.601 luma, with the weights of JPEG (T.871): 0.299, 0.587, 0.114.
    pub(crate) fn luma(&self) -> Luma {
        Luma { width: self.width, height: self.height, samples: luma(&self.rgb) }
    }
}

/// The luma of red, green, blue triples, rounded.
pub(super) fn luma(rgb: &[u8]) -> Vec<u8> {
    let (pixels, _) = rgb.as_chunks::<3>();
    pixels
        .iter()
        .map(|&[red, green, blue]| {
            // The weights in 1/65536; they sum up to one.
            let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
            u8::try_from((sum + 0x8000) >> 16).unwrap_or(u8::MAX)
        })
        .collect()
}

/// How many bytes so many pixels take up; sizes are checked before anything is allocated.
pub(super) fn bytes(width: u32, height: u32, channels: u8) -> usize {
    let bytes = u64::from(width) * u64::from(height) * u64::from(channels);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
