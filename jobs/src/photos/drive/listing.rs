//! Everything once: drive by drive, or from a folder on.

use std::collections::HashSet;

use anyhow::anyhow;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::Mutex;

use super::item::{FOLDER, WANTED, item};
use super::{AT_ONCE, DriveTree, Extent};
use crate::context::JobContext;
use crate::effects::catalogue::{
    Catalogue, DriveCursor, DriveItem, DrivePage, Due, ItemKind, Place, catalogue_error,
};
use crate::effects::google::{Corpus, DriveError, DriveFile, FilePage};
use crate::job::JobError;
use crate::photos::scan::Checkpoint;

/// A listing that has to begin anew more often than this will not come to its end now.
const RESTARTS: u32 = 3;

/// What a listing is of.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    Drive(&'a str),
    Folder(&'a str),
}

impl<'a> Of<'a> {
    pub(super) fn place(self, next: Option<&'a str>) -> Place<'a> {
        match self {
            Self::Drive(drive_id) => Place::Drive { drive_id, next },
            Self::Folder(file_id) => Place::Folder { file_id, next },
        }
    }
}

/// Lists a scope into the catalogue.
pub(super) struct Lister<'a, F> {
    pub(super) cx: &'a JobContext,
    pub(super) tree: &'a DriveTree,
    pub(super) catalogue: &'a Catalogue,
    /// Of the scan; Unix milliseconds.
    started_at: i64,
    /// Drives whose changes are followed already.
    pub(super) followed: Mutex<HashSet<String>>,
    counted: std::sync::Mutex<(u64, F)>,
}

impl<'a, F: FnMut(u64) + Send> Lister<'a, F> {
    pub(super) fn new(cx: &'a JobContext, tree: &'a DriveTree, started_at: i64, so_far: F) -> Self {
        let catalogue = &tree.catalogue;
        let counted = std::sync::Mutex::new((0, so_far));
        Self { cx, tree, catalogue, started_at, followed: Mutex::default(), counted }
    }

    /// A full listing goes on where it stopped, whichever job it was that began it.
    pub(super) async fn run(&self) -> Result<(), JobError> {
        let scope = &self.tree.scope;
        let last = self.catalogue.drive_listing(scope).await.map_err(catalogue_error)?;
        match last {
            Some(last) if last.ended && self.tree.extent == Extent::Changes => {
                if !self.changes(last.generation).await? {
                    let generation = self.begin().await?;
                    self.full(generation).await?;
                }
            }
            Some(last) if !last.ended => {
                self.recount(last.generation).await?;
                self.full(last.generation).await?;
            }
            _ => {
                let generation = self.begin().await?;
                self.full(generation).await?;
            }
        }
        let dropped = self.catalogue.drop_lost_photos(scope.user_id).await;
        let dropped = dropped.map_err(catalogue_error)?;
        if dropped > 0 {
            tracing::info!(photos = dropped, "photos are not in the Drive any more");
        }
        Ok(())
    }

    /// What an interrupted listing has found already.
    async fn recount(&self, generation: i64) -> Result<(), JobError> {
        // Later ones find what earlier ones have left: that says nothing.
        if generation == 1 {
            let found = self.catalogue.count_listed(&self.tree.scope, Due::default(), "").await;
            let found = found.map_err(catalogue_error)?;
            self.count(usize::try_from(found).unwrap_or(0)).await?;
        }
        Ok(())
    }

    async fn begin(&self) -> Result<i64, JobError> {
        let now = self.cx.effects().clock.now_ms();
        let begun = self.catalogue.begin_drive_listing(&self.tree.scope, now);
        begun.await.map_err(catalogue_error)
    }

    async fn full(&self, generation: i64) -> Result<(), JobError> {
        self.recall(generation).await?;
        if self.tree.scope.folder.is_empty() {
            let drives = self.tree.drive.shared_drives().await.map_err(DriveError::for_job)?;
            self.follow("", generation, true).await?;
            for drive in &drives {
                self.follow(&drive.id, generation, true).await?;
            }
        } else {
            self.root(generation).await?;
        }
        self.rest(generation).await?;
        let now = self.cx.effects().clock.now_ms();
        let ended = self.catalogue.end_drive_listing(&self.tree.scope, generation, now);
        ended.await.map_err(catalogue_error)
    }

    /// What is left once it is known where to look.
    pub(super) async fn rest(&self, generation: i64) -> Result<(), JobError> {
        let cursors = self.catalogue.drive_cursors(&self.tree.scope).await;
        let open = cursors.map_err(catalogue_error)?.into_iter().filter(|cursor| cursor.listing);
        let flat = futures::stream::iter(open).map(|cursor| self.flat(cursor, generation));
        flat.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        self.walk(generation).await?;
        self.pair().await
    }

    /// The drives that are followed for this listing.
    pub(super) async fn recall(&self, generation: i64) -> Result<(), JobError> {
        let cursors = self.catalogue.drive_cursors(&self.tree.scope).await;
        let current = cursors.map_err(catalogue_error)?.into_iter();
        let current = current.filter(|cursor| cursor.generation == generation);
        *self.followed.lock().await = current.map(|cursor| cursor.drive_id).collect();
        Ok(())
    }

