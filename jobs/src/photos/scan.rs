//! The loop that all scans share: page, read, record, checkpoint, report.
//!
//! A page is recorded in one transaction, then the checkpoint moves on; meanwhile the next one is read
//! (`ahead`). A crash between the two repeats at most one page, whose files are then known and skipped.

mod ahead;

use std::time::Duration;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::ahead::Read;

use super::catalogue_error;
use super::dedup_photos::DedupPhotos;
use super::drive::Extent;
use super::listing::{Cursor, Source};
use super::progress::ScanProgress;
use super::scan_result::{Counts, ScanResult};
use crate::concerts;
use crate::context::{FollowUp, JobContext};
use crate::effects::catalogue::{MatchTally, ScannedFile};
use crate::email::{self, Facts, Template};
use crate::job::{Decision, Job as _, JobError};
use crate::metric;

/// Files in a page, if the producer did not say.
const DEFAULT_BATCH: usize = 100;
/// S3 lists no more at once.
const MAX_BATCH: usize = 1_000;

/// Pause of a begun scan before it looks again whether another one of its user still runs.
const HELD_UP: Duration = Duration::from_secs(30);

/// Where a scan stands. Without a cursor a Drive is still being listed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checkpoint {
    started_at: i64,
    total: u64,
    counts: Counts,
    cursor: Option<Cursor>,
    /// When all photos had been read; names the jobs of their sessions. Unix milliseconds.
    #[serde(default)]
    asked_at: Option<i64>,
    /// Whether all of these have been handed to matching.
    #[serde(default)]
    asked: bool,
}

impl Checkpoint {
    /// Nothing has been read yet.
    pub(super) fn counting(started_at: i64, so_far: u64) -> Self {
        let counts = Counts::default();
        Self { started_at, total: so_far, counts, cursor: None, asked_at: None, asked: false }
    }
}

/// What a scan comes to, unless it fails.
enum Step {
    Done(ScanResult),
    /// It looks again after this, at how far matching has come.
    Waits(Duration),
}

/// One scan of one user's photos.
pub(super) struct Scan<'a> {
    cx: &'a JobContext,
    user_id: i64,
    source: Source,
    batch: usize,
    fingerprint: bool,
}

