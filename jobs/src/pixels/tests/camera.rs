//! What the camera notes, and what can be wrong with it.

use chrono::Datelike as _;

use super::super::{Place, Probe};
use super::build::{Tags, Tiff, Value, exif_jpeg};
use super::{look, wrong};

use Value::{Long, Ratio, Short, SignedRatio, Text};

const LAT: &[(u32, u32)] = &[(48, 1), (30, 1), (36, 1)];
const LON: &[(u32, u32)] = &[(2, 1), (15, 1), (0, 1)];

fn block<'a>(main: Tags<'a>, exif: Tags<'a>, gps: Tags<'a>) -> Tiff<'a> {
    Tiff { little: true, main, exif, gps }
}

fn photo(tiff: &Tiff<'_>) -> Probe {
    look(&exif_jpeg(&tiff.bytes()), "a.jpg").unwrap()
}

fn place(gps: Tags<'_>) -> Option<Place> {
    photo(&block(&[], &[], gps)).place
}

fn flaws(tiff: &Tiff<'_>) -> Vec<String> {
    wrong(&exif_jpeg(&tiff.bytes()), "a.jpg")
}

#[test]
fn both_byte_orders_tell_the_same() {
    let main = [(0x010F, Text(" Ca\u{7}non \n")), (0x0110, Text("40D")), (0x0112, Short(6))];
    let exif = [(0x9003, Text("2008:05:30 15:56:01")), (0x9011, Text("+05:30"))];
    let gps = [
        (1, Text("S")),
        (2, Ratio(LAT)),
        (3, Text("W")),
        (4, Ratio(LON)),
        (7, Ratio(&[(10, 1), (26, 1), (150, 100)])),
        (29, Text("2008:05:30")),
    ];
    let little = photo(&Tiff { little: true, main: &main, exif: &exif, gps: &gps });
    assert_eq!(little, photo(&Tiff { little: false, main: &main, exif: &exif, gps: &gps }));
    assert_eq!(little.flaws, []);
    assert_eq!(little.place, Some(Place { lat: -48.51, lon: -2.25 }));
    assert_eq!(little.orientation, Some(6));
    assert_eq!(
        (little.camera_make.unwrap(), little.camera_model.unwrap()),
        ("Canon".into(), "40D".into())
    );
    assert_eq!(little.gps_at.unwrap().to_string(), "2008-05-30 10:26:01");
    let taken = little.taken.unwrap();
    assert_eq!(taken.local.to_string(), "2008-05-30 15:56:01");
    assert_eq!(taken.offset_minutes, Some(330));
}

#[test]
fn the_best_time_counts() {
    let taken = |main: Tags<'_>, exif: Tags<'_>| {
        let taken = photo(&block(main, exif, &[])).taken?;
        Some((taken.local.date().day(), taken.offset_minutes))
    };
    let changed = [(0x0132, Text("2020:01:03 00:00:00"))];
    let digitized = [(0x9004, Text("2020:01:02 00:00:00")), (0x9010, Text("-01:00"))];
    assert_eq!(taken(&changed, &digitized), Some((2, Some(-60))));
    assert_eq!(taken(&changed, &[]), Some((3, None)));
    assert_eq!(taken(&[], &[(0x9003, Text("0000:00:00 00:00:00"))]), None);
    assert_eq!(flaws(&block(&[], &[(0x9003, Text("    :  :     :  :  "))], &[])), [""; 0]);
    assert_eq!(
        flaws(&block(&[], &[(0x9003, Text("2020:99:02 00:00:00"))], &[])),
        ["the capture time “2020:99:02 00:00:00” is not a date, so it was ignored"]
    );
}

