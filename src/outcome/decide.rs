//! Outcome → transition. Pure.

use std::time::Duration;

use roadie_jobs::effects::catalogue::{DeadReason, Standing};
use roadie_jobs::{Backoff, CancelReason, Decision};
use serde_json::Value;

use super::backoff;
use crate::observe::logs::one_line;
use crate::queue::transition::{RetryOptions, Transition};

/// BullMQ's reason for a job that was lost by its worker too often.
const STALLED: &str = "job stalled more than allowable limit";

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The handler succeeded.
    Completed(Value),
    /// The handler answered an error.
    Failed {
        /// What it decided.
        decision: Decision,
        /// The error and its causes, outermost first.
        chain: Vec<String>,
    },
    /// The handler panicked.
    Panicked(String),
    /// The attempt took too long.
    TimedOut(String),
    /// The payload, or the kind, is not understood.
    Undecodable(String),
    /// It was not run: it took its workers down too often, or a job that it depends on failed.
    Deferred(String),
    /// The attempt was asked to stop, and was cut off.
    CutOff(CancelReason),
}

/// What is known when an attempt has ended.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Attempts that failed before this one.
    pub attempts_made: u32,
    /// What the producer asked for.
    pub producer: RetryOptions,
    /// The kind's attempts, where the producer did not say.
    pub attempts: u32,
    /// The kind's backoff.
    pub backoff: Backoff,
    /// In `[0, 1)`.
    pub random: f64,
    /// Who cancelled the job and why, if somebody did.
    pub cancelled: Option<Vec<String>>,
    /// How the user stands whom it is about.
    pub user: Standing,
}

/// What to do with the job, what to call it, and why it died if it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// For the queue.
    pub transition: Transition,
    /// For metrics and logs.
    pub label: Label,
    /// For the dead letters.
    pub dead: Option<DeadReason>,
}

/// The `outcome` label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Completed.
    Completed,
    /// Will be tried again.
    Retried,
    /// Later, not counted.
    Postponed,
    /// Given back.
    Released,
    /// Waits for its children.
    Awaiting,
    /// Dead letter.
    Dead,
    /// Ended because its user was erased; nothing of it is kept.
    Erased,
    /// Somebody else holds it.
    Lost,
}

impl Label {
    /// All labels.
    pub const ALL: [Self; 8] = [
        Self::Completed,
        Self::Retried,
        Self::Postponed,
        Self::Released,
        Self::Awaiting,
        Self::Dead,
        Self::Erased,
        Self::Lost,
    ];

    /// The label's text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Retried => "retried",
            Self::Postponed => "postponed",
            Self::Released => "released",
            Self::Awaiting => "awaiting-children",
            Self::Dead => "dead",
            Self::Erased => "erased",
            Self::Lost => "lost",
        }
    }
}

/// The one place where an outcome becomes a transition. `asked` is why the attempt was asked to
/// stop, if it was: a handler that saw it answers [`Decision::Stopped`].
pub fn decide(outcome: Outcome, asked: Option<CancelReason>, facts: &Facts) -> Decided {
    if asked == Some(CancelReason::LeaseLost) {
        // Whatever came out of it: the job is somebody else's now.
        return stop(asked, facts);
    }
    // Before anything that would be kept of it.
    if facts.user != Standing::Here && !matches!(outcome, Outcome::Completed(_)) {
        return erase(facts);
    }
    // A job that somebody wants to end does not come back, whatever its handler made of it.
    let ended = matches!(
        outcome,
        Outcome::Completed(_)
            | Outcome::Undecodable(_)
            | Outcome::Deferred(_)
            | Outcome::Failed { decision: Decision::Discard, .. }
    );
    if facts.cancelled.is_some() && !ended {
        return stop(Some(CancelReason::Cancelled), facts);
    }
    match outcome {
        Outcome::Completed(value) => {
            Decided { transition: Transition::Complete(value), label: Label::Completed, dead: None }
        }
        // A job about many users, of whom one was erased meanwhile.
        Outcome::Failed { decision: Decision::Erased, chain } => {
            retry(None, chain, DeadReason::Exhausted, facts)
        }
        Outcome::Failed { decision: Decision::Stopped, .. } => stop(asked, facts),
        Outcome::CutOff(reason) => stop(Some(reason), facts),
        Outcome::Failed { decision: Decision::Postpone { after }, chain } => Decided {
            transition: Transition::Postpone { delay: after, reason: one_line(&chain) },
            label: Label::Postponed,
            dead: None,
        },
        Outcome::Failed { decision: Decision::AwaitChildren, .. } => {
            Decided { transition: Transition::AwaitChildren, label: Label::Awaiting, dead: None }
        }
        Outcome::Failed { decision: Decision::Discard, chain } => {
            bury(DeadReason::Discarded, chain)
        }
        Outcome::Failed { decision: Decision::Retry { after }, chain } => {
            retry(after, chain, DeadReason::Exhausted, facts)
        }
        Outcome::Panicked(message) => {
            retry(None, vec![format!("panicked: {message}")], DeadReason::Panic, facts)
        }
        Outcome::TimedOut(message) => {
            retry(None, vec![format!("timed out: {message}")], DeadReason::Timeout, facts)
        }
        Outcome::Undecodable(message) => bury(DeadReason::Undecodable, vec![message]),
        Outcome::Deferred(reason) if reason == STALLED => bury(DeadReason::CrashLoop, vec![reason]),
        Outcome::Deferred(reason) => bury(DeadReason::Discarded, vec![reason]),
    }
}

