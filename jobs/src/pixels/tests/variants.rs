//! What is made for the web: its shape, its pixels, and that it holds nothing else.

use std::f64::consts::PI;

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use turbojpeg::Subsamp;

use super::super::resize::resize;
use super::super::{Encoding, Format, Probe, VariantOrder, variants};
use super::build::{Tiff, Value};
use super::draw::{busy, differ, jpeg, probed, slope, with_segments};

const MEMORY: u64 = 512 << 20;
const ALL: [Encoding; 3] = [
    Encoding::Jpeg { quality: 90 },
    Encoding::WebP { quality: 90, effort: 2 },
    Encoding::Avif { quality: 80, speed: 9 },
];

fn order(widths: &[u32], encodings: &[Encoding]) -> VariantOrder {
    VariantOrder { widths: widths.to_vec(), encodings: encodings.to_vec() }
}

/// A photo with all that cameras and editors add to it.
fn photo(picture: &RgbImage, orientation: u16) -> Vec<u8> {
    let position: &[(u32, u32)] = &[(48, 1), (30, 1), (36, 1)];
    let tiff = Tiff {
        little: true,
        main: &[(0x010F, Value::Text("Canon")), (0x0112, Value::Short(orientation))],
        exif: &[(0x9003, Value::Text("2008:05:30 15:56:01"))],
        gps: &[
            (1, Value::Text("N")),
            (2, Value::Ratio(position)),
            (3, Value::Text("E")),
            (4, Value::Ratio(position)),
        ],
    };
    let exif = [b"Exif\0\0", &tiff.bytes()[..]].concat();
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>";
    let segments: [(u8, &[u8]); 4] = [
        (0xE1, &exif),
        (0xE1, xmp),
        (0xED, b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\0"),
        (0xFE, b"a comment"),
    ];
    with_segments(&jpeg(picture, Subsamp::None, false), &segments)
}

#[test]
fn all_eight_orientations_end_upright() {
    let stored = slope(160, 120);
    for orientation in 1..=8 {
        let file = photo(&stored, orientation.into());
        let order = order(&[60], &ALL);
        let made = variants(&file, &probed(&file), &order, MEMORY, &|| false).unwrap();
        let mut expected = DynamicImage::ImageRgb8(stored.clone());
        expected.apply_orientation(Orientation::from_exif(orientation).unwrap());
        let height = if orientation > 4 { 80 } else { 45 };
        let expected = expected.resize_exact(60, height, image::imageops::Lanczos3).into_rgb8();
        for made in &made.files {
            assert_eq!((made.width, made.height), (60, height), "{orientation}");
            let seen = super::super::decode(
                &made.bytes,
                &probed(&made.bytes),
                super::super::Wanted::Full,
                MEMORY,
            );
            let (most, mean) = differ(&seen.unwrap().pixels.rgb, expected.as_raw());
            assert!(most < 24 && mean < 3.0, "{orientation} {}: {most}, {mean}", made.format);
        }
    }
}

#[test]
fn every_width_in_every_format_and_none_made_up() {
    let file = photo(&busy(1000, 750), 1);
    let made = variants(&file, &probed(&file), &order(&[1200, 400, 800], &ALL), MEMORY, &|| false);
    let made = made.unwrap();
    let found: Vec<_> =
        made.files.iter().map(|file| (file.width, file.height, file.format)).collect();
    let each = [(400, 300), (800, 600), (1000, 750)].into_iter().flat_map(|(width, height)| {
        [Format::Jpeg, Format::WebP, Format::Avif].map(|format| (width, height, format))
    });
    assert_eq!(found, each.collect::<Vec<_>>());
    for file in &made.files {
        let probe = probed(&file.bytes);
        assert_eq!(
            (probe.format, probe.width, probe.height),
            (file.format, file.width, file.height)
        );
    }
    assert!(made.placeholder.len() > 4 && made.placeholder.len() <= 25);
    assert_eq!((made.luma.width, made.luma.height), (400, 300));
}

#[test]
fn nothing_but_pixels() {
    let file = photo(&busy(500, 400), 6);
    assert!(probed(&file).place.is_some());
    let made = variants(&file, &probed(&file), &order(&[400], &ALL), MEMORY, &|| false).unwrap();
    for made in &made.files {
        let Probe { taken, place, orientation, camera_make, flaws, .. } = probed(&made.bytes);
        assert_eq!((taken, place, orientation, camera_make), (None, None, None, None));
        assert_eq!(flaws, []);
        for note in
            [&b"Exif"[..], b"EXIF", b"adobe", b"XMP", b"Photoshop", b"ICC_PROFILE", b"comment"]
        {
            let found = memchr::memmem::find(&made.bytes, note);
            assert_eq!(found, None, "{} {:?}", made.format, String::from_utf8_lossy(note));
        }
    }
}

/// Lanczos with three lobes, by its formula: windowed sinc, widened by the factor of the reduction, one
/// direction after the other.
fn lanczos(picture: &RgbImage, width: u32, height: u32) -> Vec<u8> {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
    let kernel = |x: f64| if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 };
    let weights = |to: u32, from: u32| -> Vec<Vec<(usize, f64)>> {
        let factor = f64::from(from) / f64::from(to);
        let widen = factor.max(1.0);
        let one = |at: u32| {
            let centre = (f64::from(at) + 0.5) * factor - 0.5;
            let all = (0..from)
                .map(|place| (place as usize, kernel((f64::from(place) - centre) / widen)));
            let near: Vec<_> = all.filter(|(_, weight)| *weight != 0.0).collect();
            let sum: f64 = near.iter().map(|(_, weight)| weight).sum();
            near.into_iter().map(|(place, weight)| (place, weight / sum)).collect()
        };
        (0..to).map(one).collect()
    };
    let across = weights(width, picture.width());
    let down = weights(height, picture.height());
    let rows: Vec<Vec<[f64; 3]>> = picture
        .rows()
        .map(|row| {
            let row: Vec<_> = row.map(|pixel| pixel.0.map(f64::from)).collect();
            let sum = |weights: &Vec<(usize, f64)>| {
                std::array::from_fn(|c| weights.iter().map(|(x, weight)| row[*x][c] * weight).sum())
            };
            across.iter().map(sum).collect()
        })
        .collect();
    let mut out = Vec::new();
    for weights in &down {
        let rows = weights.iter().map(|(y, weight)| (&rows[*y], weight));
        let column =
            |x: usize, c: usize| rows.clone().map(|(row, weight)| row[x][c] * weight).sum();
        let sums = (0..width as usize).flat_map(|x| [0, 1, 2].map(|c| column(x, c)));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        out.extend(sums.map(|sum: f64| sum.round().clamp(0.0, 255.0) as u8));
    }
    out
}

#[test]
fn resampling_is_lanczos() {
    let mut picture = busy(233, 171);
    // Away from black and white: values beyond them are cut off between the two directions.
    for value in picture.iter_mut() {
        *value = *value / 2 + 64;
    }
    for (width, height) in [(200, 147), (100, 73), (37, 27), (233, 20), (1, 1)] {
        let ours = resize(picture.as_raw(), (233, 171), (width, height)).unwrap();
        let (most, mean) = differ(&ours, &lanczos(&picture, width, height));
        assert!(most <= 4 && mean < 0.5, "{width} × {height}: {most}, {mean}");
    }
}
