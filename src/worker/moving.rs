//! Whether jobs move through this process: connected is not the same as moving.
//!
//! The proof is a job that was reserved, run and ended, as of when it was reserved. A queue that gives
//! none by itself gets a canary (`upkeep::canary`); one that may not give any has an excuse.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::Closed;

/// A canary that was not even reserved after this long is sent again: Redis may have lost it.
const SEND_AGAIN: Duration = Duration::from_secs(3);

/// The signs of all queues that this process serves.
#[derive(Debug)]
pub(crate) struct Moving {
    queues: BTreeMap<String, Arc<Mutex<Signs>>>,
}

/// What is known of one queue.
#[derive(Clone, Copy, Debug)]
struct Signs {
    slots: usize,
    /// Jobs in the hands of handlers, canaries not counted.
    running: usize,
    /// When the latest job was reserved that has ended.
    proof: Instant,
    excuse: Option<(Instant, Excuse)>,
    canary: Canary,
}

/// Why no job needs to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// All slots are held by jobs that are alive.
    Busy,
    /// The queue gives none.
    Closed(Closed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Canary {
    Home,
    Sent(Instant),
    Running,
}

/// What to do for a queue now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Rest,
    /// See whether it may give jobs, and send a canary if so.
    Probe,
}

/// Whether a queue moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It does.
    Moving,
    /// It does not have to.
    Excused(Excuse),
    /// It does not, since then; and where the canary is stuck.
    Stuck(Duration, &'static str),
}

impl Moving {
    pub(super) fn new<'a>(queues: impl Iterator<Item = &'a String>) -> Self {
        let signs = || Signs {
            slots: 1,
            running: 0,
            proof: Instant::now(),
            excuse: None,
            canary: Canary::Home,
        };
        Self { queues: queues.map(|name| (name.clone(), Arc::new(Mutex::new(signs())))).collect() }
    }

    pub(super) fn set_slots(&self, queue: &str, slots: usize) {
        self.with(queue, |signs| signs.slots = slots);
    }

    /// A job is in the hands of a handler until the answer is dropped.
    pub(super) fn running(&self, queue: &str, canary: bool) -> Option<Running> {
        let signs = Arc::clone(self.queues.get(queue)?);
        {
            let mut signs = lock(&signs);
            if canary {
                signs.canary = Canary::Running;
            } else {
                signs.running += 1;
            }
        }
        Some(Running { signs, canary })
    }

    /// A job has ended that was reserved so long ago.
    pub(crate) fn prove(&self, queue: &str, age: Duration) {
        let Some(reserved) = Instant::now().checked_sub(age) else { return };
        self.with(queue, |signs| signs.proof = signs.proof.max(reserved));
    }

    /// What the clockwork has to do for a queue.
    pub(crate) fn step(&self, queue: &str, every: Duration) -> Step {
        let now = Instant::now();
        self.with(queue, |signs| signs.step(now, every)).unwrap_or(Step::Rest)
    }

    /// The queue was found to give no jobs.
    pub(crate) fn excuse(&self, queue: &str, closed: Closed) {
        self.with(queue, |signs| signs.excuse = Some((Instant::now(), Excuse::Closed(closed))));
    }

    /// A canary is on its way.
    pub(crate) fn sent(&self, queue: &str) {
        self.with(queue, |signs| {
            // It may have been reserved before its sender was told that it is there.
            if signs.canary != Canary::Running {
                signs.canary = Canary::Sent(Instant::now());
            }
        });
    }

    /// Whether each queue moves; one that did not for `within` does not.
    pub(crate) fn verdicts(&self, within: Duration) -> impl Iterator<Item = (&String, Verdict)> {
        let now = Instant::now();
        self.queues.iter().map(move |(name, signs)| (name, lock(signs).verdict(now, within)))
    }

    fn with<T>(&self, queue: &str, change: impl FnOnce(&mut Signs) -> T) -> Option<T> {
        self.queues.get(queue).map(|signs| change(&mut lock(signs)))
    }
}

fn lock(signs: &Mutex<Signs>) -> MutexGuard<'_, Signs> {
    signs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`Moving::running`].
#[derive(Debug)]
pub(super) struct Running {
    signs: Arc<Mutex<Signs>>,
    canary: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut signs = lock(&self.signs);
        if self.canary {
            signs.canary = Canary::Home;
        } else {
            signs.running -= 1;
        }
    }
}

impl Signs {
    /// Since when it should have moved.
    fn since(&self) -> Instant {
        self.excuse.map_or(self.proof, |(at, _)| at.max(self.proof))
    }

    fn step(&mut self, now: Instant, every: Duration) -> Step {
        if self.running >= self.slots {
            self.excuse = Some((now, Excuse::Busy));
            return Step::Rest;
        }
        let on_its_way = match self.canary {
            Canary::Home => false,
            Canary::Sent(at) => now.duration_since(at) < SEND_AGAIN,
            Canary::Running => true,
        };
        if on_its_way || now.duration_since(self.since()) < every {
            Step::Rest
        } else {
            Step::Probe
        }
    }

