//! The files of a local folder, page by page.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use tokio::sync::mpsc;

use super::cursor::{decode, encode, shown};
use super::{Cursor, Item, Page, Place, READER, is_photo_name, photos_in};
use crate::effects::Entry;
use crate::photos::takeout;

/// Sends the pages after `cursor`, until the end or until nobody listens.
pub(super) fn walk(
    entries: impl Iterator<Item = Entry>,
    cursor: Option<&Cursor>,
    size: usize,
    pages: &mpsc::Sender<Page>,
) {
    let done = cursor.and_then(decode);
    let mut output = Pager { size, items: Vec::with_capacity(size), last: None, pages };
    for entry in entries {
        // Path order is walk order: it compares part by part.
        if done.as_ref().is_some_and(|(folder, _)| entry.folder < *folder) {
            continue;
        }
        let seen = |name: &OsStr| {
            let done = done.as_ref().filter(|(folder, _)| entry.folder == *folder);
            done.is_some_and(|(_, done)| name <= done.as_os_str())
        };
        if let Err(error) = &entry.files {
            // The folder itself stands before all its files.
            let name = OsStr::new("");
            let reason = format!("the folder could not be opened: {error}");
            if !seen(name)
                && output.push(&entry.folder, name, unreadable(&entry.folder, &reason)).is_err()
            {
                return;
            }
        }
        let sidecars = sidecars_in(&entry);
        for name in photos_in(&entry).filter(|name| !seen(name)) {
            let item = item_of_file(&entry.folder, name, &sidecars);
            if output.push(&entry.folder, name, item).is_err() {
                return;
            }
        }
    }
    // Nobody may listen any more: the scan was stopped.
    let _ = output.flush();
}

/// Nobody listens to the pages any more.
struct Deaf;

/// Makes pages of items and sends them.
struct Pager<'a> {
    size: usize,
    items: Vec<Item>,
    last: Option<Cursor>,
    pages: &'a mpsc::Sender<Page>,
}

impl Pager<'_> {
    fn push(&mut self, folder: &Path, name: &OsStr, item: Item) -> Result<(), Deaf> {
        self.items.push(item);
        self.last = Some(encode(folder, name));
        if self.items.len() >= self.size { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Deaf> {
        let Some(cursor) = self.last.take() else {
            return Ok(());
        };
        let items = std::mem::take(&mut self.items);
        self.pages.blocking_send(Page { items, cursor }).map_err(|_| Deaf)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// `/t/a` with two photos, `/t/b` and `/t/b/c` that cannot be listed, `/t/d` with three.
    fn tree() -> impl Iterator<Item = Entry> {
        let closed = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let files = |names: &[&str]| Ok(names.iter().map(Into::into).collect());
        [
            ("/t/a", files(&["1.jpg", "2.jpg"])),
            ("/t/b", closed()),
            ("/t/b/c", closed()),
            ("/t/d", files(&["3.jpg", "4.jpg", "5.jpg"])),
        ]
        .into_iter()
        .map(|(folder, files)| Entry { folder: folder.into(), files })
    }

    fn pages(cursor: Option<&Cursor>, size: usize) -> Vec<(Vec<String>, Cursor)> {
        let (sender, mut receiver) = mpsc::channel(16);
        walk(tree(), cursor, size, &sender);
        drop(sender);
        std::iter::from_fn(|| receiver.blocking_recv())
            .map(|page| (page.items.into_iter().map(|item| item.name).collect(), page.cursor))
            .collect()
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_an_item_like_any_other() {
        for (size, expected) in [
            (1, vec![1; 7]),
            (2, vec![2, 2, 2, 1]),
            (3, vec![3, 3, 1]),
            (4, vec![4, 3]),
            (7, vec![7]),
            (9, vec![7]),
        ] {
            let sizes: Vec<usize> =
                pages(None, size).iter().map(|(names, _)| names.len()).collect();
            assert_eq!(sizes, expected, "pages of {size}");
        }
    }

    #[test]
    fn nothing_is_listed_again_after_any_cursor() {
        let all = ["1.jpg", "2.jpg", "b", "c", "3.jpg", "4.jpg", "5.jpg"];
        for (at, (_, cursor)) in pages(None, 1).iter().enumerate() {
            let rest: Vec<String> =
                pages(Some(cursor), 2).into_iter().flat_map(|(names, _)| names).collect();
            assert_eq!(rest, all[at + 1..], "after {}", all[at]);
        }
    }
}
