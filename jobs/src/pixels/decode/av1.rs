//! How large the frames of an AV1 stream say they are (AV1 specification, 5.3 and 5.5.1): a container that
//! claims less must not make the decoder take more memory than was reserved.

use super::super::cursor::Cursor;
use super::bits::Bits;

/// A sequence header among the units of a stream.
const SEQUENCE_HEADER: u8 = 1;

/// Width times height of the largest frame that a stream announces; 0 where it is no AV1 stream.
pub(super) fn largest_frame(stream: &[u8]) -> u64 {
    let mut rest = Cursor::big(stream);
    let mut largest = 0;
    while let Some((kind, body)) = unit(&mut rest) {
        if kind == SEQUENCE_HEADER {
            largest = largest.max(frame(body).unwrap_or(0));
        }
    }
    largest
}

/// The next unit's type and body.
fn unit<'a>(rest: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let header = rest.u8()?;
    if header & 0x04 != 0 {
        rest.u8()?;
    }
    let size = if header & 0x02 == 0 { rest.rest().len() } else { leb128(rest)? };
    Some(((header >> 3) & 15, rest.take(size)?))
}

/// A number in groups of seven bits, the lowest first (4.10.5).
fn leb128(rest: &mut Cursor<'_>) -> Option<usize> {
    let mut number = 0;
    for group in 0..8 {
        let byte = rest.u8()?;
        number |= u64::from(byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            break;
        }
    }
    usize::try_from(number).ok()
}

/// Pixels of the largest frame, out of a sequence header. Stills have no timing and no decoder model;
/// a header with either is taken for boundless.
fn frame(header: &[u8]) -> Option<u64> {
    let mut bits = Bits::new(header);
    // Profile, and whether it is a still picture.
    bits.take(4)?;
    if bits.take(1)? == 1 {
        // The reduced header of a still: its level.
        bits.take(5)?;
    } else {
        if bits.take(1)? == 1 {
            return Some(u64::MAX);
        }
        let delays = bits.take(1)? == 1;
        for _ in 0..=bits.take(5)? {
            bits.take(12)?;
            // Levels above 7 have a tier.
            if bits.take(5)? > 7 {
                bits.take(1)?;
            }
            if delays && bits.take(1)? == 1 {
                bits.take(4)?;
            }
        }
    }
    let (width, height) = (bits.take(4)? + 1, bits.take(4)? + 1);
    Some((bits.take(width)? + 1) * (bits.take(height)? + 1))
}
