//! Numbers of any width, the highest bit first.

/// Where reading stands.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// A number of so many bits, at most 64; `None` at the end.
    pub(super) fn take(&mut self, width: u64) -> Option<u64> {
        let mut number = 0;
        for _ in 0..width {
            let byte = self.data.get(self.at / 8)?;
            number = number << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(number)
    }

    /// An Exp-Golomb number (ITU-T H.265, 9.2) of at most 32 bits.
    pub(super) fn golomb(&mut self) -> Option<u64> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
        }
        let rest = self.take(Some(zeros).filter(|zeros| *zeros <= 32)?)?;
        Some((1 << zeros) - 1 + rest)
    }
}
