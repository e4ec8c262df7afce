//! What a budget decides, on a clock that is held still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use roadie::budget::Budgets;
use roadie::budget::operate::{Breaker, Change};
use roadie::budget::permit::{Permit, Report};
use roadie::budget::refusal::{Refusal, Why};
use roadie_jobs::effects::Target;

use super::support::questions::budgets;
use super::support::stage::Stage;

/// Midnight, so that what a day ends with is seen.
const START: u64 = 1_750_000_000_000 - 1_750_000_000_000 % 86_400_000;
const DAY: u64 = 86_400_000;
const SLICE: u64 = 600_000;
/// What was lost may have been used just before.
const GUARD: u64 = 1_000;

/// A budget, and the time that it goes by.
struct Desk {
    budgets: Budgets,
    clock: Arc<AtomicU64>,
    target: Target,
}

impl Desk {
    /// One that has been used before.
    async fn open(stage: &Stage, target: Target) -> Self {
        let desk = Self::at(stage, target, START - GUARD).await;
        desk.no("first").await;
        desk.set_time(START);
        desk.yes("first").await.report(Report::Answered(Duration::ZERO)).await.unwrap();
        desk.set_time(START + GUARD);
        desk
    }

    async fn at(stage: &Stage, target: Target, now: u64) -> Self {
        let clock = Arc::new(AtomicU64::new(now));
        let budgets = budgets(stage).await.at(Arc::clone(&clock));
        Self { budgets, clock, target }
    }

