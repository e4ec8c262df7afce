//! How the bits are cut into parts, and how far apart two keys of a part may be.

/// Bits of a word.
const BITS: u32 = 64;
/// A part's table has an entry for each of its values: 2²² entries are 16 MB.
const WIDEST: u32 = 22;

/// Some neighbouring bits of all words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where the bits begin.
    pub(super) shift: u32,
    /// How many there are.
    pub(super) bits: u32,
    /// Bits by which two keys may differ.
    pub(super) limit: u32,
}

impl Part {
    /// The part's bits of a word.
    pub(super) fn key(self, word: u64) -> usize {
        let key = word >> self.shift & ((1 << self.bits) - 1);
        usize::try_from(key).unwrap_or(usize::MAX)
    }

    /// Whether two words that differ by these bits meet in this part.
    pub(super) fn finds(self, differ: u64) -> bool {
        self.key(differ).count_ones() <= self.limit
    }

    /// All differences that two keys may have, ascending; no difference is the first.
    pub(super) fn differences(self) -> impl Iterator<Item = u32> {
        (0..1_u32 << self.bits).filter(move |key| key.count_ones() <= self.limit)
    }

    /// How many there are.
    fn fan(self) -> f64 {
        let (mut fan, mut choose) = (0.0, 1.0);
        for ones in 0..=self.limit.min(self.bits) {
            fan += choose;
            choose *= f64::from(self.bits - ones) / f64::from(ones + 1);
        }
        fan
    }

    fn values(self) -> f64 {
        f64::from(1_u32 << self.bits)
    }
}

/// The cheapest plan to find all pairs of so many words.
pub(super) fn for_pairs(words: usize, radius: u32) -> Vec<Part> {
    let words = count(words);
    cheapest(radius, |part| {
        let groups = part.values();
        // Every word is compared with groups; each two groups are visited; all words are sorted.
        (words * eights(words / groups) + groups) * part.fan() / 2.0 + words * 8.0
    })
}

/// The cheapest plan to look one word up: every group costs a read from far away.
pub(super) fn for_queries(words: usize, radius: u32) -> Vec<Part> {
    let words = count(words);
    cheapest(radius, |part| (eights(words / part.values()) + 8.0) * part.fan())
}

/// Comparisons of eight words at once that a group of this size takes on average.
fn eights(group: f64) -> f64 {
    group / 8.0 + 0.5 * group.min(1.0)
}

fn count(words: usize) -> f64 {
    f64::from(u32::try_from(words).unwrap_or(u32::MAX))
}

/// Parts in two sorts: `higher` of them with a limit of one more than the others, and maybe of another
/// width, because what they cost differs.
fn cheapest(radius: u32, cost: impl Fn(Part) -> f64) -> Vec<Part> {
    let mut best = (f64::INFINITY, Vec::new());
    for parts in 1..=(radius + 1).min(16) {
        let sum = radius + 1 - parts;
        let (limit, higher) = (sum / parts, sum % parts);
        for wide in 1..=WIDEST {
            for narrow in 1..=WIDEST {
                if higher * wide + (parts - higher) * narrow > BITS {
                    break;
                }
                let plan: Vec<Part> = (0..parts)
                    .scan(0, |shift, at| {
                        let (bits, limit) =
                            if at < higher { (wide, limit + 1) } else { (narrow, limit) };
                        *shift += bits;
                        Some(Part { shift: *shift - bits, bits, limit })
                    })
                    .collect();
                let costs = plan.iter().map(|part| cost(*part)).sum();
                if costs < best.0 {
                    best = (costs, plan);
                }
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_finds_whatever_is_within_the_radius() {
        for words in [0, 1, 1_000, 1_000_000, 100_000_000] {
            for radius in 0..=24 {
                for plan in [for_pairs(words, radius), for_queries(words, radius)] {
                    // The pigeonhole principle: one bit more than each limit is one more than the radius.
                    let holes: u32 = plan.iter().map(|part| part.limit + 1).sum();
                    assert_eq!(holes, radius + 1, "{words} words, {plan:?}");
                    let ends = plan.iter().scan(0, |end, part| {
                        assert_eq!(part.shift, *end, "{plan:?}");
                        *end += part.bits;
                        Some(*end)
                    });
                    assert!(ends.last().is_some_and(|end| end <= BITS), "{plan:?}");
                }
            }
        }
    }

    #[test]
    fn differences_are_as_many_as_expected() {
        for part in for_pairs(1_000_000, 10) {
            let mut differences = part.differences();
            assert_eq!(differences.next(), Some(0));
            let fan = u32::try_from(differences.count() + 1).unwrap();
            assert!((f64::from(fan) - part.fan()).abs() < 0.5, "{part:?}");
        }
    }
}
