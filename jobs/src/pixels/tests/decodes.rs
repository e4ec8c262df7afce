//! Every format against the pixels that were put in, at every scale.

use image::{DynamicImage, ImageFormat, RgbImage};
use turbojpeg::Subsamp;

use super::super::decode::DecodeError;
use super::super::{Flaw, Format, Wanted, cost, decode, decode_luma};
use super::draw::{busy, differ, file, jpeg, probed, slope};

const MEMORY: u64 = 512 << 20;

/// Means of blocks: what a scaled decode should come near.
fn means(picture: &RgbImage, by: u32) -> Vec<u8> {
    let (width, height) = (picture.width().div_ceil(by), picture.height().div_ceil(by));
    let mut out = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let xs = x * by..((x + 1) * by).min(picture.width());
                let block = xs.flat_map(|x| {
                    let ys = y * by..((y + 1) * by).min(picture.height());
                    ys.map(move |y| u32::from(picture.get_pixel(x, y).0[channel]))
                });
                let block: Vec<u32> = block.collect();
                let count = u32::try_from(block.len()).unwrap();
                out.push(u8::try_from((block.iter().sum::<u32>() + count / 2) / count).unwrap());
            }
        }
    }
    out
}

#[test]
fn a_jpeg_at_every_scale() {
    let picture = slope(203, 117);
    for subsampling in [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2] {
        for progressive in [false, true] {
            let file = jpeg(&picture, subsampling, progressive);
            let probe = probed(&file);
            for (width, by) in [(203, 1), (102, 1), (101, 2), (51, 4), (26, 8), (5, 8)] {
                let by = if width == 102 { 2 } else { by };
                let decoded = decode(&file, &probe, Wanted::Width(width), MEMORY).unwrap();
                let ours = decoded.pixels;
                assert_eq!((ours.width, ours.height), (203_u32.div_ceil(by), 117_u32.div_ceil(by)));
                let (most, mean) = differ(&ours.rgb, &means(&picture, by));
                assert!(most <= 12 && mean < 2.0, "{subsampling:?} 1/{by}: {most}, {mean}");
                assert_eq!(decoded.flaw, None);
            }
        }
    }
}

#[test]
fn luma_is_what_the_colours_say() {
    let picture = slope(400, 300);
    let file = jpeg(&picture, Subsamp::Sub2x2, false);
    let probe = probed(&file);
    for (short_side, expected) in [(300, (400, 300)), (128, (200, 150)), (30, (50, 38))] {
        let luma = decode_luma(&file, &probe, short_side, MEMORY).unwrap().pixels;
        assert_eq!((luma.width, luma.height), expected);
        let colours = decode(&file, &probe, Wanted::ShortSide(short_side), MEMORY).unwrap();
        let (most, mean) = differ(&luma.samples, &colours.pixels.luma().samples);
        assert!(most <= 3 && mean < 1.0, "{short_side}: {most}, {mean}");
    }
}

#[test]
fn lossless_formats_to_the_last_bit() {
    let picture = slope(61, 33);
    let exact = picture.as_raw();
    let wide = DynamicImage::ImageRgb8(picture.clone()).into_rgb16();
    let alpha = DynamicImage::ImageRgb8(picture.clone()).into_rgba8();
    let files = [
        file(picture.clone(), ImageFormat::Png),
        file(picture.clone(), ImageFormat::Tiff),
        file(picture.clone(), ImageFormat::Bmp),
        file(wide.clone(), ImageFormat::Png),
        file(wide, ImageFormat::Tiff),
        file(alpha.clone(), ImageFormat::Png),
        webpx::Encoder::new_rgb(exact, 61, 33).lossless(true).encode(webpx::Unstoppable).unwrap(),
    ];
    for file in files {
        let probe = probed(&file);
        let ours = decode(&file, &probe, Wanted::Full, MEMORY).unwrap().pixels;
        assert_eq!((ours.width, ours.height), (61, 33), "{}", probe.format);
        assert!(ours.rgb == *exact, "{}: {:?}", probe.format, differ(&ours.rgb, exact));
    }
}

#[test]
fn greys_and_transparency() {
    let grey = DynamicImage::ImageRgb8(slope(20, 10)).into_luma8();
    let expected: Vec<u8> = grey.iter().flat_map(|&grey| [grey; 3]).collect();
    let wide = DynamicImage::ImageLuma8(grey.clone()).into_luma16();
    for file in [file(grey.clone(), ImageFormat::Png), file(wide, ImageFormat::Png)] {
        let ours = decode(&file, &probed(&file), Wanted::Full, MEMORY).unwrap().pixels;
        assert_eq!(ours.rgb, expected);
    }
    // Half of black over white, nothing of red over white, all of blue.
    let pixels = [[0, 0, 0, 128], [255, 0, 0, 0], [0, 0, 255, 255]];
    let rgba = image::RgbaImage::from_raw(3, 1, pixels.concat()).unwrap();
    let lossless = webpx::Encoder::new_rgba(rgba.as_raw(), 3, 1).lossless(true).exact(true);
    for file in [file(rgba.clone(), ImageFormat::Png), lossless.encode(webpx::Unstoppable).unwrap()]
    {
        let ours = decode(&file, &probed(&file), Wanted::Full, MEMORY).unwrap().pixels;
        assert_eq!(ours.rgb, [127, 127, 127, 255, 255, 255, 0, 0, 255]);
    }
}

#[test]
fn what_is_missing_decides() {
    let whole = jpeg(&busy(640, 480), Subsamp::Sub2x2, false);
    let cut = |percent: usize| {
        let file = &whole[..whole.len() * percent / 100];
        decode(file, &probed(file), Wanted::Width(300), MEMORY)
    };
    let flaw = cut(90).unwrap().flaw;
    assert!(matches!(flaw, Some(Flaw::Incomplete { missing: 5..=15, .. })), "{flaw:?}");
    let error = cut(30).unwrap_err();
    assert!(matches!(error, DecodeError::Fragment { missing: 60..=80, .. }), "{error:?}");
    assert!(error.to_string().starts_with('7'), "{error}");
    // A progressive picture has all its rows early, only coarser.
    let whole = jpeg(&busy(640, 480), Subsamp::Sub2x2, true);
    let file = &whole[..whole.len() * 6 / 10];
    let flaw = decode(file, &probed(file), Wanted::Width(300), MEMORY).unwrap().flaw;
    assert!(matches!(flaw, Some(Flaw::Incomplete { missing: 0, .. })), "{flaw:?}");
}

#[test]
fn what_takes_too_much_is_refused_by_its_header() {
    let mut file = jpeg(&slope(8, 8), Subsamp::Sub2x2, false);
    // The frame claims 16000 × 16000 pixels.
    let frame = file.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    file[frame + 5..frame + 9].copy_from_slice(&[0x3E, 0x80, 0x3E, 0x80]);
    let probe = probed(&file);
    assert_eq!(probe.format, Format::Jpeg);
    assert!(cost(&probe, Wanted::Full) > 1_500_000_000);
    let error = decode(&file, &probe, Wanted::Full, MEMORY).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the JPEG picture of 16000 × 16000 pixels takes 1541 MB to decode; the limit is 536 MB"
    );
    assert!(cost(&probe, Wanted::ShortSide(128)) < 64 << 20, "a fingerprint is cheap");
}