    fn verdict(&self, now: Instant, within: Duration) -> Verdict {
        if self.running >= self.slots {
            return Verdict::Excused(Excuse::Busy);
        }
        let idle = now.duration_since(self.since());
        match self.excuse {
            _ if idle >= within => Verdict::Stuck(
                idle,
                match self.canary {
                    Canary::Home | Canary::Sent(_) => "reserved",
                    Canary::Running => "ended",
                },
            ),
            Some((at, excuse)) if at > self.proof => Verdict::Excused(excuse),
            _ => Verdict::Moving,
        }
    }
}

impl fmt::Display for Excuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "all slots run jobs",
            Self::Closed(Closed::Paused) => "paused",
            Self::Closed(Closed::Limited) => "its rate limit is reached",
            Self::Closed(Closed::Full) => "its global concurrency is used up",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(10);
    const WITHIN: Duration = Duration::from_secs(30);

    /// So many seconds after the start: what is done, and what is said.
    fn at(signs: Signs, start: Instant, seconds: u64) -> (Step, Verdict) {
        let now = start + Duration::from_secs(seconds);
        let verdict = signs.verdict(now, WITHIN);
        let mut signs = signs;
        (signs.step(now, EVERY), verdict)
    }

    #[test]
    fn a_queue_that_could_move_must() {
        use Verdict::{Excused, Moving, Stuck};
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let quiet =
            Signs { slots: 2, running: 0, proof: start, excuse: None, canary: Canary::Home };
        let busy = Signs { running: 2, ..quiet };
        let half = Signs { running: 1, ..quiet };
        let sent = Signs { canary: Canary::Sent(after(10)), ..quiet };
        let runs = Signs { canary: Canary::Running, ..quiet };
        let paused = Excuse::Closed(Closed::Paused);
        let excused = Signs { excuse: Some((after(8), paused)), ..quiet };
        let stuck = |seconds, stage| Stuck(Duration::from_secs(seconds), stage);
        for (signs, seconds, step, verdict) in [
            (quiet, 9, Step::Rest, Moving),
            (quiet, 10, Step::Probe, Moving),
            (quiet, 29, Step::Probe, Moving),
            (quiet, 30, Step::Probe, stuck(30, "reserved")),
            (sent, 12, Step::Rest, Moving),
            (sent, 13, Step::Probe, Moving),
            (sent, 31, Step::Probe, stuck(31, "reserved")),
            (runs, 31, Step::Rest, stuck(31, "ended")),
            // Slots that are all held by live jobs are no fault, and one that is free must take jobs.
            (busy, 99, Step::Rest, Excused(Excuse::Busy)),
            (half, 99, Step::Probe, stuck(99, "reserved")),
            (excused, 17, Step::Rest, Excused(paused)),
            (excused, 18, Step::Probe, Excused(paused)),
            (excused, 38, Step::Probe, stuck(30, "reserved")),
            // What moved since needs no excuse.
            (Signs { proof: after(20), ..excused }, 21, Step::Rest, Moving),
        ] {
            assert_eq!(at(signs, start, seconds), (step, verdict), "{signs:?} after {seconds} s");
        }
    }

    #[test]
    fn what_was_busy_gets_its_time_again() {
        let start = Instant::now();
        let mut signs =
            Signs { slots: 1, running: 1, proof: start, excuse: None, canary: Canary::Home };
        let later = start + Duration::from_hours(1);
        assert_eq!(signs.step(later, EVERY), Step::Rest);
        signs.running = 0;
        assert_eq!(
            signs.verdict(later + Duration::from_secs(29), WITHIN),
            Verdict::Excused(Excuse::Busy)
        );
        assert!(matches!(signs.verdict(later + WITHIN, WITHIN), Verdict::Stuck(..)));
    }

    #[test]
    fn a_job_proves_as_of_when_it_was_reserved() {
        let name = "q".to_owned();
        let moving = Moving::new([&name].into_iter());
        let ran_long = Duration::from_secs(40);
        moving.with("q", |signs| signs.proof = Instant::now() - Duration::from_mins(1)).unwrap();
        moving.prove("q", ran_long);
        let verdict = moving.verdicts(WITHIN).next().unwrap().1;
        assert!(matches!(verdict, Verdict::Stuck(idle, _) if idle >= ran_long), "{verdict:?}");
        moving.prove("q", Duration::ZERO);
        assert_eq!(moving.verdicts(WITHIN).next().unwrap().1, Verdict::Moving);
        let canary = moving.running("q", true);
        moving.sent("q");
        assert_eq!(moving.with("q", |signs| signs.canary), Some(Canary::Running));
        drop(canary);
        assert_eq!(moving.with("q", |signs| signs.canary), Some(Canary::Home));
    }
}
