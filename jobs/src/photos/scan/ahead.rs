//! The files of a listing, read ahead: while pages are recorded, the next ones are listed and read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future;
use futures::stream::{self, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Scan;
use crate::effects::catalogue::ScannedFile;
use crate::job::JobError;
use crate::photos::catalogue_error;
use crate::photos::listing::{Cursor, Item, Page, Source};
use crate::photos::reading;

/// What comes of a listing, in its order.
pub(super) enum Read {
    /// A file, whatever it is like.
    File(Box<ScannedFile>),
    /// All of a page has been read but for files that have not changed.
    Page { unchanged: u64, cursor: Cursor },
    /// Nothing can be read now. What was under way is told all the same.
    Failed(JobError),
}

/// What is to be done.
enum Step {
    Read(Item),
    Told(Read),
}

/// With the right to take time, where it is needed.
type Ready = (Step, Option<OwnedSemaphorePermit>);

impl Scan<'_> {
    /// Lists and reads from `cursor` on, and tells of it until the end, the first failure, or until
    /// nobody listens any more.
    pub(super) async fn read_ahead(&self, cursor: Option<Cursor>, told: mpsc::Sender<Read>) {
        let (listed, mut steps) = mpsc::channel(self.at_once());
        let failed = &AtomicBool::new(false);
        // As many may wait for an earlier one that takes longer: of a Drive most are told by its listing, and
        // the few that have to be fetched would come one after the other. No more, or a crash repeats more.
        let window = self.batch.max(self.at_once());
        // Ends the listing, too, when it ends.
        let reads = async move {
            let steps = stream::poll_fn(move |cx| steps.poll_recv(cx));
            let steps = steps.take_while(|_| future::ready(!failed.load(Ordering::Relaxed)));
            let mut reads = steps.map(|step| self.read(step, failed)).buffered(window);
            while let Some(read) = reads.next().await {
                if told.send(read).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(self.list(cursor, listed), reads);
    }

    /// Page by page, what is to be done, as long as it is taken.
    async fn list(&self, cursor: Option<Cursor>, listed: mpsc::Sender<Ready>) {
        let slots = Arc::new(Semaphore::new(self.at_once()));
        let mut pages = self.source.pages(&self.cx.effects().objects, cursor, self.batch);
        loop {
            let steps = match pages.next().await {
                Ok(Some(page)) => self.steps_of(page).await,
                Ok(None) => return,
                Err(error) => Err(error),
            };
            for step in steps.unwrap_or_else(|error| vec![Step::Told(Read::Failed(error))]) {
                let slot = match &step {
                    Step::Read(item) if reading::takes_time(item, self.fingerprint) => {
                        // It is never closed.
                        Arc::clone(&slots).acquire_owned().await.ok()
                    }
                    _ => None,
                };
                if listed.send((step, slot)).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn read(&self, (step, _slot): Ready, failed: &AtomicBool) -> Read {
        let read = match step {
            Step::Told(read) => read,
            Step::Read(item) => {
                match reading::read(item, self.cx.effects(), self.fingerprint).await {
                    Ok(file) => Read::File(Box::new(file)),
                    Err(error) => Read::Failed(error),
                }
            }
        };
        failed.fetch_or(matches!(read, Read::Failed(_)), Ordering::Relaxed);
        read
    }

    /// What is to be read of a page.
    async fn steps_of(&self, page: Page) -> Result<Vec<Step>, JobError> {
        let Page { items, cursor } = page;
        let ids: Vec<String> = items.iter().map(|item| item.file_id.clone()).collect();
        let known = self.cx.effects().catalogue.known_revisions(
            self.user_id,
            self.source.provider(),
            &ids,
            self.fingerprint,
        );
        let known = known.await.map_err(catalogue_error)?;
        let changed =
            items.into_iter().filter(|item| known.get(&item.file_id) != Some(&item.revision));
        let mut steps: Vec<Step> = changed.map(Step::Read).collect();
        let unchanged = (ids.len() - steps.len()) as u64;
        steps.push(Step::Told(Read::Page { unchanged, cursor }));
        Ok(steps)
    }

    /// Files read at once: local ones are bound by the cores, others by the way to the store.
    pub(super) fn at_once(&self) -> usize {
        match self.source {
            Source::Folder(_) => std::thread::available_parallelism().map_or(1, usize::from),
            Source::Bucket { .. } | Source::Drive(_) => self.cx.effects().photos.read_ahead,
        }
    }
}
