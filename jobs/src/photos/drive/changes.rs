//! What has changed since the last time.

use std::collections::{BTreeMap, HashSet};

use super::item::item;
use super::listing::Lister;
use crate::effects::catalogue::{DriveCursor, DriveItem, DrivePage, Place, catalogue_error};
use crate::effects::google::{Change, DriveError, DriveFile};
use crate::job::JobError;

/// What a page of changes comes to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sorted {
    /// Is there, as it is now.
    pub(super) files: Vec<DriveFile>,
    /// Deleted, in the trash or out of sight.
    pub(super) gone: Vec<String>,
}

/// The last word about each file counts.
pub(super) fn sorted(changes: Vec<Change>) -> Sorted {
    let mut last: BTreeMap<String, Option<DriveFile>> = BTreeMap::new();
    for change in changes {
        let Some(id) = change.file_id else { continue };
        let there = change.file.filter(|file| !change.removed && !file.trashed);
        last.insert(id, there);
    }
    let mut sorted = Sorted::default();
    for (id, there) in last {
        match there {
            Some(file) => sorted.files.push(file),
            None => sorted.gone.push(id),
        }
    }
    sorted
}

impl<F: FnMut(u64) + Send> Lister<'_, F> {
    /// Follows the changes of all drives; false: what has changed cannot be known any more.
    pub(super) async fn changes(&self, generation: i64) -> Result<bool, JobError> {
        let scope = &self.tree.scope;
        self.recall(generation).await?;
        if scope.folder.is_empty() {
            self.drives(generation).await?;
        }
        // The user's own is first: a file that was moved to a shared drive is gone, then there.
        let cursors = self.catalogue.drive_cursors(scope).await.map_err(catalogue_error)?;
        for cursor in cursors {
            match self.feed(&cursor, generation).await {
                Ok(()) => {}
                Err(DriveError::PageToken) => return Ok(false),
                // Nobody is a member of it any more.
                Err(DriveError::Withheld { .. }) if !cursor.drive_id.is_empty() => {
                    let dropped = self.catalogue.drop_drive(scope, &cursor.drive_id).await;
                    dropped.map_err(catalogue_error)?;
                }
                Err(error) => return Err(error.for_job()),
            }
            self.cx.safe_point()?;
        }
        self.rest(generation).await?;
        Ok(true)
    }

    /// Drives that the user has joined or left.
    async fn drives(&self, generation: i64) -> Result<(), JobError> {
        let scope = &self.tree.scope;
        let drives = self.tree.drive.shared_drives().await.map_err(DriveError::for_job)?;
        let now: HashSet<&str> = drives.iter().map(|drive| drive.id.as_str()).collect();
        let cursors = self.catalogue.drive_cursors(scope).await.map_err(catalogue_error)?;
        let known: HashSet<&str> = cursors.iter().map(|c| c.drive_id.as_str()).collect();
        for joined in now.difference(&known) {
            self.follow(joined, generation, true).await?;
        }
        for left in known.difference(&now).filter(|id| !id.is_empty()) {
            self.catalogue.drop_drive(scope, left).await.map_err(catalogue_error)?;
        }
        Ok(())
    }

    /// One drive's changes, page by page.
    async fn feed(&self, cursor: &DriveCursor, generation: i64) -> Result<(), DriveError> {
        let drive_id = cursor.drive_id.as_str();
        let shared = Some(drive_id).filter(|id| !id.is_empty());
        let mut token = cursor.change_token.clone();
        loop {
            let page = self.tree.drive.changes(shared, &token).await?;
            let at_end = page.next_page_token.is_none();
            let next = page.next_page_token.or(page.new_start_page_token);
            let next = next.unwrap_or_else(|| token.clone());
            let Sorted { files, gone } = sorted(page.changes);
            let (items, left) = self.placed(&files).await?;
            self.update_shortcuts(&files).await?;
            let items = self.told_of(items).await;
            let place = Place::Changes { drive_id, next: &next };
            let page = DrivePage { items, gone, left, generation, place };
            self.catalogue.record_drive_page(&self.tree.scope, &page).await?;
            if at_end {
                return Ok(());
            }
            token = next;
        }
    }

    /// Which files belong to the scope now, and which do not any more.
    async fn placed(
        &self,
        files: &[DriveFile],
    ) -> Result<(Vec<DriveItem>, Vec<String>), DriveError> {
        let scope = &self.tree.scope;
        let parents: Vec<&str> = files.iter().filter_map(DriveFile::parent).collect();
        let inside = if scope.folder.is_empty() {
            None
        } else {
            Some(self.catalogue.folders_among(scope, &parents).await?)
        };
        let belongs = |file: &DriveFile| {
            inside.as_ref().is_none_or(|inside| {
                file.id == scope.folder || file.parent().is_some_and(|id| inside.contains(id))
            })
        };
        let (mut items, mut left) = (Vec::new(), Vec::new());
        for file in files {
            match item(file, 1, false).filter(|_| belongs(file)) {
                Some(item) => items.push(item),
                None => left.push(file.id.clone()),
            }
        }
        Ok((items, left))
    }

    /// Photos outside of what was listed, to which shortcuts lead.
    async fn update_shortcuts(&self, files: &[DriveFile]) -> Result<(), DriveError> {
        let scope = &self.tree.scope;
        let ids: Vec<&str> = files.iter().map(|file| file.id.as_str()).collect();
        for (shortcut, target) in self.catalogue.shortcuts_to(scope, &ids).await? {
            let file = files.iter().find(|file| file.id == target);
            if let Some(item) = file.and_then(|file| item(file, 1, false)) {
                self.catalogue.resolve_shortcut(scope, &shortcut, Some(&item)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_about_a_file_counts() {
        let there = |id: &str, trashed| Change {
            file_id: Some(id.to_owned()),
            file: Some(DriveFile { id: id.to_owned(), trashed, ..DriveFile::default() }),
            ..Change::default()
        };
        let removed =
            |id: &str| Change { file_id: Some(id.to_owned()), removed: true, ..Change::default() };
        let drive = Change { change_type: Some("drive".to_owned()), ..Change::default() };
        let changes = vec![
            there("a", false),
            removed("a"),
            removed("b"),
            there("b", false),
            there("c", true),
            drive,
        ];
        let Sorted { files, gone } = sorted(changes);
        let files: Vec<&str> = files.iter().map(|file| file.id.as_str()).collect();
        assert_eq!((files, gone), (vec!["b"], vec!["a".to_owned(), "c".to_owned()]));
    }
}
