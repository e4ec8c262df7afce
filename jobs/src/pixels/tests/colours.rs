//! Wide gamuts, greys and inks.

use moxcms::ColorProfile;
use turbojpeg::{Colorspace, Compressor, Image, PixelFormat, Subsamp};

use super::super::{Wanted, decode};
use super::draw::{differ, jpeg, probed, slope, with_segments};

const MEMORY: u64 = 512 << 20;

fn pixels(file: &[u8]) -> Vec<u8> {
    decode(file, &probed(file), Wanted::Full, MEMORY).unwrap().pixels.rgb
}

/// A JPEG of one colour with a profile, in parts as long ones have to be.
fn tagged(colour: [u8; 3], profile: &[u8]) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(16, 16, image::Rgb(colour));
    let (first, second) = profile.split_at(profile.len() / 2);
    let part = |number: u8, part: &[u8]| [b"ICC_PROFILE\0", &[number, 2][..], part].concat();
    let parts = [part(1, first), part(2, second)];
    // In the wrong order, as the standard allows.
    let segments = [(0xE2, &parts[1][..]), (0xE2, &parts[0][..])];
    with_segments(&jpeg(&picture, Subsamp::None, false), &segments)
}

#[test]
fn wide_gamuts_become_srgb() {
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    // By the matrices of both spaces (CSS Color 4): what is outside is cut off.
    for (colour, expected) in [
        ([200, 100, 50], [215_u8, 95, 35]),
        ([255, 0, 0], [255, 0, 0]),
        ([128, 128, 128], [128, 128, 128]),
    ] {
        let ours = pixels(&tagged(colour, &p3));
        let (most, _) = differ(&ours[..3], &expected);
        assert!(most <= 4, "{colour:?}: {:?}, not {expected:?}", &ours[..3]);
    }
}

#[test]
fn profiles_of_srgb_change_nothing() {
    let srgb = ColorProfile::new_srgb().encode().unwrap();
    let picture = slope(64, 48);
    let plain = jpeg(&picture, Subsamp::None, false);
    let part = [b"ICC_PROFILE\0", &[1, 1][..], &srgb].concat();
    let tagged = with_segments(&plain, &[(0xE2, &part)]);
    assert_eq!(pixels(&plain), pixels(&tagged));
    // One that is none is not heeded either.
    let broken = with_segments(&plain, &[(0xE2, b"ICC_PROFILE\0\x01\x01not a profile")]);
    assert_eq!(pixels(&plain), pixels(&broken));
}

/// A JPEG of one colour in inks, as libjpeg stores it, with Adobe's mark.
fn inks(stored: [u8; 4], colorspace: Colorspace) -> Vec<u8> {
    let samples: Vec<u8> = stored.iter().copied().cycle().take(16 * 16 * 4).collect();
    let mut encoder = Compressor::new().unwrap();
    encoder.set_quality(100).unwrap();
    encoder.set_subsamp(Subsamp::None).unwrap();
    encoder.set_colorspace(colorspace).unwrap();
    let format = PixelFormat::CMYK;
    let image = Image { pixels: &samples[..], width: 16, pitch: 64, height: 16, format };
    encoder.compress_to_vec(image).unwrap()
}

#[test]
fn inks_with_and_without_adobes_mark() {
    for colorspace in [Colorspace::CMYK, Colorspace::YCCK] {
        // All of cyan, half of black.
        let adobe = inks([0, 255, 255, 128], colorspace);
        let (most, _) = differ(&pixels(&adobe)[..3], &[0, 128, 128]);
        assert!(most <= 2, "{colorspace:?}: {:?}", &pixels(&adobe)[..3]);
    }
    let mut plain = inks([0, 255, 255, 128], Colorspace::CMYK);
    let mark = plain.windows(2).position(|pair| pair == [0xFF, 0xEE]).unwrap();
    plain.drain(mark..mark + 16);
    let (most, _) = differ(&pixels(&plain)[..3], &[0, 128, 128]);
    assert!(most <= 2, "{:?}", &pixels(&plain)[..3]);
}