fn retry(
    after: Option<Duration>,
    chain: Vec<String>,
    exhausted: DeadReason,
    facts: &Facts,
) -> Decided {
    let failed = facts.attempts_made.saturating_add(1);
    if failed >= facts.producer.attempts.unwrap_or(facts.attempts) {
        return bury(exhausted, chain);
    }
    let delay = backoff::pause(after, &facts.producer, facts.backoff, failed, facts.random);
    Decided {
        transition: Transition::Retry { delay, reason: one_line(&chain), chain },
        label: Label::Retried,
        dead: None,
    }
}

fn stop(asked: Option<CancelReason>, facts: &Facts) -> Decided {
    match asked {
        Some(CancelReason::Cancelled) => {
            let unnamed = || vec!["cancelled on request".to_owned()];
            bury(DeadReason::Cancelled, facts.cancelled.clone().unwrap_or_else(unnamed))
        }
        Some(CancelReason::Shutdown) => {
            Decided { transition: Transition::Release, label: Label::Released, dead: None }
        }
        Some(CancelReason::LeaseLost) => {
            Decided { transition: Transition::Abandon, label: Label::Lost, dead: None }
        }
        None => retry(
            None,
            vec!["the handler stopped although nobody asked it to".to_owned()],
            DeadReason::Exhausted,
            facts,
        ),
    }
}

fn erase(facts: &Facts) -> Decided {
    let reason = "the user was erased".to_owned();
    let counted = facts.user != Standing::Erased;
    Decided { transition: Transition::Erase { reason, counted }, label: Label::Erased, dead: None }
}

