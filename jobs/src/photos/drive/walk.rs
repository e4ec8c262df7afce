//! Folder by folder, the uppermost first, and to wherever shortcuts lead.

use futures::{StreamExt as _, TryStreamExt as _};

use super::AT_ONCE;
use super::item::{WANTED, item};
use super::listing::{Lister, Of};
use crate::effects::catalogue::{DriveItem, ItemKind, OpenFolder, OpenShortcut, catalogue_error};
use crate::effects::google::{Corpus, DriveError, FilePage};
use crate::job::JobError;

/// Folders, or shortcuts, that are taken from the catalogue at once.
const SOME: u32 = 64;

impl<F: FnMut(u64) + Send> Lister<'_, F> {
    /// Until there is no folder whose contents are not known, and no shortcut that leads nobody knows where.
    pub(super) async fn walk(&self, generation: i64) -> Result<(), JobError> {
        let scope = &self.tree.scope;
        loop {
            let folders = self.catalogue.open_folders(scope, generation, SOME).await;
            let folders = folders.map_err(catalogue_error)?;
            if !folders.is_empty() {
                let listed = futures::stream::iter(folders);
                let listed = listed.map(|folder| self.folder(folder, generation));
                listed.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
                continue;
            }
            let shortcuts = self.catalogue.open_shortcuts(scope, SOME).await;
            let shortcuts = shortcuts.map_err(catalogue_error)?;
            if shortcuts.is_empty() {
                return Ok(());
            }
            let resolved = futures::stream::iter(shortcuts);
            let resolved = resolved.map(|shortcut| self.resolve(shortcut, generation));
            resolved.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
    }

    async fn folder(&self, folder: OpenFolder, generation: i64) -> Result<(), JobError> {
        self.cx.safe_point()?;
        let OpenFolder { file_id, drive_id, depth, page_token } = &folder;
        if !self.tree.scope.folder.is_empty() {
            self.follow(drive_id, generation, false).await?;
        }
        let corpus = if drive_id.is_empty() { Corpus::User } else { Corpus::Drive(drive_id) };
        let q = format!("'{}' in parents and {WANTED}", file_id.replace(['\\', '\''], ""));
        let to_items = |page: &FilePage| -> Vec<DriveItem> {
            let items = page.files.iter().filter_map(|file| item(file, depth + 1, false));
            items.map(|item| DriveItem { parent_id: file_id.clone(), ..item }).collect()
        };
        let of = Of::Folder(file_id);
        if !self.pages(&q, corpus, page_token.clone(), generation, to_items, of).await? {
            // It was there when it was seen.
            tracing::warn!(
                user_id = self.tree.scope.user_id,
                "a folder of a Drive cannot be listed"
            );
            self.record(Vec::new(), generation, of.place(None)).await?;
        }
        Ok(())
    }

    /// Asks once where a shortcut leads.
    async fn resolve(&self, shortcut: OpenShortcut, generation: i64) -> Result<(), JobError> {
        self.cx.safe_point()?;
        let target = match self.tree.drive.file(&shortcut.file_id).await {
            Ok(file) if file.trashed => None,
            Ok(file) => item(&file, shortcut.depth, false).filter(|item| {
                // A shortcut to a shortcut cannot be made.
                matches!(item.kind, ItemKind::Photo | ItemKind::Folder)
            }),
            Err(DriveError::Withheld { .. }) => None,
            Err(error) => return Err(error.for_job()),
        };
        if let Some(target) = &target
            && target.kind == ItemKind::Folder
        {
            self.follow(&target.drive_id, generation, false).await?;
        }
        let kept =
            self.catalogue.resolve_shortcut(&self.tree.scope, &shortcut.item_id, target.as_ref());
        kept.await.map_err(catalogue_error)
    }
}
