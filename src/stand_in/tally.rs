//! What a service counts of those who ask it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When questions came, and how many were under way.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    arrivals: Vec<Instant>,
    under_way: usize,
    most_under_way: usize,
}

/// A question that is being answered.
#[derive(Debug)]
pub(super) struct UnderWay<'a>(&'a Tally);

impl Tally {
    /// How many came, trouble included.
    pub fn asked(&self) -> usize {
        self.counts().arrivals.len()
    }

    /// How many came within any time of this length, at most.
    pub fn most_within(&self, window: Duration) -> usize {
        let arrivals = &self.counts().arrivals;
        let within = |(at, first): (usize, &Instant)| {
            arrivals[at..].partition_point(|later| later.duration_since(*first) < window)
        };
        arrivals.iter().enumerate().map(within).max().unwrap_or(0)
    }

    /// How many were under way at once, at most.
    pub fn most_at_once(&self) -> usize {
        self.counts().most_under_way
    }

    pub(super) fn enter(&self) -> UnderWay<'_> {
        self.enter_at(Instant::now())
    }

    fn enter_at(&self, now: Instant) -> UnderWay<'_> {
        let mut counts = self.counts();
        counts.arrivals.push(now);
        counts.under_way += 1;
        counts.most_under_way = counts.most_under_way.max(counts.under_way);
        UnderWay(self)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.counts().under_way -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_second_is_found() {
        let (tally, mut now) = (Tally::default(), Instant::now());
        for pause in [0, 900, 50, 49, 500, 900] {
            now += Duration::from_millis(pause);
            drop(tally.enter_at(now));
        }
        assert_eq!((tally.asked(), tally.most_at_once()), (6, 1));
        assert_eq!(tally.most_within(Duration::from_secs(1)), 4);
        assert_eq!(tally.most_within(Duration::from_millis(50)), 2);
    }
}
