//! Damaged and hostile files: a reason, in bounded time, whatever they hold.

use std::path::Path;
use std::time::{Duration, Instant};

use image::ImageFormat;
use turbojpeg::Subsamp;

use super::super::picture::Picture;
use super::super::{Encoding, Wanted, decode, decode_luma};
use super::draw::{busy, file, jpeg};
use super::look;

const MEMORY: u64 = 512 << 20;
/// Whatever it holds, a file must end; none takes a tenth of it, but machines may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// What becomes of a file, in words. It must not panic, and end soon.
fn fate(bytes: &[u8], name: &str) -> String {
    let begun = Instant::now();
    let fate = match look(bytes, name) {
        Err(refusal) => format!("refused: {refusal}"),
        Ok(probe) => {
            let small = decode_luma(bytes, &probe, 128, MEMORY);
            match decode(bytes, &probe, Wanted::Width(1200), MEMORY) {
                Ok(decoded) => {
                    let whole = small.map(|small| small.pixels.samples.len());
                    assert!(whole.is_ok_and(|len| len > 0), "{name}");
                    decoded.flaw.map_or("read".to_owned(), |flaw| format!("damaged: {flaw}"))
                }
                Err(error) => format!("not decoded: {error}"),
            }
        }
    };
    assert!(begun.elapsed() < PATIENCE, "{name}: {:?}: {fate}", begun.elapsed());
    fate
}

/// One file of each format that we can write.
fn files(width: u32, height: u32) -> [Vec<u8>; 8] {
    let picture = busy(width, height);
    let webp = webpx::Encoder::new_rgb(picture.as_raw(), width, height).encode(webpx::Unstoppable);
    let rgb = picture.as_raw().clone();
    [
        jpeg(&picture, Subsamp::Sub2x2, false),
        jpeg(&picture, Subsamp::None, true),
        file(picture.clone(), ImageFormat::Png),
        file(picture.clone(), ImageFormat::Gif),
        file(picture.clone(), ImageFormat::Tiff),
        file(picture, ImageFormat::Bmp),
        webp.unwrap(),
        Encoding::Avif { quality: 60, speed: 9 }.encode(&Picture { width, height, rgb }).unwrap(),
    ]
}

#[test]
fn every_length_of_a_file_of_every_format() {
    for file in files(24, 18) {
        for cut in 0..file.len() {
            fate(&file[..cut], "cut");
        }
        assert_eq!(fate(&file, "whole"), "read");
    }
}

#[test]
fn truncations_and_flipped_bits_of_every_format() {
    let mut random = fastrand::Rng::with_seed(7);
    for file in files(96, 64) {
        for step in 0..60 {
            fate(&file[..file.len() * step / 60], "cut");
            let mut flipped = file.clone();
            for _ in 0..8 {
                let at = random.usize(..flipped.len());
                flipped[at] ^= 1 << random.u8(..8);
            }
            fate(&flipped, "flipped");
        }
    }
}

#[test]
fn a_container_may_not_claim_less_than_its_stream() {
    let picture = Picture { width: 1300, height: 900, rgb: vec![90; 1300 * 900 * 3] };
    let mut file = Encoding::Avif { quality: 30, speed: 9 }.encode(&picture).unwrap();
    assert_eq!(fate(&file, "honest"), "read");
    let ispe = memchr::memmem::find(&file, b"ispe").unwrap();
    file[ispe + 8..ispe + 16].copy_from_slice(&[0, 0, 0, 100, 0, 0, 0, 100]);
    let told = fate(&file, "lying");
    assert!(told.contains("larger than its container says"), "{told}");
}

#[test]
fn stray_bytes_between_headers_cost_no_pixel() {
    let whole = jpeg(&busy(96, 64), Subsamp::Sub2x2, false);
    let mut stray = whole[..20].to_vec();
    stray.extend(b"stray");
    stray.extend(&whole[20..]);
    assert_eq!(look(&stray, "stray").unwrap().flaws.len(), 1, "the headers tell it");
    let pixels =
        |file: &[u8]| decode(file, &look(file, "").unwrap(), Wanted::Full, MEMORY).unwrap().pixels;
    assert_eq!(pixels(&stray), pixels(&whole));
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
fn every_truncation_of_ten_good_files() {
    let photos = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/photos"));
    if !photos.is_dir() {
        println!("SKIPPED: ../shared/photos is not there");
        return;
    }
    for name in [
        "camera/Canon_PowerShot_S30.jpg",
        "other/3.jpg",
        "other/Channel_digital_image_CMYK_color.jpg",
        "other/Alpha_Lossy_2.webp",
        "other/Crash_test.gif",
        "other/alpha-premultiply-1024x768-paper.png",
        "other/16-bit-grey-alpha.png",
        "other/Arbitro.tiff",
        "other/samplefilehub.heif",
        "other/exif.avif",
    ] {
        let whole = std::fs::read(photos.join(name)).unwrap();
        // A prime number of cuts: they fall anywhere in what repeats.
        for cut in (0..whole.len()).step_by(whole.len() / 13) {
            fate(&whole[..cut], name);
        }
        assert_eq!(fate(&whole, name), "read");
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
fn the_malformed_files_of_the_collection() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/photos/malformed"));
    let Ok(entries) = std::fs::read_dir(folder) else {
        println!("SKIPPED: ../shared/photos is not there");
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        println!("{name}: {}", fate(&std::fs::read(&path).unwrap(), &name));
    }
}
