//! WebP chunks in a RIFF container (RFC 9649, section 2).

use super::cursor::Cursor;
use super::head::{Bytes, Head, MAX_READ, Stop};
use super::{Flaw, Found};

/// The flag in `VP8X` that announces an `EXIF` chunk.
const HAS_EXIF: u8 = 0x08;

/// Finds size and camera data, and whether the announced length is there.
pub(super) fn read(head: &Head, found: &mut Found) -> Result<(), Stop> {
    let riff = Cursor::little(head.bytes(4, 4)?).number(4).unwrap_or_default() + 8;
    let mut extended = false;
    let mut at = 12;
    while at + 8 <= riff {
        let mut chunk = Cursor::little(head.bytes(at, 8)?);
        let name = chunk.take(4).unwrap_or_default();
        let len = chunk.number(4).unwrap_or_default();
        match name {
            b"VP8X" | b"VP8 " | b"VP8L" => {
                let start = head.bytes(at + 8, len.min(10))?;
                found.size = found.size.or(size(name, start));
                hold(name, found);
                if riff > head.size() {
                    return Err(Stop::End { need: riff });
                }
                extended |=
                    name == b"VP8X" && start.first().is_some_and(|flags| flags & HAS_EXIF != 0);
                if !extended {
                    return Ok(());
                }
            }
            b"EXIF" if len <= MAX_READ => {
                let block = head.bytes(at + 8, len)?;
                return found.notes.add(block, &mut found.flaws);
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        at += 8 + len + len % 2;
    }
    if extended {
        let why = "it is announced but missing".to_owned();
        found.flaws.add(Flaw::Exif { why });
    }
    Ok(())
}

/// A lossless picture is decoded into one canvas of four bytes a pixel, an animation onto one.
fn hold(name: &[u8], found: &mut Found) {
    let pixels = found.size.map_or(0, |(width, height)| u64::from(width) * u64::from(height));
    if name != b"VP8 " {
        found.coding.held = 4 * pixels;
    }
}

/// Width and height of the canvas (2.7), a lossy (RFC 6386, 9.1) or a lossless picture (3.4).
fn size(name: &[u8], start: &[u8]) -> Option<(u32, u32)> {
    let mut data = Cursor::little(start);
    match name {
        b"VP8X" => {
            data.take(4)?;
            Some((data.u24()? + 1, data.u24()? + 1))
        }
        b"VP8 " => {
            data.take(3)?;
            (data.take(3)? == [0x9D, 0x01, 0x2A]).then_some(())?;
            Some((u32::from(data.u16()? & 0x3FFF), u32::from(data.u16()? & 0x3FFF)))
        }
        _ => {
            (data.u8()? == 0x2F).then_some(())?;
            let bits = data.u32()?;
            Some(((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1))
        }
    }
}
