//! What is known of a file so far, and how a reader asks for more of it.

use std::collections::BTreeMap;
use std::ops::Range;

/// The first request: covers header, EXIF and preview of most pictures in one read.
const FIRST_READ: u64 = 64 * 1024;
/// The second request is at least this long, because a round trip costs more than the bytes, and
/// every further one twice as long: a file that needs many reads has large headers.
const LATER_READ: u64 = 16 * 1024;
/// No request grows beyond this just in case.
const LONGEST_GUESS: u64 = 256 * 1024;
/// No single request is longer: lengths come from the file and may be lies.
pub(super) const MAX_READ: u64 = 1024 * 1024;
/// After so many reads a file is given up: whoever scatters its headers more widely is hostile.
pub(super) const MAX_READS: u32 = 24;
/// All reads of one file together.
pub(super) const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Why a reader cannot go on.
#[derive(Debug, PartialEq)]
pub(super) enum Stop {
    /// These bytes are missing; come back with them.
    Need(Range<u64>),
    /// The file would have to be this long.
    End { need: u64 },
    /// [`MAX_READS`], [`MAX_READ`] or [`MAX_BYTES`] is used up.
    Spent,
    /// The bytes contradict the format; the text completes "the file is damaged: …".
    Broken(String),
}

/// Random access to bytes that may not be here yet.
pub(super) trait Bytes {
    /// How long the whole is.
    fn size(&self) -> u64;
    /// Exactly `len` bytes from `at` on.
    fn bytes(&self, at: u64, len: u64) -> Result<&[u8], Stop>;
}

/// The bytes of one object that are known so far.
#[derive(Debug)]
pub(crate) struct Head {
    len: u64,
    /// Start → bytes; parts neither overlap nor touch.
    parts: BTreeMap<u64, Vec<u8>>,
    reads: u32,
    total: u64,
}

impl Head {
    /// An object of `len` bytes of which nothing is known.
    pub(crate) fn new(len: u64) -> Self {
        Self { len, parts: BTreeMap::new(), reads: 0, total: 0 }
    }

    /// Learns the bytes at `offset`. An empty or short answer counts as a read as well, so a
    /// caller that always answers always comes to an end.
    pub(crate) fn insert(&mut self, offset: u64, mut bytes: Vec<u8>) {
        self.reads = self.reads.saturating_add(1);
        bytes.truncate(usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX));
        self.total = self.total.saturating_add(bytes.len() as u64);
        if bytes.is_empty() {
            return;
        }
        let mut start = offset;
        let end = offset + bytes.len() as u64;
        if let Some((&at, part)) = self.parts.range_mut(..=offset).next_back() {
            let part_end = at + part.len() as u64;
            if part_end >= end {
                return;
            }
            if part_end >= offset {
                part.truncate(usize::try_from(offset - at).unwrap_or(usize::MAX));
                part.append(&mut bytes);
                bytes = std::mem::take(part);
                start = at;
            }
        }
        while let Some((&at, part)) = self.parts.range(start + 1..=end).next() {
            let known = usize::try_from(end - at).unwrap_or(usize::MAX);
            bytes.extend_from_slice(part.get(known..).unwrap_or_default());
            self.parts.remove(&at);
        }
        self.parts.insert(start, bytes);
    }

    /// How many reads were answered.
    pub(super) fn reads(&self) -> u32 {
        self.reads
    }

    /// What is known from `at` on without a gap; empty when nothing is.
    pub(crate) fn known(&self, at: u64) -> &[u8] {
        let part = self.parts.range(..=at).next_back();
        part.and_then(|(start, part)| part.get(usize::try_from(at - start).ok()?..))
            .unwrap_or_default()
    }

    /// Up to `len` bytes from `at` on, fewer only at the end of the object.
    pub(super) fn upto(&self, at: u64, len: u64) -> Result<&[u8], Stop> {
        self.bytes(at, len.min(self.len.saturating_sub(at)))
    }
}

impl Bytes for Head {
    fn size(&self) -> u64 {
        self.len
    }

    fn bytes(&self, at: u64, len: u64) -> Result<&[u8], Stop> {
        let end = at.checked_add(len).filter(|&end| end <= self.len);
        let end = end.ok_or(Stop::End { need: at.saturating_add(len) })?;
        let known = self.known(at);
        if let Some(found) = usize::try_from(len).ok().and_then(|len| known.get(..len)) {
            return Ok(found);
        }
        let start = at + known.len() as u64;
        let least = match self.reads {
            0 => FIRST_READ,
            reads => (LATER_READ << reads.min(8) >> 1).min(LONGEST_GUESS),
        };
        let wanted = start..end.max(start + least).min(self.len);
        let length = wanted.end - wanted.start;
        if self.reads >= MAX_READS || length > MAX_READ || self.total + length > MAX_BYTES {
            return Err(Stop::Spent);
        }
        Err(Stop::Need(wanted))
    }
}

impl Bytes for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn bytes(&self, at: u64, len: u64) -> Result<&[u8], Stop> {
        let need = at.saturating_add(len);
        let range = usize::try_from(at).ok().zip(usize::try_from(need).ok());
        range.and_then(|(start, end)| self.get(start..end)).ok_or(Stop::End { need })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_in_any_order() {
        let mut head = Head::new(10);
        head.insert(6, vec![6, 7]);
        head.insert(2, vec![2, 3]);
        assert_eq!(head.bytes(2, 3), Err(Stop::Need(4..10)));
        head.insert(3, vec![3, 4, 5, 6]);
        assert_eq!(head.bytes(2, 6), Ok(&[2, 3, 4, 5, 6, 7][..]));
        head.insert(0, (0..20).collect());
        assert_eq!(head.known(0), (0..10).collect::<Vec<u8>>());
        assert_eq!(head.parts.len(), 1);
        assert_eq!(head.bytes(8, 3), Err(Stop::End { need: 11 }));
        assert_eq!(head.bytes(u64::MAX, 3), Err(Stop::End { need: u64::MAX }));
    }

    #[test]
    fn requests_are_bounded() {
        let mut head = Head::new(1 << 40);
        assert_eq!(head.bytes(0, 2), Err(Stop::Need(0..FIRST_READ)));
        head.insert(0, vec![0; 100]);
        assert_eq!(head.bytes(90, 20), Err(Stop::Need(100..100 + LATER_READ)));
        assert_eq!(head.bytes(0, MAX_READ * 2), Err(Stop::Spent));
        for _ in 0..MAX_READS {
            head.insert(0, Vec::new());
        }
        assert_eq!(head.bytes(90, 20), Err(Stop::Spent));
    }
}
