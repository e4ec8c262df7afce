//! Makes pictures smaller.

use pic_scale::{ImageSize, ImageStore, ImageStoreMut, PicScaleError, ResamplingFunction, Scaler};

use super::picture;

/// Red, green, blue resampled with a Lanczos window of three lobes, in their own colour values, as
/// ImageMagick, Pillow and sharp do it.
///
/// # Errors
/// There are fewer samples than their size says, or a side is 0.
pub(super) fn resize(
    rgb: &[u8],
    (width, height): (u32, u32),
    to: (u32, u32),
) -> Result<Vec<u8>, PicScaleError> {
    let (from_width, from_height) = (width as usize, height as usize);
    let (to_width, to_height) = (to.0 as usize, to.1 as usize);
    let mut smaller = vec![0; picture::bytes(to.0, to.1, 3)];
    let source = ImageStore::<u8, 3>::borrow(rgb, from_width, from_height)?;
    let mut target = ImageStoreMut::borrow(&mut smaller, to_width, to_height)?;
    let from = ImageSize::new(from_width, from_height);
    let to = ImageSize::new(to_width, to_height);
    let plan = Scaler::new(ResamplingFunction::Lanczos3).plan_rgb_resampling(from, to)?;
    plan.resample(&source, &mut target)?;
    Ok(smaller)
}
