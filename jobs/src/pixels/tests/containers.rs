//! Size, camera data and damage in each format.

use super::super::isobmff;
use super::super::{Flaw, Format, Refusal};
use super::build::{Tiff, Value, boxed, heic, jpeg, png, webp};
use super::{look, wrong};

const VP8X_EXIF: [u8; 10] = [8, 0, 0, 0, 39, 0, 0, 29, 0, 0];

fn camera() -> Vec<u8> {
    Tiff { little: true, main: &[(0x0112, Value::Short(6))], exif: &[], gps: &[] }.bytes()
}

/// Format, size and orientation.
fn told(file: &[u8], name: &str) -> (Format, u32, u32, Option<u8>) {
    let picture = look(file, name).unwrap();
    assert_eq!(picture.flaws, [], "{name}");
    (picture.format, picture.width, picture.height, picture.orientation)
}

#[test]
fn every_format_tells_its_size() {
    let camera = camera();
    let prefixed = [b"Exif\0\0", &camera[..]].concat();
    let lossy = [0, 0, 0, 0x9D, 0x01, 0x2A, 40, 0, 30, 0];
    let lossless = [0x2F, 39, 0x40, 7, 0, 0];
    let gif = [
        b"GIF89a",
        &[40, 0, 30, 0, 0, 0, 0][..],
        b"!\xF9\x01\0\0,",
        &[0, 0, 0, 0, 40, 0, 30, 0, 0, 2, 1, 7, 0],
        b";",
    ];
    let bmp = [b"BM", &[0; 8][..], &[54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF]];
    let bmp = [&bmp.concat()[..], &[1, 0, 24, 0], &[0; 32]].concat();
    let main = [(0x0100, Value::Short(40)), (0x0101, Value::Long(30)), (0x0112, Value::Short(3))];
    let tiff = Tiff { little: false, main: &main, exif: &[], gps: &[] }.bytes();
    let jpeg = jpeg(&[(0xE1, &prefixed)], (40, 30), &[]);
    let fill = [&jpeg[..2], &[0xFF, 0xFF], &jpeg[2..]].concat();
    assert_eq!(told(&fill, "a.jpg"), told(&jpeg, "a.jpg"));
    assert_eq!(told(&jpeg, "a.jpg"), (Format::Jpeg, 40, 30, Some(6)));
    let png = png((40, 30), &[(b"IDAT", &[9; 50]), (b"eXIf", &camera)]);
    assert_eq!(told(&png, "a.png"), (Format::Png, 40, 30, Some(6)));
    let extended = webp(&[(b"VP8X", &VP8X_EXIF), (b"VP8 ", &lossy), (b"EXIF", &prefixed)]);
    assert_eq!(told(&extended, "a.webp"), (Format::WebP, 40, 30, Some(6)));
    assert_eq!(told(&webp(&[(b"VP8 ", &lossy)]), "a.webp"), (Format::WebP, 40, 30, None));
    assert_eq!(told(&webp(&[(b"VP8L", &lossless)]), "a.webp"), (Format::WebP, 40, 30, None));
    assert_eq!(told(&heic(*b"heic", (40, 30), &camera), "a.heif"), (Format::Heic, 40, 30, Some(6)));
    assert_eq!(
        told(&heic(*b"avif", (40, 30), &prefixed), "a.avif"),
        (Format::Avif, 40, 30, Some(6))
    );
    assert_eq!(told(&tiff, "a.tif"), (Format::Tiff, 40, 30, Some(3)));
    assert_eq!(told(&gif.concat(), "a.gif"), (Format::Gif, 40, 30, None));
    assert_eq!(told(&bmp, "a.bmp"), (Format::Bmp, 1, 2, None));
}

#[test]
fn camera_data_far_behind_is_found() {
    let pixels = vec![9; 100_000];
    let chunks: Vec<(&[u8; 4], &[u8])> = (0..20).map(|_| (b"IDAT", &pixels[..])).collect();
    let camera = camera();
    let file = png((40, 30), &[&chunks[..], &[(b"eXIf", &camera)]].concat());
    assert_eq!(look(&file, "a.png").unwrap().orientation, Some(6));
    let mut padded = jpeg(&[], (4, 3), &[]);
    padded.splice(2..2, vec![0xFF; 70_000]);
    assert_eq!(told(&padded, "a.jpg").1, 4);
    let segment = vec![0; 65_533];
    let prefixed = [b"Exif\0\0", &camera[..]].concat();
    let mut segments: Vec<(u8, &[u8])> = (0..20).map(|_| (0xE6, &segment[..])).collect();
    segments.push((0xE1, &prefixed));
    assert_eq!(look(&jpeg(&segments, (4, 3), &[]), "a.jpg").unwrap().orientation, Some(6));
}

#[test]
fn other_files_are_refused() {
    let refused = |file: &[u8]| look(file, "a.jpg").unwrap_err().to_string();
    assert_eq!(refused(b""), "the file is empty");
    let text = "Gästeliste\n".repeat(20);
    assert_eq!(refused(text.as_bytes()), "this is not a picture: it begins like a text file");
    assert!(refused(b"%PDF-1.7").ends_with("a PDF document"));
    assert!(refused(&[0; 100]).ends_with("(only zeros)"));
    assert!(refused(&boxed(*b"ftyp", &[b"isom", &[0; 4]])).ends_with("a video or sound recording"));
    assert!(
        refused(&jpeg(&[], (60_000, 60_000), &[])).contains("(3600 megapixels); the limit is 268")
    );
    assert!(refused(&jpeg(&[], (200, 0), &[])).contains("200 × 0"));
    assert!(refused(&[0xFF, 0xD8, 0xFF, 0xD9]).contains("headers but no picture"));
    assert!(refused(&png((4, 3), &[])[..20]).contains("(20 of at least 29 bytes)"));
    assert!(refused(&heic(*b"heic", (4, 3), &[])[..60]).contains("of at least"));
    assert!(look(&jpeg(&[], (4, 3), &[]), "a.jpg").is_ok());
    let hint = Refusal::Empty.hint();
    assert_eq!(hint, "upload the original again");
}

