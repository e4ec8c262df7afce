//! Comparing words, with the widest instructions that the processor has.

use super::sorted::{EIGHT, Group, Sorted};

/// Answers whether any of some words is near any of others. It may say so wrongly where a group's
/// last eight hold words of the next group.
trait AnyNear: Copy {
    fn any_near(self, words: &[u64], others: &[[u64; EIGHT]]) -> bool;
}

/// Work on words, once it is known how they are compared.
trait Work {
    fn with(self, near: impl AnyNear);
}

/// Tells the places of all pairs within the radius that meet in this part.
pub(super) fn join(sorted: &Sorted, radius: u32, found: &mut impl FnMut(u32, u32)) {
    run(radius, Join { sorted, radius, found });
}

struct Join<'a, F> {
    sorted: &'a Sorted,
    radius: u32,
    found: &'a mut F,
}

impl<F: FnMut(u32, u32)> Work for Join<'_, F> {
    #[inline(always)]
    fn with(self, near: impl AnyNear) {
        let Self { sorted, radius, found } = self;
        let tile = 1 << sorted.tile;
        // Two tiles at a time, so that their groups are read from afar only once for many differences.
        for &high in sorted.differences.iter().filter(|high| **high % tile == 0) {
            let left = sorted.part.limit - high.count_ones();
            let lows = sorted.differences.iter().take_while(|low| **low < tile);
            let lows: Vec<usize> =
                lows.filter(|low| low.count_ones() <= left).map(|low| *low as usize).collect();
            let (high, tile) = (high as usize, tile as usize);
            for first in (0..sorted.keys()).step_by(tile).filter(|first| first ^ high >= *first) {
                for low in &lows {
                    for key in first..first + tile {
                        // Each two groups once.
                        let other = key ^ high ^ low;
                        if other < key {
                            continue;
                        }
                        let (one, two) = (sorted.group(key), sorted.group(other));
                        if one.words.is_empty() || !near.any_near(one.words, two.eights) {
                            continue;
                        }
                        for (at, (&word, &place)) in one.words.iter().zip(one.places).enumerate() {
                            let from = if key == other { at + 1 } else { 0 };
                            tell(word, two, from, radius, |other| found(place, other));
                        }
                    }
                }
            }
        }
    }
}

/// Adds the places of all words within the radius of `word` that meet it in this part.
pub(super) fn look_up(sorted: &Sorted, word: u64, radius: u32, places: &mut Vec<u32>) {
    run(radius, LookUp { sorted, word, radius, places });
}

struct LookUp<'a> {
    sorted: &'a Sorted,
    word: u64,
    radius: u32,
    places: &'a mut Vec<u32>,
}

impl Work for LookUp<'_> {
    #[inline(always)]
    fn with(self, near: impl AnyNear) {
        let Self { sorted, word, radius, places } = self;
        let key = sorted.part.key(word);
        for &difference in &sorted.differences {
            let group = sorted.group(key ^ difference as usize);
            if near.any_near(&[word], group.eights) {
                tell(word, group, 0, radius, |place| places.push(place));
            }
        }
    }
}

/// Tells the places of a group's words near `word`, from the given one on.
#[inline(always)]
fn tell(word: u64, group: Group<'_>, from: usize, radius: u32, mut found: impl FnMut(u32)) {
    for (&other, &place) in group.words.iter().zip(group.places).skip(from) {
        if (word ^ other).count_ones() <= radius {
            found(place);
        }
    }
}

/// One after the other.
#[derive(Clone, Copy)]
struct OneByOne(u32);

impl AnyNear for OneByOne {
    #[inline(always)]
    fn any_near(self, words: &[u64], others: &[[u64; EIGHT]]) -> bool {
        let others = others.as_flattened();
        words.iter().any(|word| {
            let near = others.iter().map(|other| u32::from((word ^ other).count_ones() <= self.0));
            near.sum::<u32>() > 0
        })
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use pulp::{cast, simd_type};

    use super::{AnyNear, EIGHT, OneByOne, Work};

    simd_type! {
        /// AVX-512 with a count of bits.
        pub(super) struct Eights { f: "avx512f", bits: "avx512vpopcntdq", one: "popcnt" }
        /// A count of bits, word by word.
        pub(super) struct Counting { one: "popcnt" }
    }

    /// Eight at once.
    #[derive(Clone, Copy)]
    struct AllEight(Eights, u32);

    impl AnyNear for AllEight {
        #[inline(always)]
        fn any_near(self, words: &[u64], others: &[[u64; EIGHT]]) -> bool {
            let Self(Eights { f, .. }, radius) = self;
            let radius = f._mm512_set1_epi64(i64::from(radius));
            let mut any = 0;
            for other in others {
                let other = cast(*other);
                for word in words {
                    let differ = f._mm512_xor_si512(f._mm512_set1_epi64(word.cast_signed()), other);
                    let differ: [u64; EIGHT] = cast(differ);
                    let bits = differ.map(|word| u64::from(word.count_ones()));
                    any |= f._mm512_cmple_epu64_mask(cast(bits), radius);
                }
            }
            any != 0
        }
    }

    /// Runs the work, if the processor can do better than the least of its kind.
    pub(super) fn run<W: Work>(radius: u32, work: W) -> Result<(), W> {
        if let Some(eights) = Eights::try_new() {
            eights.vectorize(
                #[inline(always)]
                || work.with(AllEight(eights, radius)),
            );
            return Ok(());
        }
        let Some(counting) = Counting::try_new() else {
            return Err(work);
        };
        counting.vectorize(
            #[inline(always)]
            || work.with(OneByOne(radius)),
        );
        Ok(())
    }
}

fn run<W: Work>(radius: u32, work: W) {
    #[cfg(target_arch = "x86_64")]
    let Err(work) = wide::run(radius, work) else {
        return;
    };
    work.with(OneByOne(radius));
}
