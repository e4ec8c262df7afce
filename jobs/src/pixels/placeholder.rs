//! A picture in 25 bytes, to be shown while it loads: ThumbHash.

use pic_scale::PicScaleError;

use super::picture::Picture;
use super::resize::resize;

/// The hash keeps seven waves a side at most; more pixels than these change none of its bytes much.
const SIDE: u32 = 48;

/// The ThumbHash of a picture (<https://evanw.github.io/thumbhash>), 5 to 25 bytes.
///
/// # Errors
/// The picture has no pixels.
pub(crate) fn placeholder(picture: &Picture) -> Result<Vec<u8>, PicScaleError> {
    let long = picture.width.max(picture.height);
    let fit = |side: u32| {
        let fit = (u64::from(side) * u64::from(SIDE)).div_ceil(u64::from(long.max(1)));
        u32::try_from(fit).unwrap_or(SIDE).clamp(1, side.max(1))
    };
    let (width, height) = (fit(picture.width), fit(picture.height));
    let rgb = resize(&picture.rgb, (picture.width, picture.height), (width, height))?;
    let (pixels, _) = rgb.as_chunks::<3>();
    let rgba: Vec<u8> = pixels.iter().flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
    Ok(thumbhash::rgba_to_thumb_hash(width as usize, height as usize, &rgba))
}