    fn set_time(&self, now: u64) {
        self.clock.store(now, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn pass(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::Relaxed);
    }

    async fn yes(&self, question: &str) -> Permit {
        self.try_for(question, false).await.unwrap_or_else(|no| panic!("{question}: {no:?}"))
    }

    async fn no(&self, question: &str) -> Refusal {
        self.try_for(question, false).await.expect_err(question)
    }

    async fn try_for(&self, question: &str, urgent: bool) -> Result<Permit, Refusal> {
        self.budgets.ask(self.target, question, urgent).await.unwrap()
    }

    /// Asks, and is told this at once.
    async fn ask(&self, question: &str, report: Report) -> Option<Refusal> {
        self.yes(question).await.report(report).await.unwrap()
    }

    async fn answered(&self, question: &str) {
        assert_eq!(self.ask(question, Report::Answered(Duration::ZERO)).await, None);
    }
}

fn ms(refusal: Refusal) -> u64 {
    u64::try_from(refusal.after.as_millis()).unwrap()
}

#[tokio::test]
async fn no_more_arrive_in_any_second_however_long_they_are_on_their_way() {
    let desk = Desk::open(&need!(Stage::new()), Target::SetlistFm).await;
    let a = desk.yes("a").await;
    assert_eq!(desk.no("b").await.why, Why::Busy);
    desk.pass(500);
    let b = desk.yes("b").await;
    // Two are under way, and nobody knows when they arrive.
    for _ in 0..3 {
        desk.pass(10_000);
        desk.no("c").await;
    }
    a.report(Report::Answered(Duration::from_secs(30))).await.unwrap();
    desk.pass(1_000);
    let c = desk.yes("c").await;
    desk.pass(5_000);
    desk.no("d").await;
    for permit in [b, c] {
        permit.report(Report::Answered(Duration::from_secs(5))).await.unwrap();
    }
    desk.pass(999);
    desk.no("d").await;
    desk.pass(1);
    desk.yes("d").await;
}

#[tokio::test]
async fn a_permit_whose_process_died_runs_out() {
    let stage = need!(Stage::new());
    for target in [Target::Overpass, Target::Nominatim] {
        let desk = Desk::open(&stage, target).await;
        let lost: Vec<Permit> = if target == Target::Overpass {
            vec![desk.yes("a").await, desk.yes("b").await]
        } else {
            vec![desk.yes("a").await]
        };
        lost.into_iter().for_each(std::mem::forget);
        desk.pass(44_000);
        desk.no("c").await;
        desk.pass(1_001);
        desk.yes("c").await;
    }
}

#[tokio::test]
async fn two_at_a_time_and_the_next_when_one_is_done() {
    let desk = Desk::open(&need!(Stage::new()), Target::Overpass).await;
    let (a, b) = (desk.yes("a").await, desk.yes("b").await);
    assert_eq!(desk.no("c").await.why, Why::Busy);
    a.report(Report::Answered(Duration::from_secs(1))).await.unwrap();
    desk.pass(1_000);
    let c = desk.yes("c").await;
    desk.no("d").await;
    drop((b, c));
}

/// Those that wait are told times that are as far apart as they can be asked, and are not overtaken.
#[tokio::test]
async fn those_that_wait_come_back_one_after_the_other() {
    let desk = Desk::open(&need!(Stage::new()), Target::SetlistFm).await;
    desk.answered("a").await;
    let mut told = Vec::new();
    for question in 0..50_u64 {
        // They come a little after each other.
        desk.pass(1);
        let after = ms(desk.no(&format!("{question}")).await);
        told.push((desk.now() + after, format!("{question}")));
    }
    assert!(told.windows(2).all(|pair| pair[1].0 >= pair[0].0 + 450), "{told:?}");
    assert!(told[49].0 <= START + GUARD + 50 * 700, "{told:?}");
    // Whoever comes now is behind all of them, also when one of them is late.
    desk.set_time(told[0].0 + 300);
    desk.no("newcomer").await;
    let mut refused = 0;
    for (at, question) in &told {
        desk.set_time(desk.now().max(*at));
        loop {
            match desk.try_for(question, false).await {
                Ok(permit) => {
                    permit.report(Report::Answered(Duration::ZERO)).await.unwrap();
                    break;
                }
                Err(refusal) => {
                    refused += 1;
                    assert!(refusal.after < Duration::from_secs(2), "{question}: {refusal:?}");
                    desk.pass(ms(refusal));
                }
            }
        }
    }
    assert!(refused <= 50, "{refused} more refusals of 50 questions");
}

/// The same question of several jobs waits once.
#[tokio::test]
async fn a_question_has_one_place_in_the_line() {
    let desk = Desk::open(&need!(Stage::new()), Target::SetlistFm).await;
    desk.answered("a").await;
    for _ in 0..9 {
        desk.no("b").await;
    }
    assert_eq!(desk.budgets.standing(desk.target).await.unwrap().waiting, 1);
    let behind = ms(desk.no("c").await);
    assert!((900..=1_300).contains(&behind), "{behind}");
}

#[tokio::test]
async fn a_day_has_so_many_questions_and_some_are_for_those_whom_somebody_waits_for() {
    let stage = need!(Stage::new());
    let stage = stage.set("budgets.setlist_fm.per_day", 4).set("budgets.setlist_fm.reserve", 1);
    let desk = Desk::open(&stage, Target::SetlistFm).await;
    for question in ["a", "b"] {
        desk.answered(question).await;
        desk.pass(1_000);
    }
    let refusal = desk.no("c").await;
    assert_eq!(refusal.why, Why::Quota);
    let again = desk.now() + ms(refusal);
    assert!((START + DAY..=START + DAY + SLICE).contains(&again), "{again}");
    let urgent = desk.try_for("c", true).await.unwrap();
    urgent.report(Report::Answered(Duration::ZERO)).await.unwrap();
    desk.pass(1_000);
    assert_eq!(desk.try_for("d", true).await.unwrap_err().why, Why::Quota);
    let standing = desk.budgets.standing(desk.target).await.unwrap();
    assert_eq!((standing.used, standing.left()), (4, Some(0)));
    // Never more in any 24 hours, whenever a service begins its day.
    desk.set_time(START + DAY + SLICE - 1);
    desk.no("e").await;
    desk.set_time(START + DAY + SLICE);
    desk.answered("d").await;
}

/// More wait than a day has questions for.
#[tokio::test]
async fn those_beyond_a_days_questions_are_told_so_at_once() {
    let stage = need!(Stage::new());
    let stage = stage.set("budgets.setlist_fm.per_day", 10).set("budgets.setlist_fm.reserve", 0);
    let desk = Desk::open(&stage, Target::SetlistFm).await;
    desk.answered("a").await;
    let mut told = Vec::new();
    for question in 0..16 {
        desk.pass(1);
        told.push(ms(desk.no(&format!("{question}")).await));
    }
    assert!(told[..8].iter().all(|after| *after < 10_000), "{told:?}");
    assert!(told[8..].iter().all(|after| *after > DAY), "{told:?}");
    assert!(told.windows(2).all(|pair| pair[1] > pair[0] + 400), "{told:?}");
}

#[tokio::test]
async fn who_waits_for_somebody_does_not_stand_in_line() {
    let desk = Desk::open(&need!(Stage::new()), Target::SetlistFm).await;
    desk.answered("a").await;
    for question in 0..20 {
        desk.no(&format!("{question}")).await;
    }
    let urgent = desk.try_for("urgent", true).await.unwrap_err();
    assert!(urgent.after <= Duration::from_secs(1), "{urgent:?}");
    desk.pass(ms(urgent));
    desk.try_for("urgent", true).await.unwrap();
}

#[tokio::test]
async fn while_a_service_is_left_alone_one_question_at_a_time_finds_out() {
    let desk = Desk::open(&need!(Stage::new()), Target::Nominatim).await;
    for failure in 1..=4 {
        assert_eq!(desk.ask("a", Report::Failing).await, None, "{failure}");
        desk.pass(1_000);
    }
    // An answer between them, and they are not in a row.
    desk.answered("b").await;
    desk.pass(1_000);
    for _ in 0..4 {
        assert_eq!(desk.ask("a", Report::Failing).await, None);
        desk.pass(1_000);
    }
    let open = desk.ask("a", Report::Failing).await.unwrap();
    assert_eq!((open.why, ms(open)), (Why::Failing, 5_000));
    for pause in [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000] {
        assert_eq!(desk.no("b").await.why, Why::Failing);
        desk.pass(pause - 1);
        assert_eq!(desk.no("c").await.why, Why::Failing, "{pause}");
        desk.pass(1);
        let probe = desk.yes("a").await;
        // Nobody else, whoever waits for it, for as long as it takes.
        desk.pass(30_000);
        assert_eq!(desk.no("d").await.why, Why::Probing);
        assert_eq!(desk.budgets.standing(desk.target).await.unwrap().breaker, Breaker::HalfOpen);
        probe.report(Report::Failing).await.unwrap().unwrap();
    }
    desk.pass(600_000);
    // A probe whose process died.
    std::mem::forget(desk.yes("a").await);
    desk.pass(44_999);
    desk.no("b").await;
    desk.pass(1);
    let probe = desk.yes("b").await;
    assert_eq!(desk.try_for("e", true).await.unwrap_err().why, Why::Probing);
    assert_eq!(probe.report(Report::Answered(Duration::ZERO)).await.unwrap(), None);
    desk.pass(1_000);
    desk.answered("e").await;
    assert_eq!(desk.budgets.standing(desk.target).await.unwrap().breaker, Breaker::Closed);
}

#[tokio::test]
async fn whoever_asks_for_patience_gets_it_from_all() {
    let stage = need!(Stage::new());
    let desk = Desk::open(&stage, Target::SetlistFm).await;
    let other = Desk::at(&stage, Target::SetlistFm, desk.now()).await;
    let told = desk.ask("a", Report::Limited(Some(Duration::from_mins(2)))).await.unwrap();
    assert_eq!((told.why, ms(told)), (Why::Limited, 120_000));
    let told = other.no("b").await;
    assert!(told.why == Why::Limited && (120_000..122_000).contains(&ms(told)), "{told:?}");
    for desk in [&desk, &other] {
        desk.pass(120_000);
    }
    // Without a time it grows.
    for pause in [4, 8, 16] {
        let told = desk.ask("a", Report::Limited(None)).await.unwrap();
        assert!((pause * 1_000..pause * 1_000 + 2_000).contains(&ms(told)), "{pause}: {told:?}");
        desk.pass(ms(told));
    }
    desk.answered("a").await;
    desk.pass(1_000);
    desk.answered("b").await;
    desk.pass(1_000);
    // From the start again.
    let told = desk.ask("a", Report::Limited(None)).await.unwrap();
    assert!(ms(told) < 4_000, "{told:?}");
}

#[tokio::test]
async fn what_was_asked_before_a_pause_does_not_lengthen_it() {
    let desk = Desk::open(&need!(Stage::new()), Target::Overpass).await;
    let (a, b) = (desk.yes("a").await, desk.yes("b").await);
    desk.pass(10);
    a.report(Report::Limited(None)).await.unwrap().unwrap();
    let told = b.report(Report::Limited(None)).await.unwrap().unwrap();
    assert!(ms(told) < 3_000, "{told:?}");
    desk.pass(2_000);
    let told = desk.ask("a", Report::Limited(None)).await.unwrap();
    assert_eq!(ms(told), 4_000);
}

#[tokio::test]
async fn a_days_end_and_a_ban_are_waited_for() {
    let desk = Desk::open(&need!(Stage::new()), Target::SetlistFm).await;
    let told = desk.ask("a", Report::Exhausted).await.unwrap();
    assert_eq!((told.why, desk.now() + ms(told)), (Why::Exhausted, START + DAY + 1_000));
    desk.pass(ms(told));
    let told = desk.ask("a", Report::Refused).await.unwrap();
    assert_eq!((told.why, told.after), (Why::Refused, Duration::from_hours(1)));
    // Whoever has put it right need not wait.
    desk.budgets.resume(desk.target, "ann").await.unwrap();
    desk.pass(1_000);
    desk.answered("a").await;
}

#[tokio::test]
async fn what_redis_has_lost_is_on_the_safe_side() {
    let stage = need!(Stage::new());
    let stage = stage.set("budgets.setlist_fm.per_day", 9).set("budgets.setlist_fm.reserve", 0);
    let desk = Desk::open(&stage, Target::SetlistFm).await;
    for question in ["a", "b", "c"] {
        desk.answered(question).await;
        desk.pass(1_000);
    }
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}:roadie:budget:*", stage.prefix))
        .query_async(&mut stage.queues().await.redis())
        .await
        .unwrap();
    redis::cmd("DEL").arg(keys).exec_async(&mut stage.queues().await.redis()).await.unwrap();
    // Somebody may have asked just before.
    let told = desk.no("d").await;
    assert!(ms(told) >= 1_000, "{told:?}");
    desk.pass(ms(told));
    desk.answered("d").await;
    // The day goes on where it was.
    assert_eq!(desk.budgets.standing(desk.target).await.unwrap().used, 5);
}

