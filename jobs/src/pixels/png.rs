//! PNG chunks (W3C PNG 5.3): length, name, data, checksum.

use super::cursor::Cursor;
use super::head::{Bytes, Head, MAX_READ, Stop};
use super::{Coding, Found};

/// A chunk without data: length, name and checksum.
const FRAME: u64 = 12;
/// Walking on beyond so many reads would cost an object in a bucket one round trip per chunk.
const HOPS: u32 = 2;
/// Camera data behind the picture is looked for in so many bytes before the end.
const TAIL: u64 = 64 * 1024;

/// Finds size and camera data (the `eXIf` chunk, before or behind the picture).
pub(super) fn read(head: &Head, found: &mut Found) -> Result<(), Stop> {
    let mut first = Cursor::big(head.bytes(8, 21)?);
    if (first.u32(), first.take(4)) != (Some(13), Some(b"IHDR")) {
        return Err(Stop::Broken("its first part is not the picture's header".to_owned()));
    }
    found.size = first.u32().zip(first.u32());
    found.coding = coding(&mut first, found.size).unwrap_or_default();
    let mut at = 8 + FRAME + 13;
    loop {
        if head.known(at).len() < 8 && head.reads() >= HOPS {
            return tail(head, found);
        }
        let mut chunk = Cursor::big(head.bytes(at, 8)?);
        let (len, name) = (chunk.number(4).unwrap_or_default(), chunk.take(4).unwrap_or_default());
        if !name.iter().all(u8::is_ascii_alphabetic) {
            return Err(Stop::Broken(format!("what follows at byte {at} is no part of a PNG")));
        }
        let next = at + FRAME + len;
        if next > head.size() {
            return Err(Stop::End { need: next });
        }
        match name {
            b"IEND" => return Ok(()),
            b"eXIf" if len <= MAX_READ => {
                found.notes.add(head.bytes(at + 8, len)?, &mut found.flaws)?;
            }
            _ => {}
        }
        at = next;
    }
}

/// Depth, colour type and interlacing (11.2.1); a palette (3) may have alpha, and bits become bytes.
fn coding(rest: &mut Cursor<'_>, size: Option<(u32, u32)>) -> Option<Coding> {
    let (bits, colours) = (rest.u8()?.max(8), rest.u8()?);
    let channels = match colours {
        0 => 1,
        4 => 2,
        2 => 3,
        _ => 4,
    };
    rest.u16()?;
    let pixels = size.map(|(width, height)| u64::from(width) * u64::from(height))?;
    let interlaced = rest.u8()? != 0;
    let held = if interlaced { pixels * u64::from(channels) * u64::from(bits / 8) } else { 0 };
    Some(Coding { channels, bits, held })
}

/// Finds an `eXIf` chunk near the end by name, as most writers put it there.
fn tail(head: &Head, found: &mut Found) -> Result<(), Stop> {
    let bytes = head.bytes(head.size().saturating_sub(TAIL), TAIL.min(head.size()))?;
    for place in memchr::memmem::find_iter(bytes, b"eXIf") {
        let len = place.checked_sub(4).and_then(|at| bytes.get(at..place));
        let len = len.and_then(|len| usize::try_from(Cursor::big(len).u32()?).ok());
        let block = len.and_then(|len| bytes.get(place + 4..)?.get(..len));
        // Four letters may turn up in compressed data, with a byte order behind them hardly.
        if let Some(block @ ([b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..])) = block {
            return found.notes.add(block, &mut found.flaws);
        }
    }
    Ok(())
}
