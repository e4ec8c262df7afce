//! Whole files as they stream by, cut into pieces of every length.

use super::super::{Flaw, Format};
use super::build::{jpeg, png};
use super::walk;

/// The same answer whatever the pieces.
fn walked(file: &[u8], format: Format) -> Option<Flaw> {
    let whole = walk(file, format, file.len());
    for step in [1, 2, 3, 5, 7, 64] {
        assert_eq!(walk(file, format, step), whole, "pieces of {step}");
    }
    whole
}

fn damage(file: &[u8]) -> String {
    walked(file, Format::Jpeg).map(|flaw| flaw.to_string()).unwrap_or_default()
}

/// A progressive frame of one component, for several scans.
fn progressive(scans: &[&[u8]]) -> Vec<u8> {
    let mut file = jpeg(&[], (4, 3), scans[0]);
    file[3] = 0xC2;
    file.truncate(file.len() - 2);
    for scan in &scans[1..] {
        file.extend([0xFF, 0xC4, 0, 3, 9, 0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
        file.extend(*scan);
    }
    file.extend([0xFF, 0xD9]);
    file
}

#[test]
fn whole_jpegs_pass() {
    let scan = [1, 2, 0xFF, 0, 3, 0xFF, 0xFF, 0, 4];
    let mut file = jpeg(&[(0xE0, &[7; 100]), (0xDB, &[])], (4, 3), &scan);
    assert_eq!(damage(&file), "");
    file.extend(b"\xFF\xE7 a film, as phones append it \xFF");
    assert_eq!(damage(&file), "");
    assert_eq!(damage(&progressive(&[&scan, &scan])), "");
    let restarts = jpeg(&[(0xDD, &[0, 4])], (4, 3), &[1, 0xFF, 0xD0, 2, 0xFF, 0xD1]);
    assert_eq!(damage(&restarts), "");
    assert_eq!(damage(&jpeg(&[], (4, 3), &[1, 0xFF, 0xDC, 0, 4, 0, 3])), "");
}

#[test]
fn cut_jpegs_are_noticed() {
    let file = jpeg(&[(0xE0, &[7; 100])], (4, 3), &[1, 2, 3, 0xFF, 0, 4]);
    for len in 2..file.len() {
        match walked(&file[..len], Format::Jpeg) {
            Some(Flaw::Truncated { have, need }) => {
                assert_eq!(have, len as u64);
                assert!(have < need && need <= file.len() as u64, "{have} {need}");
            }
            other => panic!("{len}: {other:?}"),
        }
    }
}

#[test]
fn damaged_jpegs_are_noticed() {
    let scan = |scan: &[u8]| damage(&jpeg(&[], (4, 3), scan));
    let middle = "the picture is damaged at byte 26: a mark stands in the middle of the picture";
    for marker in [0xE7, 0x01, 0xD8, 0xC0, 0xD3, 0xC4, 0xDA] {
        assert_eq!(scan(&[1, 0xFF, marker, 2]), middle, "{marker:x}");
    }
    assert!(damage(&progressive(&[&[1, 0xFF, 0x42], &[2]])).contains("in the middle"));
    assert!(damage(&jpeg(&[(0xE0, &[])], (4, 3), &[])).is_empty());
    let mut file = jpeg(&[(0xE0, &[])], (4, 3), &[]);
    file[5] = 1;
    assert!(damage(&file).contains("a header has no length"));
    file[5] = 3;
    assert!(damage(&file).contains("stray bytes"));
    assert!(damage(&[0xFF, 0xD8, 0xFF, 0xD9]).contains("a mark stands where a header should be"));
}

#[test]
fn pngs_are_walked_to_their_end() {
    let mut file = png((4, 3), &[(b"IDAT", &[9; 50]), (b"tEXt", &[])]);
    for len in 8..file.len() - 4 {
        match walked(&file[..len], Format::Png) {
            Some(Flaw::Truncated { have, need }) => {
                assert_eq!(have, len as u64);
                assert!(have < need && need <= file.len() as u64, "{have} {need}");
            }
            other => panic!("{len}: {other:?}"),
        }
    }
    assert_eq!(walked(&file, Format::Png), None);
    file.extend(b"anything");
    assert_eq!(walked(&file, Format::Png), None);
    file[38] = 0;
    assert!(matches!(walked(&file, Format::Png), Some(Flaw::Damaged { at: 33, .. })));
}
