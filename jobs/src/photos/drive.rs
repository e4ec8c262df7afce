//! Google Drive as a place where photos come from.
//!
//! What there is, is listed into the catalogue first (`drive_items`): page by page, each with the place
//! where to go on, so that nothing but the page under way is ever asked for twice. Then it is known how
//! many photos there are, which are reached by several ways, and which Takeout file belongs to which, and
//! they are read in the order of their ids.
//!
//! - `item`: what a file is to a scan, and what Drive tells of a photo;
//! - `listing`: everything once, `walk`: folder by folder; `changes`: what has changed since;
//! - `pairing`: Takeout files.

mod changes;
mod item;
mod listing;
mod pairing;
mod walk;

use super::OptimizePhoto;
use super::listing::{Cursor, Item, Page, Place};
use crate::context::{FollowUp, JobContext};
use crate::effects::catalogue::{
    Catalogue, DriveScope, Due, ListedPhoto, StarredPhoto, catalogue_error,
};
use crate::effects::google::Drive;
use crate::job::{Job as _, JobError};

pub(super) use item::{ListedFile, Picture, format};

/// Questions about folders, drives and shortcuts that are under way at once.
const AT_ONCE: usize = 8;
/// Starred photos that are taken from the catalogue at once.
const STARRED: u32 = 200;

/// How much is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Extent {
    /// Everything, whatever is known.
    Full,
    /// What has changed since the last time.
    #[default]
    Changes,
}

/// A user's Drive, or a folder of it.
#[derive(Clone, Debug)]
pub(super) struct DriveTree {
    pub(super) drive: Drive,
    pub(super) catalogue: Catalogue,
    pub(super) scope: DriveScope,
    pub(super) extent: Extent,
    /// Whether fingerprints are wanted.
    pub(super) fingerprint: bool,
}

/// Where to read a photo of a Drive.
#[derive(Clone, Debug)]
pub(super) struct DrivePlace {
    pub(super) drive: Drive,
    pub(super) file_id: String,
    pub(super) picture: Picture,
    pub(super) sidecar: Option<(String, ListedFile)>,
}

impl DriveTree {
    /// Lists what there is, or what has changed; answers how many photos are to be looked at.
    pub(super) async fn list(
        &self,
        cx: &JobContext,
        started_at: i64,
        so_far: impl FnMut(u64) + Send,
    ) -> Result<u64, JobError> {
        listing::Lister::new(cx, self, started_at, so_far).run().await?;
        self.left("").await
    }

    /// How many photos there are to be looked at after one.
    pub(super) async fn left(&self, after: &str) -> Result<u64, JobError> {
        let count = self.catalogue.count_listed(&self.scope, self.due(), after);
        count.await.map_err(catalogue_error)
    }

    /// The photos after one.
    pub(super) async fn page(&self, after: &str, size: usize) -> Result<Option<Page>, JobError> {
        let photos = self.catalogue.listed_photos(&self.scope, self.due(), after, size);
        let photos = photos.await.map_err(catalogue_error)?;
        let Some(last) = photos.last() else { return Ok(None) };
        let cursor = Cursor::Key { key: last.file_id.clone() };
        let items = photos.into_iter().map(|photo| self.item(photo)).collect();
        Ok(Some(Page { items, cursor }))
    }

    /// Has starred photos fetched as they are, once, for copies that web pages can show.
    pub(super) async fn ask_for_variants(&self, cx: &JobContext) -> Result<(), JobError> {
        let user_id = self.scope.user_id;
        let mut after = String::new();
        loop {
            let starred = self.catalogue.starred_without_variants(user_id, &after, STARRED).await;
            let starred = starred.map_err(catalogue_error)?;
            let Some(last) = starred.last() else { return Ok(()) };
            after.clone_from(&last.photo_id);
            for StarredPhoto { photo_id, source_rev } in starred {
                let follow_up = FollowUp {
                    queue: OptimizePhoto::QUEUE.to_owned(),
                    kind: OptimizePhoto::KIND.to_owned(),
                    payload: serde_json::json!({ "userId": user_id, "photoId": photo_id }),
                    id: format!("optimize:{photo_id}:{}", source_rev.replace(':', "-")),
                    delay: None,
                };
                cx.enqueue(follow_up).await?;
            }
        }
    }

    fn due(&self) -> Due {
        Due { changed: self.extent == Extent::Changes, unfingerprinted: self.fingerprint }
    }

    fn item(&self, photo: ListedPhoto) -> Item {
        let sidecar = photo.sidecar.map(|(id, facts)| (id, item::read(&facts)));
        let place = DrivePlace {
            drive: self.drive.clone(),
            file_id: photo.file_id.clone(),
            picture: item::read(&photo.facts),
            sidecar,
        };
        Item {
            file_id: photo.file_id,
            name: photo.name,
            revision: photo.source_rev,
            place: Place::Drive(Box::new(place)),
        }
    }
}
