//! What the tests share.
//!
//! - [`mod@redis`]: servers, one for all tests, or one's own to kill and restart; [`sentinels`] and [`cluster`]: several
//! - [`stage`]: what one test runs on: prefix, folder, catalogue, settings;
//! - [`certificates`]: a private CA;
//! - [`worker`]: a daemon in this process; [`process`]: one of its own, and the command line;
//! - [`fleet`]: several of them, and what their jobs tell;
//! - [`operator`]: somebody who cancels jobs;
//! - [`questions`]: what is asked of services, and services that count it;
//! - [`play`]: a kind of job that does what the test says;
//! - [`photos`], [`s3`], [`drive`], [`postgres`], [`smtp`]: files, buckets, Google Drives, databases, a mail
//!   server; [`versions`]: a store that keeps versions; [`history`]: concerts of a user; [`neighbours`]: two users who share what can be shared;
//! - [`traces`]: everything that is kept anywhere, as text;
//! - [`apalis`]: a Rust producer; [`mod@http`]: enough of it to scrape; [`prometheus`]: who scrapes.

#[macro_use]
pub(crate) mod postgres;
pub(crate) mod apalis;
pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod drive;
pub(crate) mod fleet;
pub(crate) mod history;
pub(crate) mod http;
pub(crate) mod neighbours;
pub(crate) mod operator;
pub(crate) mod photos;
pub(crate) mod play;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod questions;
pub(crate) mod redis;
pub(crate) mod s3;
pub(crate) mod sentinels;
pub(crate) mod smtp;
pub(crate) mod stage;
pub(crate) mod traces;
pub(crate) mod versions;
pub(crate) mod worker;

use std::time::Duration;

use tokio::time::Instant;

/// A program or server that a test needs and that is not here.
#[derive(Debug)]
pub(crate) struct Missing {
    pub(crate) what: &'static str,
    pub(crate) why: String,
}

/// The value of a variable that tells where `what` is.
pub(crate) fn provided(variable: &str, what: &'static str) -> Result<String, Missing> {
    std::env::var(variable)
        .map_err(|_| Missing { what, why: format!("{variable} is not set; tests/run.sh sets it") })
}

/// Takes what a test needs, or ends the test with a word about why.
macro_rules! need {
    ($needed:expr) => {
        match $needed {
            Ok(needed) => needed,
            Err(missing) => return $crate::support::skip(&missing),
        }
    };
}

/// Says that a test could not run, or fails it where every test must.
#[expect(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
pub(crate) fn skip(missing: &Missing) {
    let Missing { what, why } = missing;
    let all = std::env::var("REQUIRE_ALL").is_ok_and(|all| all != "0");
    assert!(!all, "{what} is needed here: {why}");
    eprintln!("SKIPPED: {what} because {why}");
}

/// How long anything may take that happens by itself.
pub(crate) const SOON: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until the answer is `Ok`; fails with what it saw last.
pub(crate) async fn eventually<T, F>(what: &str, look: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    within(SOON, what, look).await
}

/// The same with a limit of one's own.
pub(crate) async fn within<T, F>(limit: Duration, what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + limit;
    let mut saw = "no answer".to_owned();
    loop {
        match tokio::time::timeout_at(deadline, look()).await {
            Ok(Ok(found)) => return found,
            Ok(Err(this)) => saw = this,
            // What was seen before says more.
            Err(_) => {}
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}; last seen: {saw}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The next message of a handler.
pub(crate) async fn next<T>(messages: &mut tokio::sync::mpsc::UnboundedReceiver<T>) -> T {
    tokio::time::timeout(SOON, messages.recv())
        .await
        .expect("a handler should have reported by now")
        .expect("the handler's sender is gone")
}