/// What a scan is asked to do with its source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    /// Files in a page.
    pub(super) batch: Option<usize>,
    /// Whether files are read as a whole, to find duplicates.
    pub(super) fingerprint: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(cx: &'a JobContext, user_id: i64, source: Source, order: Order) -> Self {
        let batch = order.batch.unwrap_or(DEFAULT_BATCH).clamp(1, MAX_BATCH);
        Self { cx, user_id, source, batch, fingerprint: order.fingerprint }
    }

    /// Runs to the end, or to a safe point when asked to stop.
    pub(super) async fn run(self) -> Result<ScanResult, JobError> {
        let checkpoint = self.cx.resume::<Checkpoint>().await?;
        let reads = checkpoint.as_ref().is_none_or(|state| !state.asked);
        // Who only waits for matching keeps nobody away.
        if reads && let Err(holder) = self.cx.claim(&format!("scan:{}", self.user_id)).await? {
            return Err(held_up(self.user_id, &holder, checkpoint.is_some()));
        }
        let now = self.cx.effects().clock.now_ms();
        let mut progress = ScanProgress {
            user_id: self.user_id,
            is_scanning: true,
            started_at: now,
            current_status: "counting photos".to_owned(),
            ..ScanProgress::default()
        };
        if let Some(state) = &checkpoint {
            // Nobody sees it fall back.
            (progress.started_at, progress.total_photos) = (state.started_at, state.total);
            progress.counted(&state.counts);
            "going on".clone_into(&mut progress.current_status);
        }
        if reads {
            self.report(&mut progress);
        }
        let step = self.steps(checkpoint, &mut progress).await;
        let result = match step {
            Ok(Step::Waits(pause)) => {
                self.report(&mut progress);
                let waits = anyhow!("{}", progress.current_status);
                return Err(JobError::postpone(pause, waits));
            }
            Ok(Step::Done(result)) => {
                if !progress.hidden {
                    self.tell(&result, progress.started_at).await?;
                }
                Ok(result)
            }
            Err(error) => Err(error),
        };
        (progress.is_scanning, progress.current_status) = self.ended(&result);
        self.report(&mut progress);
        result
    }

    /// A mail to whoever wants to know.
    async fn tell(&self, result: &ScanResult, started_at: i64) -> Result<(), JobError> {
        let told = result.matching != "off";
        let facts = Facts {
            photos: Some(result.total_photos),
            linked: told.then_some(result.linked),
            new_concerts: told.then_some(result.new_concerts),
            unmatched: told.then_some(result.unmatched),
            ..Facts::default()
        };
        let value = format!("{}-{started_at}", result.scan_type);
        email::ask(self.cx, self.user_id, Template::ScanFinished, &value, &facts).await
    }

    /// Whether the scan will be taken up again, and how it ended, in words.
    fn ended(&self, result: &Result<ScanResult, JobError>) -> (bool, String) {
        let error = match result {
            Ok(result) if result.matched_later > 0 => {
                let later = result.matched_later;
                return (false, format!("done; {later} sessions are matched to shows later"));
            }
            Ok(_) => return (false, "done".to_owned()),
            Err(error) => error,
        };
        let info = self.cx.info();
        let again = match error.decision() {
            Decision::Stopped | Decision::Postpone { .. } | Decision::AwaitChildren => true,
            Decision::Retry { .. } => info.attempt < info.max_attempts,
            Decision::Discard | Decision::Erased => false,
        };
        let what = if again { "interrupted, goes on soon" } else { "failed" };
        (again, format!("{what}: {error}"))
    }

    /// Reads, hands over what it has read, and waits for what becomes of it: each is left out that was
    /// done before.
    async fn steps(
        &self,
        checkpoint: Option<Checkpoint>,
        progress: &mut ScanProgress,
    ) -> Result<Step, JobError> {
        let effects = self.cx.effects();
        let mut state = match checkpoint {
            Some(state) if state.asked_at.is_some() => state,
            begun => self.pages(begun, progress).await?,
        };
        if !effects.world.is_known() {
            return Ok(Step::Done(self.result(&state, None)));
        }
        let now = effects.clock.now_ms();
        let Some(asked_at) = state.asked_at.filter(|_| state.asked) else {
            // Known before the first of them is handed over: when this is repeated, they are the same jobs.
            let asked_at = *state.asked_at.get_or_insert(now);
            self.cx.checkpoint(&state).await?;
            self.ask(asked_at, progress).await?;
            state.asked = true;
            self.cx.checkpoint(&state).await?;
            return Ok(Step::Waits(concerts::pause(Duration::ZERO)));
        };
        progress.started_at = state.started_at;
        progress.total_photos = state.total;
        let tally = effects.catalogue.match_tally(self.user_id, state.started_at, asked_at).await;
        let tally = tally.map_err(catalogue_error)?;
        if tally.overtaken {
            // The other one is shown, and waits for the same sessions.
            progress.hidden = true;
            return Ok(Step::Done(self.result(&state, Some(&tally))));
        }
        progress.matched(&tally);
        progress.counted(&state.counts);
        let waited = u64::try_from(now.saturating_sub(asked_at)).unwrap_or(0);
        let waited = Duration::from_millis(waited);
        if concerts::goes_on(&tally, waited) {
            return Ok(Step::Waits(concerts::pause(waited)));
        }
        Ok(Step::Done(self.result(&state, Some(&tally))))
    }

    /// Hands the sessions of photos to matching.
    async fn ask(&self, now: i64, progress: &mut ScanProgress) -> Result<(), JobError> {
        "putting photos together".clone_into(&mut progress.current_status);
        self.report(progress);
        let ask = concerts::ask(self.cx, self.user_id, now, |handed, all| {
            progress.current_status =
                format!("looking for the shows of {handed} of {all} sessions");
            self.report(progress);
        });
        ask.await
    }

    /// Reads all pages from the last one on, or from the beginning.
    async fn pages(
        &self,
        checkpoint: Option<Checkpoint>,
        progress: &mut ScanProgress,
    ) -> Result<Checkpoint, JobError> {
        let first = self.source.first();
        let counted = |state: &Checkpoint| state.cursor.is_some() || first.is_none();
        let state = match checkpoint {
            Some(mut state) if counted(&state) => {
                tracing::info!(
                    dealt_with = state.counts.processed,
                    "scan goes on from its checkpoint"
                );
                if let (Source::Drive(tree), Some(Cursor::Key { key })) =
                    (&self.source, &state.cursor)
                {
                    // What was recorded and not counted does not come again.
                    let Counts { processed, skipped, .. } = state.counts;
                    let ahead = processed + skipped + tree.left(key).await?;
                    state.counts.skipped += state.total.saturating_sub(ahead);
                }
                state
            }
            begun => {
                let started_at = match begun {
                    Some(begun) => begun.started_at,
                    None => self.begin(progress.started_at).await?,
                };
                progress.started_at = started_at;
                let total = self.count(progress).await?;
                let state = Checkpoint { cursor: first, ..Checkpoint::counting(started_at, total) };
                if state.cursor.is_some() {
                    // What was listed is not listed again.
                    self.cx.checkpoint(&state).await?;
                }
                state
            }
        };
        progress.started_at = state.started_at;
        progress.total_photos = state.total;
        "reading photos".clone_into(&mut progress.current_status);
        self.show(progress, &state.counts);
        let (told, reads) = mpsc::channel(self.at_once());
        let (state, ()) = tokio::join!(
            self.record_all(reads, state.clone(), progress),
            self.read_ahead(state.cursor.clone(), told),
        );
        let state = state?;
        if self.fingerprint {
            self.cx.enqueue(self.dedup()).await?;
        }
        if let Source::Drive(tree) = &self.source {
            tree.ask_for_variants(self.cx).await?;
        }
        Ok(state)
    }

    fn result(&self, state: &Checkpoint, tally: Option<&MatchTally>) -> ScanResult {
        let now = self.cx.effects().clock.now_ms();
        let duration = now.saturating_sub(state.started_at);
        let seconds = Duration::from_millis(u64::try_from(duration).unwrap_or(0));
        metrics::histogram!(metric::SCAN_SECONDS).record(seconds.as_secs_f64());
        let later = tally.map_or(0, |tally| tally.open + tally.later);
        ScanResult {
            scan_type: self.source.provider().as_str(),
            completed_at: now,
            total_photos: state.counts.processed + state.counts.skipped,
            counts: state.counts,
            linked: tally.map_or(0, |tally| tally.linked),
            new_concerts: tally.map_or(0, |tally| tally.new_nights),
            unmatched: tally.map_or(0, |tally| tally.unmatched),
            matching: match (tally, later) {
                (None, _) => "off",
                (Some(_), 0) => "done",
                _ => "goes on",
            },
            matched_later: later,
            duration,
        }
    }

    /// What looks for duplicates among the photos. A scan that is repeated asks for it once.
    fn dedup(&self) -> FollowUp {
        FollowUp {
            queue: DedupPhotos::QUEUE.to_owned(),
            kind: DedupPhotos::KIND.to_owned(),
            payload: serde_json::json!({ "userId": self.user_id }),
            id: format!("dedup:{}:{}", self.user_id, self.cx.info().id),
            delay: None,
        }
    }

    /// From now on this scan is the one that is shown.
    async fn begin(&self, at: i64) -> Result<i64, JobError> {
        let effects = self.cx.effects();
        if effects.world.is_known() {
            effects.catalogue.scan_begins(self.user_id, at).await.map_err(catalogue_error)?;
        }
        Ok(at)
    }

    async fn count(&self, progress: &mut ScanProgress) -> Result<u64, JobError> {
        let started_at = progress.started_at;
        let count = self.source.count(self.cx, started_at, |so_far| {
            progress.total_photos = so_far;
            self.report(progress);
        });
        count.await
    }

    /// Records what is read, page by page, each with where to go on.
    async fn record_all(
        &self,
        mut reads: mpsc::Receiver<Read>,
        mut state: Checkpoint,
        progress: &mut ScanProgress,
    ) -> Result<Checkpoint, JobError> {
        let (mut files, mut counts, mut failure) = (Vec::new(), state.counts, None);
        while let Some(read) = reads.recv().await {
            match read {
                Read::File(file) => {
                    let result = counts.add(&file);
                    metrics::counter!(metric::PHOTOS_SCANNED, "result" => result).increment(1);
                    if !self.is_private() {
                        progress.current_file_name.clone_from(&file.name);
                        self.show(progress, &counts);
                    }
                    files.push(*file);
                }
                // Files that were under way are kept, so that they are not read again; but the next
                // attempt has to come by here.
                Read::Failed(error) => failure = failure.or(Some(error)),
                Read::Page { .. } if failure.is_some() => {}
                Read::Page { unchanged, cursor } => {
                    counts.skipped += unchanged;
                    metrics::counter!(metric::PHOTOS_SCANNED, "result" => "unchanged")
                        .increment(unchanged);
                    self.record(std::mem::take(&mut files)).await?;
                    state = Checkpoint { counts, cursor: Some(cursor), ..state };
                    self.cx.checkpoint(&state).await?;
                    self.show(progress, &state.counts);
                    self.cx.safe_point()?;
                }
            }
        }
        self.record(files).await?;
        let Some(failure) = failure else { return Ok(state) };
        if matches!(&self.source, Source::Drive(tree) if tree.extent == Extent::Changes) {
            // What was recorded does not come again, and would be taken for what had not changed.
            self.cx.checkpoint(&Checkpoint { counts, ..state }).await?;
        }
        Err(failure)
    }

    async fn record(&self, files: Vec<ScannedFile>) -> Result<(), JobError> {
        if files.is_empty() {
            return Ok(());
        }
        let effects = self.cx.effects();
        let (provider, now) = (self.source.provider(), effects.clock.now_ms());
        let job = &self.cx.info().id;
        let recorded = effects.catalogue.record_page(self.user_id, provider, &files, job, now);
        recorded.await.map_err(catalogue_error)?;
        Ok(())
    }

    /// Names of files in somebody's Drive are in the catalogue only; and what is counted there is shown
    /// when it is sure to stay so, page by page.
    fn is_private(&self) -> bool {
        matches!(self.source, Source::Drive(_))
    }

    fn show(&self, progress: &mut ScanProgress, counts: &Counts) {
        progress.counted(counts);
        self.report(progress);
    }

    fn report(&self, progress: &mut ScanProgress) {
        let now = self.cx.effects().clock.now_ms();
        progress.elapsed_time = now.saturating_sub(progress.started_at);
        self.cx.report(progress.report());
    }
}

/// What becomes of a scan while another one of its user runs.
fn held_up(user_id: i64, holder: &str, begun: bool) -> JobError {
    let running = format!("another scan of user {user_id} is running (job {holder})");
    if begun {
        // It was interrupted, and its user was told that it goes on.
        return JobError::postpone(
            HELD_UP,
            anyhow!("{running}; this one goes on when that one has ended"),
        );
    }
    JobError::discard(anyhow!("{running}; start this one again when that one has ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begun_scan_waits_for_another_and_a_new_one_is_refused() {
        let begun = held_up(7, "photo-processing/3", true);
        assert_eq!(begun.decision(), Decision::Postpone { after: HELD_UP });
        let new = held_up(7, "photo-processing/3", false);
        assert_eq!(new.decision(), Decision::Discard);
        for error in [begun, new] {
            let told = "another scan of user 7 is running (job photo-processing/3); ";
            assert!(error.to_string().starts_with(told), "{error}");
        }
    }
}