#[tokio::test]
async fn operators_set_limits_and_pauses_for_all() {
    let stage = need!(Stage::new());
    let desk = Desk::open(&stage, Target::SetlistFm).await;
    let change = Change { rate: Some(16.0), per_day: Some(50_000), ..Change::default() };
    desk.budgets.set(desk.target, &change, "ann").await.unwrap();
    let other = Desk::at(&stage, Target::SetlistFm, desk.now()).await;
    for question in 0..16 {
        other.answered(&format!("{question}")).await;
        other.pass(63);
    }
    let standing = other.budgets.standing(desk.target).await.unwrap();
    assert_eq!((standing.rate, standing.per_day, standing.reserve), (16.0, 50_000, 144));
    assert!(standing.changed.unwrap().contains("ann: rate=16 per_day=50000"));
    desk.budgets.reset(desk.target, "ann").await.unwrap();
    let standing = other.budgets.standing(desk.target).await.unwrap();
    assert_eq!((standing.rate, standing.per_day), (2.0, 1_440));
    other.pass(5_000);
    desk.budgets.pause(desk.target, "bob", "they asked us to", None).await.unwrap();
    assert_eq!(other.no("x").await.why, Why::Paused);
    assert_eq!(other.try_for("y", true).await.unwrap_err().why, Why::Paused);
    other.pass(DAY);
    assert_eq!(other.no("x").await.why, Why::Paused);
    desk.budgets.resume(desk.target, "bob").await.unwrap();
    other.answered("x").await;
}
