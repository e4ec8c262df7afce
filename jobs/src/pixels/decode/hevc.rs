//! How large the pictures of an HEVC stream say they are (ITU-T H.265, 7.3.2.2), before they are cropped to
//! what the container shows: the decoder takes memory for all of it.

use super::super::cursor::Cursor;
use super::bits::Bits;

/// A sequence parameter set among the units of a configuration.
const SEQUENCE_PARAMETERS: u8 = 33;
/// Profile, compatibility and constraints of a stream or of one of its layers (7.3.3).
const PROFILE: u64 = 88;
const LEVEL: u64 = 8;

/// Width times height of the largest picture that a decoder's configuration (`hvcC`, ISO/IEC 14496-15,
/// 8.3.3.1) announces; 0 where it announces none.
pub(super) fn largest_picture(hvcc: &[u8]) -> u64 {
    let mut rest = Cursor::big(hvcc);
    let mut largest = 0;
    let arrays = rest.take(22).and_then(|_| rest.u8()).unwrap_or_default();
    for _ in 0..arrays {
        let Some((kind, count)) = rest.u8().zip(rest.u16()) else { break };
        for _ in 0..count {
            let Some(unit) = rest.u16().and_then(|len| rest.take(len.into())) else { break };
            if kind & 63 == SEQUENCE_PARAMETERS {
                largest = largest.max(picture(unit).unwrap_or(0));
            }
        }
    }
    largest
}

/// Pixels of a picture, out of a sequence parameter set.
fn picture(unit: &[u8]) -> Option<u64> {
    let unit = without_emulation(unit);
    let mut bits = Bits::new(&unit);
    // The unit's header, and the video parameter set that it belongs to.
    bits.take(16 + 4)?;
    let layers = bits.take(3)?;
    bits.take(1 + PROFILE + LEVEL)?;
    let mut told = Vec::new();
    for _ in 0..layers {
        told.push((bits.take(1)? == 1, bits.take(1)? == 1));
    }
    if layers > 0 {
        bits.take(2 * (8 - layers))?;
    }
    for (profile, level) in told {
        bits.take(if profile { PROFILE } else { 0 })?;
        bits.take(if level { LEVEL } else { 0 })?;
    }
    bits.golomb()?;
    // With all three colours in full, whether they are coded apart.
    if bits.golomb()? == 3 {
        bits.take(1)?;
    }
    Some(bits.golomb()?.saturating_mul(bits.golomb()?))
}

/// A unit without the bytes that keep start codes out of it (7.4.2.1).
fn without_emulation(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration whose parameter set announces this size; with layers below the stream's own.
    fn hvcc(layers: u64, width: u64, height: u64) -> Vec<u8> {
        let mut bits = Vec::new();
        let mut put = |number: u64, width: usize| {
            bits.extend((0..width).rev().map(|place| u8::from(number >> place & 1 == 1)));
        };
        put(u64::from(SEQUENCE_PARAMETERS) << 9 | 1, 16);
        put(0, 4);
        put(layers, 3);
        put(1, 1);
        (0..12).for_each(|_| put(0b0110_0000, 8));
        if layers > 0 {
            (0..layers).for_each(|_| put(0b11, 2));
            put(0, usize::try_from(2 * (8 - layers)).unwrap());
            (0..12 * layers).for_each(|_| put(0, 8));
        }
        for number in [0, 1, width, height] {
            let digits = (number + 1).ilog2() as usize;
            put(0, digits);
            put(number + 1, digits + 1);
        }
        bits.resize(bits.len().next_multiple_of(8), 0);
        let bytes = bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit));
        let mut unit = Vec::new();
        for byte in bytes {
            if unit.ends_with(&[0, 0]) && byte <= 3 {
                unit.push(3);
            }
            unit.push(byte);
        }
        let len = u16::try_from(unit.len()).unwrap().to_be_bytes();
        [&[0; 22][..], &[1, 0x80 | SEQUENCE_PARAMETERS, 0, 1], &len, &unit].concat()
    }

    #[test]
    fn pictures_are_as_large_as_their_parameters_say() {
        for (layers, width, height) in
            [(0, 512, 512), (0, 16_384, 16_384), (2, 4032, 3024), (7, 8, 8)]
        {
            assert_eq!(largest_picture(&hvcc(layers, width, height)), width * height);
        }
    }

    #[test]
    fn a_configuration_without_a_size_announces_none() {
        let whole = hvcc(1, 64, 48);
        for cut in 0..whole.len() {
            assert!([0, 64 * 48].contains(&largest_picture(&whole[..cut])), "{cut}");
        }
        assert_eq!(largest_picture(&[0xFF; 60]), 0);
    }
}
