//! How a process divides its slots between queues. Pure.

/// What one queue is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Its share while several queues have work.
    pub(crate) weight: u32,
    /// Slots that it may have at most.
    pub(crate) max: usize,
    /// Jobs in hand.
    pub(crate) active: usize,
    /// Slots that it was granted last time.
    pub(crate) granted: usize,
}

impl Load {
    /// A queue that uses all it was granted wants more; another one wants room for one more job.
    fn wanted(&self) -> usize {
        if self.active >= self.granted { self.max } else { (self.active + 1).min(self.max) }
    }
}

/// Slots for each queue, of `total`.
///
/// Every queue keeps one slot, so that a burst of one never starves another. The others go by
/// weight to the queues that want them, and what nobody wants is spread as well, so that a queue
/// that wakes up need not wait for the next division. Slots of jobs that still run count until
/// they end: nothing is granted twice.
pub(crate) fn divide(total: usize, loads: &[Load]) -> Vec<usize> {
    let mut grants = vec![1; loads.len()];
    let mut left = total.saturating_sub(loads.len());
    let wanted: Vec<usize> = loads.iter().map(Load::wanted).collect();
    let most: Vec<usize> = loads.iter().map(|load| load.max).collect();
    for bound in [wanted, most] {
        while left > 0 {
            // The queue that has least for its weight: grants[a] / weight[a] < grants[b] / weight[b].
            let next = (0..loads.len()).filter(|&i| grants[i] < bound[i]).min_by(|&a, &b| {
                let ratio =
                    |i: usize, other: usize| grants[i] as u128 * u128::from(loads[other].weight);
                ratio(a, b).cmp(&ratio(b, a))
            });
            let Some(next) = next else { break };
            grants[next] += 1;
            left -= 1;
        }
    }
    let overdrawn: usize =
        loads.iter().zip(&grants).map(|(load, grant)| load.active.saturating_sub(*grant)).sum();
    for _ in 0..overdrawn {
        let spare = |i: &usize| grants[*i].saturating_sub(loads[*i].active.max(1));
        match (0..loads.len()).filter(|i| spare(i) > 0).max_by_key(spare) {
            Some(richest) => grants[richest] -= 1,
            None => break,
        }
    }
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(weight: u32, max: usize, active: usize, granted: usize) -> Load {
        Load { weight, max, active, granted }
    }

    #[test]
    fn slots_go_by_weight_and_none_is_idle() {
        let table: [(usize, Vec<Load>, Vec<usize>); 7] = [
            // Alone, a queue gets all it may have.
            (16, vec![load(1, 8, 0, 1)], vec![8]),
            // Both busy: by weight.
            (12, vec![load(1, 12, 9, 9), load(3, 12, 3, 3)], vec![3, 3]),
            (12, vec![load(1, 12, 3, 3), load(3, 12, 3, 3)], vec![3, 9]),
            // One busy, one idle: the busy one takes what the idle one does not want.
            (8, vec![load(1, 8, 4, 4), load(1, 8, 0, 4)], vec![7, 1]),
            // What nobody wants is spread.
            (8, vec![load(1, 8, 0, 4), load(1, 8, 0, 4)], vec![4, 4]),
            // More queues than slots: one each all the same.
            (2, vec![load(1, 8, 0, 1), load(1, 8, 0, 1), load(1, 8, 0, 1)], vec![1, 1, 1]),
            // Running jobs hold their slots until they end.
            (10, vec![load(1, 10, 9, 9), load(9, 10, 1, 1)], vec![1, 1]),
        ];
        for (total, loads, expected) in table {
            assert_eq!(divide(total, &loads), expected, "{total} slots, {loads:?}");
        }
    }

    #[test]
    fn never_more_is_granted_than_there_is() {
        for active in 0..=10 {
            for other in 0..=(10 - active) {
                let loads = [load(1, 10, active, active.max(1)), load(5, 10, other, other.max(1))];
                let grants = divide(10, &loads);
                // A queue's first slot is always there, whatever the others do.
                let held = |(grant, load): (&usize, &Load)| {
                    if *grant == 1 && load.active == 0 { 0 } else { load.active.max(*grant) }
                };
                let in_use: usize = grants.iter().zip(&loads).map(held).sum();
                assert!(in_use <= 10, "{loads:?} → {grants:?}");
            }
        }
    }
}
