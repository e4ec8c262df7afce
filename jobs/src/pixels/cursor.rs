//! A reader over a slice that yields `None` at the end, never a panic.

/// The rest of a slice, and the byte order of its numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    little: bool,
}

impl<'a> Cursor<'a> {
    /// Reads big-endian numbers (JPEG, PNG, ISO-BMFF).
    pub(super) fn big(rest: &'a [u8]) -> Self {
        Self { rest, little: false }
    }

    /// Reads little-endian numbers (RIFF, GIF, BMP).
    pub(super) fn little(rest: &'a [u8]) -> Self {
        Self { rest, little: true }
    }

    /// Reads numbers in the given order (TIFF).
    pub(super) fn ordered(rest: &'a [u8], little: bool) -> Self {
        Self { rest, little }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// A number of `width` bytes, at most 8; a width of 0 is the number 0, as in `iloc`.
    pub(super) fn number(&mut self, width: usize) -> Option<u64> {
        let join = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
        let bytes = self.take(width)?;
        Some(if self.little {
            bytes.iter().rev().fold(0, join)
        } else {
            bytes.iter().fold(0, join)
        })
    }

    /// One byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Two bytes.
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.number(2).and_then(|number| u16::try_from(number).ok())
    }

    /// Three bytes.
    pub(super) fn u24(&mut self) -> Option<u32> {
        self.number(3).and_then(|number| u32::try_from(number).ok())
    }

    /// Four bytes.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.number(4).and_then(|number| u32::try_from(number).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_orders_and_nothing_past_the_end() {
        let mut big = Cursor::big(&[1, 2, 3, 4, 5]);
        assert_eq!((big.u16(), big.u24(), big.u8()), (Some(0x0102), Some(0x03_0405), None));
        let mut little = Cursor::little(&[1, 2, 3, 4, 5]);
        assert_eq!(
            (little.u32(), little.u16(), little.number(0)),
            (Some(0x0403_0201), None, Some(0))
        );
        assert_eq!((little.rest(), little.take(2)), (&[5][..], None));
    }
}
