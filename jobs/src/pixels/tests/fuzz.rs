//! Whatever the bytes are: no panic, few reads, an answer.

use super::super::Format;
use super::build::{Tiff, Value, exif_jpeg, heic, png, webp};
use super::{look, walk, wrong};

/// One sample of each structure, with camera data where the format has any.
fn samples() -> Vec<Vec<u8>> {
    let lat: &[(u32, u32)] = &[(48, 1), (30, 1), (36, 1)];
    let tiff = |little| {
        Tiff {
            little,
            main: &[
                (0x0100, Value::Short(40)),
                (0x0101, Value::Long(30)),
                (0x010F, Value::Text("Canon")),
                (0x0111, Value::Long(8)),
                (0x0117, Value::Long(20)),
            ],
            exif: &[(0x9003, Value::Text("2008:05:30 15:56:01")), (0x9011, Value::Text("+05:30"))],
            gps: &[
                (1, Value::Text("N")),
                (2, Value::Ratio(lat)),
                (3, Value::Text("E")),
                (4, Value::Ratio(lat)),
                (7, Value::Ratio(lat)),
                (29, Value::Text("2008:05:30")),
            ],
        }
        .bytes()
    };
    let block = tiff(true);
    let vp8x = [8, 0, 0, 0, 39, 0, 0, 29, 0, 0];
    let gif =
        [b"GIF89a", &[4, 0, 3, 0, 0x80, 0, 0, 1, 2, 3, 4, 5, 6][..], b"!\xF9\x01\0\0,\0\0\0\0"];
    vec![
        exif_jpeg(&block),
        png((40, 30), &[(b"IDAT", &[9; 20]), (b"eXIf", &block)]),
        webp(&[(b"VP8X", &vp8x), (b"VP8 ", &[0; 10]), (b"EXIF", &block)]),
        heic(*b"heic", (40, 30), &block),
        heic(*b"avif", (40, 30), &tiff(false)),
        tiff(false),
        [&gif.concat()[..], &[4, 0, 3, 0, 0, 2, 1, 7, 0, 0x3B]].concat(),
        [b"BM", &[0; 8][..], &[54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0], &[0; 60]]
            .concat(),
    ]
}

fn try_out(file: &[u8]) {
    let _ = wrong(file, "a.jpg");
}

#[test]
fn cut_anywhere() {
    for sample in samples() {
        (0..=sample.len()).for_each(|len| try_out(&sample[..len]));
        assert!(look(&sample, "a").is_ok(), "{:?}", look(&sample, "a"));
    }
}

#[test]
fn flipped_anywhere() {
    for sample in samples() {
        for at in 0..sample.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF, sample[at].wrapping_add(1), sample[at] ^ 0x20] {
                let mut file = sample.clone();
                file[at] = value;
                try_out(&file);
            }
        }
    }
}

#[test]
fn overwritten_at_random() {
    // A linear congruential generator: the same numbers in every run.
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for sample in samples() {
        for _ in 0..1000 {
            let mut file = sample.clone();
            for _ in 0..=random(6) {
                let at = random(file.len());
                file[at] = u8::try_from(random(256)).unwrap();
            }
            if random(4) == 0 {
                let (from, to) = (random(file.len()), random(file.len()));
                file.copy_within(from..(from + 8).min(sample.len()), to.min(sample.len() - 8));
            }
            try_out(&file);
            let _ = (walk(&file, Format::Jpeg, 13), walk(&file, Format::Png, 13));
        }
    }
}

#[test]
fn endless_flaws_are_not_collected() {
    let segments: Vec<(u8, &[u8])> = (0..5000).map(|_| (0xE1, &b"Exif\0\0II"[..])).collect();
    assert!(wrong(&super::build::jpeg(&segments, (4, 3), &[]), "a.jpg").len() < 10);
    let chunks: Vec<(&[u8; 4], &[u8])> = (0..5000).map(|_| (b"eXIf", &b"MM"[..])).collect();
    assert!(wrong(&png((4, 3), &chunks), "a.png").len() < 10);
}