#[test]
fn positions_are_read_or_refused() {
    let at = |north, lat, east, lon| [(1, Text(north)), (2, lat), (3, Text(east)), (4, lon)];
    let refused = |gps: Tags<'_>| {
        assert_eq!(place(gps), None);
        flaws(&block(&[], &[], gps)).concat()
    };
    let signed = SignedRatio(&[(48, 1), (30, 1), (36, 1)]);
    let north_west = place(&at("N", signed, "w", Ratio(LON)));
    assert_eq!(north_west, Some(Place { lat: 48.51, lon: -2.25 }));
    let minutes_only = place(&at("N", Ratio(&[(48, 1), (15, 2)]), "E", Ratio(&[(180, 1)])));
    assert_eq!(minutes_only, Some(Place { lat: 48.125, lon: 180.0 }));
    let zero = Ratio(&[(0, 1), (0, 1), (0, 1)]);
    assert!(refused(&at("N", zero.clone(), "E", zero)).contains("0, 0"));
    let far = refused(&at("S", Ratio(&[(200, 1)]), "E", Ratio(&[(400, 1)])));
    assert_eq!(far, "the GPS position -200, 400 is outside the globe, so it was ignored");
    let half = Ratio(&[(48, 1), (30, 0), (36, 1)]);
    assert!(refused(&at("N", half, "E", Ratio(LON))).contains("divides by zero"));
    assert!(refused(&[(2, Ratio(LAT)), (4, Ratio(LON))]).contains("is missing"));
    let unknown = Ratio(&[(0, 0), (0, 0), (0, 0)]);
    assert_eq!(refused(&at("", unknown.clone(), "", unknown)), "");
    assert_eq!(refused(&[(1, Text("N"))]), "");
}

#[test]
fn senseless_values_are_left_out() {
    let main = [(0x0112, Short(9)), (0x010F, Text(&"x".repeat(500))), (0x0110, Text(" \t "))];
    let gps = [(7, Ratio(&[(99, 1), (0, 1), (0, 0)])), (29, Text("2008:05:30"))];
    let photo = photo(&block(&main, &[], &gps));
    assert_eq!((photo.orientation, photo.camera_model, photo.gps_at), (None, None, None));
    assert_eq!(photo.camera_make.unwrap().len(), 80);
}

#[test]
fn directories_may_not_point_back() {
    let looped = [(0x8769, Long(8)), (0x0110, Text("X"))];
    let file = exif_jpeg(&block(&looped, &[], &[]).bytes());
    assert_eq!(
        wrong(&file, "a.jpg"),
        ["the camera data (EXIF) is damaged: a directory points back at another"]
    );
    assert_eq!(look(&file, "a.jpg").unwrap().camera_model.as_deref(), Some("X"));
    // Hundreds of pointers, each to a directory of its own: only the first of a kind is followed.
    let many: Vec<_> = (0..400).map(|_| (0x8769, Long(4000))).collect();
    assert!(!flaws(&block(&many, &[], &[])).is_empty());
}

#[test]
fn values_and_directories_lie_inside() {
    let mut bytes = block(&[(0x010F, Text("a long name"))], &[], &[]).bytes();
    bytes[18..22].copy_from_slice(&9999_u32.to_le_bytes());
    assert_eq!(
        wrong(&exif_jpeg(&bytes), "a.jpg").concat(),
        "the camera data (EXIF) is damaged: the camera's name (12 bytes at byte 9999) lies outside it"
    );
    let outside = block(&[(0x8825, Long(70_000))], &[], &[]);
    assert!(flaws(&outside).concat().contains("a directory lies at byte 70000 of"));
    let mut bytes = block(&[], &[], &[]).bytes();
    bytes[8] = 200;
    assert!(wrong(&exif_jpeg(&bytes), "a.jpg").concat().contains("claims 200 entries"));
    assert!(wrong(&exif_jpeg(b"garbage!"), "a.jpg").concat().contains("its first bytes are wrong"));
    assert!(wrong(&exif_jpeg(b"II"), "a.jpg").concat().contains("it is cut off"));
}

#[test]
fn blocks_add_up() {
    let gps = [(1, Text("N")), (2, Ratio(LAT)), (3, Text("E")), (4, Ratio(LON))];
    let first = [b"Exif\0\0", &block(&[], &[], &gps).bytes()[..]].concat();
    let second = [b"Exif\0\0", &block(&[(0x0110, Text("X"))], &[], &[]).bytes()[..]].concat();
    let file =
        super::build::jpeg(&[(0xE1, &first), (0xE0, b"JFIF\0"), (0xE1, &second)], (4, 3), &[]);
    let photo = look(&file, "a.jpg").unwrap();
    assert_eq!((photo.camera_model.as_deref(), photo.place.is_some()), (Some("X"), true));
}
