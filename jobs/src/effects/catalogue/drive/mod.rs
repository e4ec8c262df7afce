//! What scans have seen of a user's Google Drive: from listings and the changes feed to the photos that
//! are to be read. A page and the place where to go on after it are written in one transaction, so
//! whoever is killed repeats one page at most.
//!
//! - `scopes`: full listings, and where each drive's changes feed goes on;
//! - `items`: a page; `gone`: what is not there any more;
//! - `walk`: which folders and shortcuts are still to be looked at;
//! - `pairing`: which Takeout file belongs to which photo;
//! - `reading`: the photos, page by page.

mod gone;
mod items;
mod pairing;
mod reading;
mod scopes;
mod walk;

use super::scanned::UnknownWord;

pub(crate) use items::{DrivePage, Place};
pub(crate) use pairing::Named;
pub(crate) use reading::{Due, ListedPhoto};
pub(crate) use scopes::DriveCursor;
pub(crate) use walk::{OpenFolder, OpenShortcut};

pub(super) const ITEMS: &str = "drive_items";

/// What is scanned of a user's Drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriveScope {
    /// Whose.
    pub(crate) user_id: i64,
    /// The id of a folder; empty: everything.
    pub(crate) folder: String,
}

/// What an item is to a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    Folder,
    Photo,
    /// A file of Google Takeout.
    Sidecar,
    /// Leads to something that is not known yet.
    Shortcut,
    /// Leads to another item.
    Alias,
}

impl ItemKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Photo => "photo",
            Self::Sidecar => "sidecar",
            Self::Shortcut => "shortcut",
            Self::Alias => "alias",
        }
    }

    fn parse(word: &str) -> Result<Self, UnknownWord> {
        [Self::Folder, Self::Photo, Self::Sidecar, Self::Shortcut, Self::Alias]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| UnknownWord { what: "kind", word: word.into() })
    }
}

/// A folder, photo, Takeout file or shortcut, as a page of Drive has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DriveItem {
    pub(crate) item_id: String,
    pub(crate) kind: ItemKind,
    /// Of a shortcut: what it leads to; else `item_id`.
    pub(crate) file_id: String,
    /// The shared drive; empty: the user's own.
    pub(crate) drive_id: String,
    /// Empty: not known.
    pub(crate) parent_id: String,
    pub(crate) depth: i64,
    pub(crate) name: String,
    /// JSON.
    pub(crate) facts: String,
    /// Changes with anything that Drive tells.
    pub(crate) base_rev: String,
    /// Of a folder: whether what is in it comes with the same listing.
    pub(crate) listed: bool,
}
