//! Against readable forms, and on pictures that were drawn for it.

use super::*;

/// A picture with a few soft blobs; `seed` makes it differ from others.
fn picture(seed: u32, width: u32, height: u32) -> Luma {
    // Large ones for the motif, small ones for its texture: without, the higher frequencies are noise.
    let blobs: Vec<[f64; 4]> = (0..40)
        .map(|blob| {
            let chance = |of: u32| {
                let mixed = (seed * 1_009 + blob * 31 + of).wrapping_mul(0x9E37_79B9);
                let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA6B);
                f64::from(mixed >> 16) / 65_536.0
            };
            let size = if blob < 8 { 0.05 + 0.2 * chance(3) } else { 0.01 + 0.04 * chance(3) };
            [chance(1), chance(2), size, 180.0 * chance(4) - 80.0]
        })
        .collect();
    drawn(width, height, |x, y| {
        let light = |[cx, cy, size, light]: &[f64; 4]| {
            light * (-((x - cx).powi(2) + (y - cy).powi(2)) / (2.0 * size * size)).exp()
        };
        90.0 + blobs.iter().map(light).sum::<f64>()
    })
}

/// A picture by the brightness of its points, both sides from 0 to 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn drawn(width: u32, height: u32, light: impl Fn(f64, f64) -> f64) -> Luma {
    let middle = |at: u32, of: u32| (f64::from(at) + 0.5) / f64::from(of);
    let points = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let sample = |(x, y)| light(middle(x, width), middle(y, height)).clamp(0.0, 255.0) as u8;
    Luma { width, height, samples: points.map(sample).collect() }
}

fn changed(luma: &Luma, change: impl Fn(u32, u32, u8) -> u32) -> Luma {
    let points = (0..luma.height).flat_map(|y| (0..luma.width).map(move |x| (x, y)));
    let samples = points.zip(&luma.samples).map(|((x, y), &sample)| change(x, y, sample));
    let samples = samples.map(|sample| u8::try_from(sample.min(255)).unwrap());
    Luma { samples: samples.collect(), ..*luma }
}

#[test]
fn copies_are_near_and_others_are_far() {
    for seed in 0..12 {
        let original = picture(seed, 512, 384);
        let look = Fingerprint::of(&original);
        let noisy = changed(&original, |x, y, sample| u32::from(sample) + (x * 31 + y * 17) % 5);
        let bright = changed(&original, |_, _, sample| u32::from(sample) * 110 / 100);
        for (what, copy) in
            [("smaller", picture(seed, 160, 120)), ("noisy", noisy), ("brighter", bright)]
        {
            let copy = Fingerprint::of(&copy);
            let far = (look.gradient_distance(&copy), look.dct_distance(&copy));
            assert!(far.0 <= 4 && far.1 <= 40, "{seed} {what}: {far:?}");
        }
        for other in (0..12).filter(|other| *other != seed) {
            let other = Fingerprint::of(&picture(other, 512, 384));
            let far = (look.gradient_distance(&other), look.dct_distance(&other));
            assert!(far.0 > 10 || far.1 > 80, "{seed}: {far:?}");
        }
        assert!(look.detail > 12, "{look:?}");
    }
}

#[test]
fn flat_pictures_have_no_detail() {
    let flat = drawn(300, 200, |_, _| 120.0);
    let bands = drawn(300, 200, |_, y| (y * 3.0).floor() * 80.0);
    let noise = changed(&flat, |x, y, sample| u32::from(sample) + (x * 7 + y * 3) % 3);
    for luma in [flat, bands, noise, drawn(1, 1, |_, _| 9.0)] {
        assert_eq!(Fingerprint::of(&luma).detail, 0);
    }
}

#[test]
fn blur_and_clipping_are_measured() {
    let sharp = drawn(512, 512, |x, y| 128.0 + 90.0 * ((x * 60.0).sin() * (y * 47.0).sin()));
    let soft = drawn(512, 512, |x, y| 128.0 + 90.0 * ((x * 20.0).sin() * (y * 17.0).sin()));
    assert!(Fingerprint::of(&sharp).sharpness > 2 * Fingerprint::of(&soft).sharpness);
    let burnt = drawn(512, 512, |x, _| if x < 0.25 { 255.0 } else { 100.0 });
    assert_eq!(Fingerprint::of(&soft).exposure, 1_000);
    assert_eq!(Fingerprint::of(&burnt).exposure, 750);
}

#[test]
fn cells_average_what_they_cover() {
    for (width, height) in [(1, 1), (9, 8), (5, 3), (64, 64), (100, 37), (333, 250)] {
        let luma = picture(3, width, height);
        for (columns, rows) in [(1, 1), (9, 8), (64, 64)] {
            // Each pixel counts as `columns × rows` points, each cell as `width × height` of them.
            let points = |cell_x: u32, cell_y: u32| {
                let down = (cell_y * height..(cell_y + 1) * height).map(|y| y / rows);
                down.flat_map(move |y| {
                    (cell_x * width..(cell_x + 1) * width).map(move |x| (x / columns, y))
                })
            };
            let cells = (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y)));
            // The readable form is slow; a few cells tell.
            let cells: Vec<_> = cells.enumerate().step_by(rows as usize * 3 + 1).collect();
            let averaged = average(&luma, columns, rows);
            for (at, (x, y)) in cells {
                let sample = |(x, y)| u64::from(luma.samples[(y * width + x) as usize]);
                let (sum, count) =
                    points(x, y).map(sample).fold((0, 0), |(sum, count), s| (sum + s, count + 1));
                assert_eq!(u64::from(averaged[at]), (sum + count / 2) / count, "{x}, {y}");
            }
        }
    }
}

#[test]
fn spreading_moves_bits_and_nothing_else() {
    let places: Vec<u32> = (0..64).map(|place| spread(1 << place).trailing_zeros()).collect();
    let mut sorted = places.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..64).collect::<Vec<_>>());
    // The first band takes every second place of every second line.
    let first = (0..64_u32).zip(&places).filter(|(_, to)| **to < 16).map(|(from, _)| from);
    assert!(first.clone().all(|place| place % 2 == 0 && place / 8 % 2 == 0), "{places:?}");
    assert_eq!(first.count(), 16);
    let all = (0..64).fold(0, |all, place| all | spread(1 << place));
    assert_eq!((all, spread(u64::MAX), spread(0)), (u64::MAX, u64::MAX, 0));
}

#[test]
fn whatever_is_near_agrees_in_a_band() {
    let mut word = 0x0123_4567_89AB_CDEF_u64;
    for radius in [0, 1, 3, 8, 10] {
        for _ in 0..50 {
            let mut other = word;
            let mut places = word;
            for _ in 0..radius {
                // Knuth's MMIX generator; its high bits are the good ones.
                places = places
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                other ^= 1 << (places >> 58);
            }
            let near = bands_near(word, radius);
            let met = bands(other).iter().zip(&near).any(|(band, near)| near.contains(band));
            assert!(met, "{word:x} and {other:x} within {radius}");
            word = places.rotate_left(17) ^ 0x9E37_79B9_7F4A_7C15;
        }
    }
}
