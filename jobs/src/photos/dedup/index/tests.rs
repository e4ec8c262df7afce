//! Against every pair, one by one.

use super::super::numbers::Numbers;
use super::*;

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    /// Some words of chance, and copies of them with up to 14 bits changed; `clumps` as of pictures that
    /// are much alike: all bits but some are those of a few words.
    fn words(&mut self, count: usize, clumps: bool) -> Vec<u64> {
        let motifs: Vec<u64> = (0..5).map(|_| self.next()).collect();
        let mut words = Vec::with_capacity(count);
        while words.len() < count {
            let word = if clumps {
                let motif = motifs[self.below(motifs.len())];
                motif ^ (self.next() & self.next() & self.next())
            } else {
                self.next()
            };
            words.push(word);
            let copy = (0..self.below(15)).fold(word, |copy, _| copy ^ 1 << self.below(64));
            words.push(copy);
        }
        words.truncate(count);
        words
    }
}

fn every_pair(words: &[u64], radius: u32) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    for (one, word) in (0..).zip(words) {
        for (other, second) in (0..).zip(&words[..one as usize]) {
            if (word ^ second).count_ones() <= radius {
                pairs.push((other, one));
            }
        }
    }
    pairs.sort_unstable();
    pairs
}

#[test]
fn all_pairs_are_found_and_each_once() {
    let mut numbers = Numbers(7);
    for (count, clumps) in [(0, false), (1, false), (2, true), (900, false), (1_200, true)] {
        let words = numbers.words(count, clumps);
        for radius in [0, 1, 4, 8, 10, 13, 20] {
            let mut found = Vec::new();
            Words::new(words.iter().copied()).pairs(radius, |one, other| found.push((one, other)));
            found.sort_unstable();
            assert_eq!(found, every_pair(&words, radius), "{count} words within {radius}");
        }
    }
}

#[test]
fn equal_words_are_pairs() {
    let mut found = 0;
    Words::new([9; 40]).pairs(8, |_, _| found += 1);
    assert_eq!(found, 40 * 39 / 2);
}

#[test]
fn what_is_near_is_found_by_an_index() {
    let mut numbers = Numbers(11);
    for (count, clumps) in [(0, false), (1, true), (800, false), (800, true)] {
        let words = numbers.words(count, clumps);
        for radius in [0, 3, 10] {
            let index = Words::new(words.iter().copied()).index(radius);
            for word in words.iter().copied().step_by(7).chain([0, u64::MAX]) {
                let near =
                    (0..).zip(&words).filter(|(_, other)| (word ^ *other).count_ones() <= radius);
                let near: Vec<u32> = near.map(|(place, _)| place).collect();
                assert_eq!(index.within(word), near, "{word:x} within {radius} of {count}");
            }
        }
    }
}
