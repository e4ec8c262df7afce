//! JPEG headers: the marker segments before the first scan (T.81 B.1.1, B.2).

use super::cursor::Cursor;
use super::head::{Bytes, Head, Stop};
use super::{Coding, Flaw, Found};

/// APP1 with this start holds EXIF (Exif 2.32, 4.7.2).
const EXIF: &[u8] = b"Exif\0";
/// APP1 with this start holds XMP, APP13 with the other one Photoshop's resources.
const XMP: &[u8] = b"http://ns.adobe.com/xap/";
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
/// Enough of a segment to tell what it is.
const GLANCE: u64 = 32;

/// What the headers have in common, for the rules that span several of them.
#[derive(Default)]
struct Seen {
    exif: bool,
    notes: Option<&'static str>,
    jfif_minor: Option<u8>,
    wide_tables: bool,
    progressive: bool,
    /// Bytes of all coefficients, which a picture of several scans needs.
    coefficients: u64,
}

/// Finds size, camera data and header damage.
pub(super) fn read(head: &Head, found: &mut Found) -> Result<(), Stop> {
    let mut seen = Seen::default();
    let mut at = 2;
    let (end, at) = loop {
        let (marker, start) = next(head, at, found)?;
        match marker {
            // SOS, EOI: what follows is the picture's own data, or nothing.
            0xDA | 0xD9 => break (marker, start),
            0x00..=0x01 | 0xD0..=0xD8 => {
                found
                    .flaws
                    .add(Flaw::Damaged { at, why: "a mark stands where a header should be" });
                at = start;
                continue;
            }
            _ => {}
        }
        let length = head.bytes(start, 2)?;
        let length = Cursor::big(length).number(2).unwrap_or_default();
        if length < 2 {
            found.flaws.add(Flaw::Damaged { at: start, why: "a header has no length" });
            at = start;
            continue;
        }
        segment(head, marker, start + 2, length - 2, found, &mut seen)?;
        at = start + length;
    };
    if found.size.is_none() || end == 0xD9 {
        return Err(Stop::Broken("it has headers but no picture".to_owned()));
    }
    if scan(head, at)? < found.coding.channels || seen.progressive {
        found.coding.held = seen.coefficients;
    }
    if let (Some(notes), false) = (seen.notes, seen.exif) {
        found.flaws.add(Flaw::ExifGone { notes });
    }
    Ok(())
}

/// The next marker and the position behind it; whatever is no marker is skipped as damage.
fn next(head: &Head, at: u64, found: &mut Found) -> Result<(u8, u64), Stop> {
    if let [0xFF, marker @ 0x01..=0xFE] = head.bytes(at, 2)? {
        return Ok((*marker, at + 2));
    }
    let junk = head.known(at);
    let mut places = memchr::memchr_iter(0xFF, junk);
    let marker = places.find_map(|place| match junk.get(place + 1) {
        // B.1.1.2: a marker may be preceded by any number of fill bytes 0xFF.
        Some(0x00 | 0xFF) | None => None,
        Some(&marker) => Some((place, marker)),
    });
    let Some((skipped, marker)) = marker else {
        if at + (junk.len() as u64) < head.size() {
            head.bytes(at, junk.len() as u64 + 1)?;
        }
        return Err(Stop::Broken(format!("no header follows at byte {at}")));
    };
    if junk.iter().take(skipped).any(|&byte| byte != 0xFF) {
        found.flaws.add(Flaw::Damaged { at, why: "stray bytes between two headers" });
    }
    Ok((marker, at + skipped as u64 + 2))
}

/// The components of a frame, and what their coefficients (two bytes each, T.81 A.2) take up.
fn frame_coding(rest: &mut Cursor<'_>, bits: u8, pixels: u64, found: &mut Found, seen: &mut Seen) {
    let channels = rest.u8().unwrap_or(3);
    let mut samples = 0;
    let mut densest = 1;
    for _ in 0..channels.min(4) {
        let Some([_, factors, _]) = rest.take(3) else { break };
        let density = u64::from(factors >> 4) * u64::from(factors & 15);
        samples += density;
        densest = densest.max(density);
    }
    found.coding = Coding { channels, bits, held: 0 };
    seen.coefficients = 2 * pixels.saturating_mul(samples) / densest;
}

/// How many components the scan at this header has (T.81 B.2.3).
fn scan(head: &Head, at: u64) -> Result<u8, Stop> {
    Ok(head.bytes(at, 3)?.get(2).copied().unwrap_or_default())
}

fn segment(
    head: &Head,
    marker: u8,
    at: u64,
    len: u64,
    found: &mut Found,
    seen: &mut Seen,
) -> Result<(), Stop> {
    let glance = head.bytes(at, len.min(GLANCE))?;
    match marker {
        // SOF0 to SOF15 without DHT, JPG and DAC, which live among them (table B.1).
        0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
            let mut frame = Cursor::big(glance);
            let fields = (frame.u8(), frame.u16(), frame.u16());
            let (Some(precision), Some(height), Some(width)) = fields else {
                return Err(Stop::Broken("the header with the picture's size is too short".into()));
            };
            if found.size.is_none() {
                found.size = Some((width.into(), height.into()));
                let pixels = u64::from(width) * u64::from(height);
                frame_coding(&mut frame, precision, pixels, found, seen);
                seen.progressive = matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE);
            }
            if precision == 8 && seen.wide_tables {
                // B.2.4.1: "Pq shall be zero for 8 bit sample precision P".
                let rule = "16-bit quality tables in an 8-bit JPEG; some programs refuse that";
                found.flaws.add(Flaw::Nonstandard { rule });
            }
        }
        0xDB => seen.wide_tables |= glance.first().is_some_and(|table| table >> 4 == 1),
        0xE0 if glance.starts_with(b"JFIF\0") => seen.jfif_minor = glance.get(6).copied(),
        0xE0 if glance.starts_with(b"JFXX\0") && seen.jfif_minor.is_some_and(|minor| minor < 2) => {
            let rule = "a built-in preview (JFXX) that JFIF knows only from version 1.02 on";
            found.flaws.add(Flaw::Nonstandard { rule });
        }
        0xE1 if glance.starts_with(EXIF) => {
            seen.exif = true;
            // Five letters, and a sixth byte that should be 0 but need not be.
            let block = head.bytes(at, len)?.get(EXIF.len() + 1..).unwrap_or_default();
            found.notes.add(block, &mut found.flaws)?;
        }
        0xE1 if glance.starts_with(XMP) => seen.notes = Some("notes of an editing program (XMP)"),
        0xED if glance.starts_with(PHOTOSHOP) => {
            seen.notes = seen.notes.or(Some("notes of an editing program (Photoshop)"));
        }
        _ => {}
    }
    Ok(())
}
