//! All pairs of 64-bit fingerprints within a Hamming distance, exactly, and all fingerprints near one.
//!
//! The bits are cut into parts. By the general pigeonhole principle (Qin et al., "GPH: Similarity Search
//! in Hamming Space", ICDE 2018, lemma 2) two words within `r` differ by at most `t` bits in at least one
//! part, as long as the limits of `m` parts sum up to `r − m + 1`. So the words are sorted by each part in
//! turn, and only groups whose keys are within that part's limit are compared, eight words at a time.
//!
//! - `plan`: how many parts, how wide, which limits: whatever costs least for so many words;
//! - `sorted`: the words in the order of one part;
//! - `near`: comparing, with the widest instructions that the processor has.

#[expect(clippy::inline_always, reason = "only what is inlined is compiled for the processor")]
mod near;
mod plan;
#[expect(clippy::inline_always, reason = "as in `near`, from where it is called")]
mod sorted;

use sorted::Sorted;

use crate::pixels::spread;

/// Words to be compared, by their place in the list that they came from.
#[derive(Debug)]
pub(crate) struct Words {
    spread: Vec<u64>,
}

impl Words {
    /// At most 2³² words.
    pub(crate) fn new(words: impl IntoIterator<Item = u64>) -> Self {
        Self { spread: words.into_iter().map(spread).collect() }
    }

    /// Tells every pair that differs by at most `radius` bits, each once, the smaller place first, in
    /// no particular order.
    pub(crate) fn pairs(&self, radius: u32, mut found: impl FnMut(u32, u32)) {
        let plan = plan::for_pairs(self.spread.len(), radius);
        for (at, part) in plan.iter().enumerate() {
            let sorted = Sorted::by(*part, &self.spread);
            near::join(&sorted, radius, &mut |a, b| {
                let (a, b) = (a.min(b), a.max(b));
                // A pair is told by the first part that finds it.
                let differ = self.spread[a as usize] ^ self.spread[b as usize];
                if !plan[..at].iter().any(|earlier| earlier.finds(differ)) {
                    found(a, b);
                }
            });
        }
    }

    /// An index that answers for one word at a time.
    pub(crate) fn index(&self, radius: u32) -> Index {
        let plan = plan::for_queries(self.spread.len(), radius);
        Index {
            radius,
            sorted: plan.into_iter().map(|part| Sorted::by(part, &self.spread)).collect(),
        }
    }
}

/// Words that can be asked for those near another word.
#[derive(Debug)]
pub(crate) struct Index {
    radius: u32,
    sorted: Vec<Sorted>,
}

impl Index {
    /// The places of all words within the radius of `word`, ascending.
    pub(crate) fn within(&self, word: u64) -> Vec<u32> {
        let word = spread(word);
        let mut places = Vec::new();
        for sorted in &self.sorted {
            near::look_up(sorted, word, self.radius, &mut places);
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests;
