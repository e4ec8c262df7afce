//! Words in the order of the keys of one part.

use super::plan::Part;

/// Words are compared so many at once.
pub(super) const EIGHT: usize = 8;

/// Words of a tile: 128 KB.
const TILE: usize = 16 * 1024;

/// Words, grouped by their keys.
#[derive(Debug)]
pub(super) struct Sorted {
    pub(super) part: Part,
    /// By how much two keys may differ, ascending.
    pub(super) differences: Vec<u32>,
    /// Bits of a key within a tile: neighbouring keys whose words fit into a processor's second cache.
    pub(super) tile: u32,
    /// Followed by [`EIGHT`] more, so that every group can be read in eights.
    words: Vec<u64>,
    /// Where the words came from.
    places: Vec<u32>,
    /// Where the group of each key begins, and where the last one ends.
    starts: Vec<u32>,
}

/// The words of one key.
#[derive(Clone, Copy)]
pub(super) struct Group<'s> {
    pub(super) words: &'s [u64],
    pub(super) places: &'s [u32],
    /// The same words in eights; the last eight may hold others as well.
    pub(super) eights: &'s [[u64; EIGHT]],
}

impl Sorted {
    /// Sorts by counting.
    pub(super) fn by(part: Part, words: &[u64]) -> Self {
        // Counts of a key are kept one further, so that they sum up to beginnings, and one further still,
        // so that each beginning can be moved on as its group fills.
        let mut starts = vec![0_u32; (1 << part.bits) + 2];
        for &word in words {
            starts[part.key(word) + 2] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut sorted = vec![0; words.len() + EIGHT];
        let mut places = vec![0; words.len()];
        for (place, &word) in (0..).zip(words) {
            let next = &mut starts[part.key(word) + 1];
            sorted[*next as usize] = word;
            places[*next as usize] = place;
            *next += 1;
        }
        starts.pop();
        let tiles = (words.len() / TILE).next_power_of_two().trailing_zeros();
        Self {
            part,
            differences: part.differences().collect(),
            tile: part.bits.saturating_sub(tiles),
            words: sorted,
            places,
            starts,
        }
    }

    /// How many keys there are.
    pub(super) fn keys(&self) -> usize {
        self.starts.len() - 1
    }

    /// The words of a key.
    #[inline(always)]
    pub(super) fn group(&self, key: usize) -> Group<'_> {
        let (start, end) = (self.starts[key] as usize, self.starts[key + 1] as usize);
        let padded = start + (end - start).next_multiple_of(EIGHT);
        Group {
            words: &self.words[start..end],
            places: &self.places[start..end],
            eights: self.words[start..padded].as_chunks().0,
        }
    }
}
