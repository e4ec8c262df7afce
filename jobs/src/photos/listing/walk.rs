//! The files of a local folder, page by page.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tokio::sync::mpsc;

use super::cursor::{decode, encode, shown};
use super::{Cursor, Item, Page, Place, READER, is_photo_name, photos_in};
use crate::effects::{Entry, FolderWalk};
use crate::photos::takeout;

/// Sends the pages after `cursor`, until the end or until nobody listens.
pub(super) fn walk(
    folder: PathBuf,
    cursor: Option<&Cursor>,
    size: usize,
    pages: &mpsc::Sender<Page>,
) {
    let done = cursor.and_then(decode);
    let mut items = Vec::with_capacity(size);
    let mut last = None;
    for entry in FolderWalk::new(folder) {
        // Path order is walk order: it compares part by part.
        if done.as_ref().is_some_and(|(folder, _)| entry.folder < *folder) {
            continue;
        }
        if let Err(error) = &entry.files {
            let reason = format!("the folder could not be opened: {error}");
            items.push(unreadable(&entry.folder, &reason));
            last = Some(encode(&entry.folder, OsStr::new("")));
        }
        let sidecars = sidecars_in(&entry);
        for name in photos_in(&entry) {
            let seen = done.as_ref().is_some_and(|(folder, done)| {
                entry.folder == *folder && name.as_os_str() <= done.as_os_str()
            });
            if seen {
                continue;
            }
            items.push(item_of_file(&entry.folder, name, &sidecars));
            last = Some(encode(&entry.folder, name));
            if items.len() == size
                && let Some(cursor) = last.take()
                && pages.blocking_send(Page { items: std::mem::take(&mut items), cursor }).is_err()
            {
                return;
            }
        }
    }
    if let Some(cursor) = last {
        // Nobody listens any more: the scan was stopped.
        let _ = pages.blocking_send(Page { items, cursor });
    }
}

/// Photo name → sidecar name, of one folder.
fn sidecars_in(entry: &Entry) -> HashMap<String, String> {
    let names: Vec<&str> = entry.files.iter().flatten().filter_map(|name| name.to_str()).collect();
    let is_json = |name: &&str| {
        name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("json"))
    };
    let sidecars: Vec<&str> = names.iter().copied().filter(is_json).collect();
    if sidecars.is_empty() {
        return HashMap::new();
    }
    let photos: Vec<&str> = names.into_iter().filter(|name| is_photo_name(name)).collect();
    takeout::pair(&photos, &sidecars)
}

fn item_of_file(folder: &Path, name: &OsStr, sidecars: &HashMap<String, String>) -> Item {
    let path = folder.join(name);
    let sidecar = name.to_str().and_then(|name| sidecars.get(name)).map(|name| folder.join(name));
    match revision(&path, sidecar.as_deref()) {
        Ok(revision) => Item {
            file_id: shown(&path),
            name: name.to_string_lossy().into_owned(),
            revision,
            place: Place::Disk { path, sidecar },
        },
        Err(error) => unreadable(&path, &format!("the file could not be opened: {error}")),
    }
}

fn unreadable(path: &Path, reason: &str) -> Item {
    Item {
        file_id: shown(path),
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        revision: String::new(),
        place: Place::Nowhere(reason.to_owned()),
    }
}

/// Size and modification time of the file and its sidecar.
fn revision(path: &Path, sidecar: Option<&Path>) -> std::io::Result<String> {
    let mut revision = READER.to_owned();
    for path in std::iter::once(path).chain(sidecar) {
        let meta = path.metadata()?;
        let changed = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(revision, ":{}-{}", meta.len(), changed.as_nanos());
    }
    Ok(revision)
}