#[test]
fn damage_is_told() {
    let camera = camera();
    assert_eq!(
        wrong(&jpeg(&[], (4, 3), &[]), "a.PNG"),
        ["the name says PNG but the content is JPEG"]
    );
    let tables = jpeg(&[(0xDB, &[0x10; 129])], (4, 3), &[]);
    assert!(wrong(&tables, "a.jpg").concat().contains("16-bit quality tables"));
    let preview = jpeg(&[(0xE0, b"JFIF\0\x01\x00"), (0xE0, b"JFXX\0")], (4, 3), &[]);
    assert!(wrong(&preview, "a.jpg").concat().contains("JFXX"));
    let edited = jpeg(&[(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")], (4, 3), &[]);
    assert!(wrong(&edited, "a.jpg").concat().contains("program (XMP) but no camera data"));
    let mut stray = jpeg(&[(0xE0, b"JFIF\0\x01\x02")], (4, 3), &[]);
    stray.splice(13..13, [1, 2, 3]);
    assert_eq!(
        wrong(&stray, "a.jpg"),
        ["the picture is damaged at byte 13: stray bytes between two headers"]
    );
    let file = png((4, 3), &[(b"IDAT", &[9; 50])]);
    assert_eq!(
        wrong(&file[..60], "a.png"),
        ["the file ends before the picture does (60 of at least 95 bytes)"]
    );
    assert!(
        wrong(&png((4, 3), &[(b"I\0AT", &[9; 50])]), "a.png").concat().contains("no part of a PNG")
    );
    let file = webp(&[(b"VP8X", &VP8X_EXIF), (b"EXIF", &camera)]);
    assert!(wrong(&file[..60], "a.webp").concat().contains("(60 of at least"));
    assert!(wrong(&webp(&[(b"VP8X", &VP8X_EXIF)]), "a.webp").concat().contains("but missing"));
    let file = heic(*b"heic", (4, 3), &camera);
    assert!(
        wrong(&file[..file.len() - 1], "a.heic").concat().contains("ends before the picture does")
    );
    let gif = [b"GIF89a", &[4, 0, 3, 0, 0, 0, 0][..], b",", &[0, 0, 0, 0, 40, 0, 30, 0]].concat();
    assert!(
        wrong(&gif, "a.gif")
            .concat()
            .contains("a frame of 40 × 30 pixels at 0, 0 leaves the 4 × 3 screen")
    );
    let main = [
        (0x0100, Value::Short(4)),
        (0x0101, Value::Short(3)),
        (0x0111, Value::Long(8)),
        (0x0117, Value::Long(5000)),
    ];
    let tiff = Tiff { little: true, main: &main, exif: &[], gps: &[] }.bytes();
    assert!(wrong(&tiff, "a.tif").concat().contains("of at least 5008 bytes"));
}

#[test]
fn boxes_may_not_lie() {
    let mut file = heic(*b"heic", (4, 3), &camera());
    let infe = file.windows(4).position(|name| name == b"infe").unwrap();
    file[infe - 4] = 0x80;
    assert!(wrong(&file, "a.heic").concat().contains("a part claims 2147483669 bytes"));
    let mut file = heic(*b"heic", (4, 3), &camera());
    let iprp = file.windows(4).position(|name| name == b"iprp").unwrap();
    file[iprp - 3] = 0x80;
    let refusal = look(&file, "a.heic").unwrap_err();
    assert!(matches!(refusal, Refusal::Broken { format: Format::Heic, .. }), "{refusal}");
    let mut file = heic(*b"heic", (4, 3), &camera());
    file[8..12].copy_from_slice(b"mif1");
    assert_eq!(
        look(&file, "a.avif").unwrap().flaws,
        [Flaw::Misnamed { promised: Format::Avif, actual: Format::Heic }]
    );
}

#[test]
fn all_that_a_shown_picture_is_decoded_from_is_found() {
    let full = &[0, 0, 0, 0][..];
    let refers = |kind: &[u8; 4], from: u8, to: &[u8]| {
        let to: Vec<u8> = to.iter().flat_map(|item| [0, *item]).collect();
        boxed(*kind, &[&[0, from, 0, u8::try_from(to.len() / 2).unwrap()], &to])
    };
    // 1 is a grid of 2 and 3, 4 its alpha plane, a grid of 5; 6 is a thumbnail.
    let references = [
        refers(b"dimg", 1, &[2, 3]),
        refers(b"auxl", 4, &[1]),
        refers(b"dimg", 4, &[5]),
        refers(b"thmb", 6, &[1]),
    ];
    let shelf: Vec<u8> = (2..=6).flat_map(|item| boxed(*b"hvcC", &[&[item]])).collect();
    let owners: Vec<u8> =
        [2, 3, 5, 6].into_iter().flat_map(|item| [0, item, 1, item - 1]).collect();
    let meta = [
        boxed(*b"pitm", &[full, &[0, 1]]),
        boxed(*b"iref", &[full, &references.concat()]),
        boxed(
            *b"iprp",
            &[&boxed(*b"ipco", &[&shelf]), &boxed(*b"ipma", &[full, &[0, 0, 0, 4], &owners])],
        ),
    ];
    let file = boxed(*b"meta", &[full, &meta.concat()]);
    let file = &file[..];
    let found = isobmff::configurations(&file, *b"hvcC");
    assert_eq!(found, [vec![&[2][..], &[3]], vec![&[5]]]);
}