fn bury(dead: DeadReason, chain: Vec<String>) -> Decided {
    Decided {
        transition: Transition::Bury { reason: one_line(&chain), chain },
        label: Label::Dead,
        dead: Some(dead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(attempts_made: u32, producer: Option<u32>) -> Facts {
        Facts {
            attempts_made,
            producer: RetryOptions { attempts: producer, backoff: None },
            attempts: 3,
            backoff: Backoff::DEFAULT,
            random: 0.5,
            cancelled: None,
            user: Standing::Here,
        }
    }

    fn failed(decision: Decision) -> Outcome {
        Outcome::Failed { decision, chain: vec!["outer".into(), "inner".into()] }
    }

    #[test]
    fn every_outcome_has_one_transition() {
        use CancelReason::{Cancelled, LeaseLost, Shutdown};
        let retry = || failed(Decision::Retry { after: None });
        let later = Decision::Postpone { after: Duration::from_secs(9) };
        #[rustfmt::skip]
        let table = [
            // outcome, asked to stop, failed before, producer's attempts → label, dead reason
            (Outcome::Completed(Value::Null), None, 0, None, Label::Completed, None),
            (retry(), None, 0, None, Label::Retried, None),
            (retry(), None, 2, None, Label::Dead, Some(DeadReason::Exhausted)),
            (retry(), None, 0, Some(1), Label::Dead, Some(DeadReason::Exhausted)),
            (retry(), None, 2, Some(9), Label::Retried, None),
            (failed(later), None, 2, None, Label::Postponed, None),
            (failed(Decision::Discard), None, 0, None, Label::Dead, Some(DeadReason::Discarded)),
            (failed(Decision::Stopped), Some(Shutdown), 2, None, Label::Released, None),
            (failed(Decision::Stopped), Some(Cancelled), 0, None, Label::Dead, Some(DeadReason::Cancelled)),
            (failed(Decision::Stopped), None, 0, None, Label::Retried, None),
            (Outcome::CutOff(LeaseLost), None, 0, None, Label::Lost, None),
            (Outcome::Completed(Value::Null), Some(LeaseLost), 0, None, Label::Lost, None),
            (Outcome::Completed(Value::Null), Some(Shutdown), 0, None, Label::Completed, None),
            (Outcome::CutOff(Shutdown), None, 2, None, Label::Released, None),
            (Outcome::Panicked("x".into()), None, 0, None, Label::Retried, None),
            (Outcome::Panicked("x".into()), None, 2, None, Label::Dead, Some(DeadReason::Panic)),
            (Outcome::TimedOut("x".into()), None, 2, None, Label::Dead, Some(DeadReason::Timeout)),
            (Outcome::Undecodable("x".into()), None, 0, None, Label::Dead, Some(DeadReason::Undecodable)),
            (Outcome::Deferred(STALLED.into()), None, 0, None, Label::Dead, Some(DeadReason::CrashLoop)),
            (Outcome::Deferred("child failed".into()), None, 0, None, Label::Dead, Some(DeadReason::Discarded)),
            (failed(Decision::AwaitChildren), None, 2, None, Label::Awaiting, None),
            (failed(Decision::Erased), None, 0, None, Label::Retried, None),
        ];
        for (outcome, asked, made, producer, label, dead) in table {
            let shown = format!("{outcome:?}, {asked:?}, {made}, {producer:?}");
            let decided = decide(outcome, asked, &facts(made, producer));
            assert_eq!((decided.label, decided.dead), (label, dead), "{shown}");
        }
    }

    #[test]
    fn a_cancelled_job_does_not_come_back() {
        use CancelReason::{Cancelled, LeaseLost, Shutdown};
        let retry = || failed(Decision::Retry { after: None });
        let later = Decision::Postpone { after: Duration::from_secs(9) };
        let by = vec!["cancelled by ann".to_owned(), "wrong folder".to_owned()];
        #[rustfmt::skip]
        let table = [
            (retry(), None, Label::Dead, Some(DeadReason::Cancelled)),
            (retry(), Some(Shutdown), Label::Dead, Some(DeadReason::Cancelled)),
            (failed(later), None, Label::Dead, Some(DeadReason::Cancelled)),
            (failed(Decision::Stopped), Some(Cancelled), Label::Dead, Some(DeadReason::Cancelled)),
            (Outcome::CutOff(Shutdown), Some(Shutdown), Label::Dead, Some(DeadReason::Cancelled)),
            (Outcome::Panicked("x".into()), None, Label::Dead, Some(DeadReason::Cancelled)),
            (Outcome::TimedOut("x".into()), Some(Cancelled), Label::Dead, Some(DeadReason::Cancelled)),
            // What has ended otherwise has.
            (Outcome::Completed(Value::Null), Some(Cancelled), Label::Completed, None),
            (failed(Decision::Discard), Some(Cancelled), Label::Dead, Some(DeadReason::Discarded)),
            (retry(), Some(LeaseLost), Label::Lost, None),
        ];
        for (outcome, asked, label, dead) in table {
            let shown = format!("{outcome:?}, {asked:?}");
            let facts = Facts { cancelled: Some(by.clone()), ..facts(0, None) };
            let decided = decide(outcome, asked, &facts);
            assert_eq!((decided.label, decided.dead), (label, dead), "{shown}");
            if dead == Some(DeadReason::Cancelled) {
                let Transition::Bury { reason, .. } = decided.transition else { panic!("{shown}") };
                assert_eq!(reason, "cancelled by ann: wrong folder");
            }
        }
    }

    #[test]
    fn of_a_job_of_an_erased_user_nothing_is_kept() {
        use CancelReason::{Cancelled, LeaseLost, Shutdown};
        let facts = |user| Facts { user, cancelled: Some(vec!["x".into()]), ..facts(0, None) };
        let retry = || failed(Decision::Retry { after: None });
        for (outcome, asked, erased, label) in [
            (retry(), None, true, Label::Erased),
            (retry(), Some(Shutdown), true, Label::Erased),
            (failed(Decision::Discard), None, true, Label::Erased),
            (failed(Decision::Stopped), Some(Cancelled), true, Label::Erased),
            (Outcome::Panicked("x".into()), None, true, Label::Erased),
            (Outcome::Undecodable("x".into()), None, true, Label::Erased),
            (Outcome::Completed(Value::Null), None, true, Label::Completed),
            (retry(), Some(LeaseLost), true, Label::Lost),
            (retry(), None, false, Label::Dead),
        ] {
            let shown = format!("{outcome:?}, {asked:?}, {erased}");
            for user in [Standing::BeingErased, Standing::Erased] {
                let user = if erased { user } else { Standing::Here };
                let decided = decide(outcome.clone(), asked, &facts(user));
                assert_eq!(decided.label, label, "{shown}");
                assert!(label != Label::Erased || decided.dead.is_none(), "{shown}");
                if let Transition::Erase { counted, .. } = decided.transition {
                    assert_eq!(counted, user != Standing::Erased, "{shown}");
                }
            }
        }
    }

    #[test]
    fn the_reason_names_the_causes() {
        let decided = decide(failed(Decision::Discard), None, &facts(0, None));
        let Transition::Bury { reason, .. } = decided.transition else { panic!("not buried") };
        assert_eq!(reason, "outer: inner");
    }
}