    /// Notes where the changes feed of a drive stands before anything of it is listed. `whole`: all of it
    /// belongs to the scope.
    pub(super) async fn follow(
        &self,
        drive_id: &str,
        generation: i64,
        whole: bool,
    ) -> Result<(), JobError> {
        let mut followed = self.followed.lock().await;
        if followed.contains(drive_id) {
            return Ok(());
        }
        let shared = Some(drive_id).filter(|id| !id.is_empty());
        let token = match self.tree.drive.start_token(shared).await {
            Ok(token) => token,
            // Somebody let the user see a part of it; the user's own feed tells of that.
            Err(DriveError::Withheld { .. }) if shared.is_some() => return Ok(()),
            Err(error) => return Err(error.for_job()),
        };
        let cursor = DriveCursor {
            drive_id: drive_id.to_owned(),
            change_token: token,
            generation,
            listing: whole,
            page_token: None,
        };
        let opened = self.catalogue.open_drive_cursor(&self.tree.scope, &cursor).await;
        opened.map_err(catalogue_error)?;
        followed.insert(drive_id.to_owned());
        Ok(())
    }

    /// The folder that is to be scanned.
    async fn root(&self, generation: i64) -> Result<(), JobError> {
        let id = &self.tree.scope.folder;
        let gone = |why: &str| {
            JobError::discard(anyhow!(
                "the folder that is to be scanned (folderId) {why}; choose another one"
            ))
        };
        let file = match self.tree.drive.file(id).await {
            Ok(file) => file,
            Err(DriveError::Withheld { .. }) => {
                return Err(gone("is not there, or the user may not see it"));
            }
            Err(error) => return Err(error.for_job()),
        };
        if file.mime_type != FOLDER || file.trashed {
            return Err(gone("is not a folder, or in the trash"));
        }
        self.follow("", generation, false).await?;
        self.follow(file.drive_id.as_deref().unwrap_or_default(), generation, false).await?;
        let root = item(&file, 0, false).into_iter().collect();
        self.record(root, generation, Place::Nowhere).await
    }

    /// A whole drive, a thousand files a page.
    async fn flat(&self, cursor: DriveCursor, generation: i64) -> Result<(), JobError> {
        let drive_id = cursor.drive_id.as_str();
        let corpus = if drive_id.is_empty() { Corpus::User } else { Corpus::Drive(drive_id) };
        let to_items = |page: &FilePage| -> Vec<DriveItem> {
            // What is in a folder of somebody else's does not come with the user's own.
            let covered = |file: &DriveFile| file.owned_by_me != Some(false);
            page.files.iter().filter_map(|file| item(file, 1, covered(file))).collect()
        };
        let of = Of::Drive(drive_id);
        let from = cursor.page_token.clone();
        if !self.pages(WANTED, corpus, from, generation, to_items, of).await? {
            // The user is no member of it any more.
            let dropped = self.catalogue.drop_drive(&self.tree.scope, drive_id).await;
            dropped.map_err(catalogue_error)?;
        }
        Ok(())
    }

    /// All pages of a listing; false: it is not handed out. While one is stored, the next is asked for.
    pub(super) async fn pages(
        &self,
        q: &str,
        corpus: Corpus<'_>,
        from: Option<String>,
        generation: i64,
        to_items: impl Fn(&FilePage) -> Vec<DriveItem> + Send + Sync,
        of: Of<'_>,
    ) -> Result<bool, JobError> {
        let mut restarts = 0;
        let mut page = self.list(q, corpus, from.as_deref()).await;
        loop {
            let listed = match page {
                Ok(listed) => listed,
                // Whatever was stored is stored again, and is the same.
                Err(DriveError::PageToken) if restarts < RESTARTS => {
                    restarts += 1;
                    page = self.list(q, corpus, None).await;
                    continue;
                }
                Err(DriveError::Withheld { .. }) => return Ok(false),
                Err(error) => return Err(error.for_job()),
            };
            if listed.incomplete_search {
                return Err(JobError::retry(anyhow!("Google Drive has not looked everywhere")));
            }
            self.cx.safe_point()?;
            let items = to_items(&listed);
            let photos = items.iter().filter(|item| item.kind == ItemKind::Photo).count();
            let next = listed.next_page_token;
            let stored = self.record(items, generation, of.place(next.as_deref()));
            let Some(token) = next.as_deref() else {
                stored.await?;
                self.count(photos).await?;
                return Ok(true);
            };
            let (stored, following) = tokio::join!(stored, self.list(q, corpus, Some(token)));
            stored?;
            self.count(photos).await?;
            page = following;
        }
    }

    async fn list(
        &self,
        q: &str,
        corpus: Corpus<'_>,
        token: Option<&str>,
    ) -> Result<FilePage, DriveError> {
        self.tree.drive.files(q, corpus, token).await
    }

    pub(super) async fn record(
        &self,
        items: Vec<DriveItem>,
        generation: i64,
        place: Place<'_>,
    ) -> Result<(), JobError> {
        let items = self.told_of(items).await;
        let page = DrivePage { items, gone: Vec::new(), left: Vec::new(), generation, place };
        let stored = self.catalogue.record_drive_page(&self.tree.scope, &page).await;
        stored.map_err(catalogue_error)
    }

    /// Changes of a drive that is not followed, because the user is no member, come with the user's own.
    pub(super) async fn told_of(&self, mut items: Vec<DriveItem>) -> Vec<DriveItem> {
        let followed = self.followed.lock().await;
        for item in &mut items {
            if !followed.contains(&item.drive_id) {
                item.drive_id.clear();
            }
        }
        items
    }

    /// Tells how far it is. That there is progress is kept in Redis as well, so that a worker that is
    /// killed now and then is not taken for one that the scan takes down.
    async fn count(&self, photos: usize) -> Result<(), JobError> {
        let so_far = {
            let mut counted =
                self.counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            counted.0 += photos as u64;
            let so_far = counted.0;
            (counted.1)(so_far);
            so_far
        };
        self.cx.checkpoint(&Checkpoint::counting(self.started_at, so_far)).await
    }
}
