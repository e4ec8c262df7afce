//! A walk over the finished jobs of one state, from the oldest on, in small steps.

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::finished::{Ended, Finished, Removed};
use crate::queue::{QueueError, Queues};

/// Jobs that stay, on which one walk may spend time.
const STAYING: u64 = 20_000;
/// Longest pause between two steps.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Walk<'a> {
    queues: &'a Queues,
    queue: &'a str,
    ended: Ended,
    /// Not jobs whose producer said what to keep.
    respect: bool,
    /// Ranks that are still ahead; what was passed before them stays.
    ahead: Range<u64>,
    passed: u64,
}

impl<'a> Walk<'a> {
    /// Between two ranks, 0 being the oldest job.
    pub(super) fn new(
        queues: &'a Queues,
        queue: &'a str,
        ended: Ended,
        respect: bool,
        ahead: Range<u64>,
    ) -> Self {
        Self { queues, queue, ended, respect, ahead, passed: 0 }
    }

    /// The next jobs that may go, perhaps none of this step; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Finished>>, QueueError> {
        if self.ahead.is_empty() || self.passed >= STAYING {
            return Ok(None);
        }
        let listing =
            self.queues.list_finished(self.queue, self.ended, self.ahead.clone(), self.respect);
        let page = gently(listing).await?;
        let looked = page.next.saturating_sub(self.ahead.start);
        if looked == 0 {
            // There are fewer by now.
            return Ok(None);
        }
        self.ahead.start = page.next;
        self.passed += looked;
        Ok(Some(page.jobs))
    }

    /// Removes jobs, all or until `enough` bytes are free.
    pub(super) async fn remove(
        &mut self,
        mut jobs: &[Finished],
        enough: Option<u64>,
    ) -> Result<Removed, QueueError> {
        let mut sum = Removed::default();
        while !jobs.is_empty() && enough.is_none_or(|enough| sum.bytes < enough) {
            let left = enough.map(|enough| enough - sum.bytes);
            let removing = self.queues.remove_finished(self.queue, self.ended, jobs, left);
            let (looked, removed) = gently(removing).await?;
            sum.jobs += removed.jobs;
            sum.bytes += removed.bytes;
            jobs = &jobs[looked.clamp(1, jobs.len())..];
        }
        // Those behind them have moved up.
        self.ahead =
            self.ahead.start.saturating_sub(sum.jobs)..self.ahead.end.saturating_sub(sum.jobs);
        self.passed = self.passed.saturating_sub(sum.jobs);
        Ok(sum)
    }

    /// The rank up to which all jobs stay.
    pub(super) fn reached(&self) -> u64 {
        self.ahead.start
    }
}

/// Leaves Redis to the others for as long as a script took it.
async fn gently<T>(script: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let answer = script.await;
    tokio::time::sleep(started.elapsed().min(LONGEST_PAUSE)).await;
    answer
}
