//! Where a scan's files come from: page by page, in an order that is the same each time, so that a
//! cursor says where to go on.

mod cursor;
mod walk;

use std::ffi::OsString;
use std::path::PathBuf;

use tokio::sync::mpsc;

pub(super) use cursor::{Cursor, path_of};

use super::drive::{DrivePlace, DriveTree};
use crate::context::JobContext;
use crate::effects::catalogue::Provider;
use crate::effects::{Entry, FolderWalk, ObjectError, ObjectInfo, Objects};
use crate::job::JobError;

/// Files with these endings are looked at; what they really are is decided by content.
const ENDINGS: [&str; 14] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "heic", "heif", "hif", "avif", "tif", "tiff",
    "gif", "bmp",
];

/// Counts up when files must be read again because more is found out about them.
pub(super) const READER: &str = "r1";

/// Pages that the walk may be ahead of the reader.
const PAGES_AHEAD: usize = 2;
/// Folders that counting may be ahead of the report.
const COUNTS_AHEAD: usize = 64;

/// A tree of photos.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A local folder, resolved.
    Folder(PathBuf),
    /// A prefix of a bucket.
    Bucket {
        /// The bucket.
        bucket: String,
        /// What the keys begin with.
        prefix: String,
    },
    /// A user's Google Drive, or a folder of it.
    Drive(DriveTree),
}

/// One file of a page.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What identifies it at its provider.
    pub(super) file_id: String,
    /// For people.
    pub(super) name: String,
    /// Changes when the content (or its sidecar) does.
    pub(super) revision: String,
    /// Where to read it.
    pub(super) place: Place,
}

/// Where to read a file.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// On a disk, with its Takeout sidecar.
    Disk { path: PathBuf, sidecar: Option<PathBuf> },
    /// In a bucket.
    Object { bucket: String, key: String, bytes: u64 },
    /// In Google Drive.
    Drive(Box<DrivePlace>),
    /// It could be seen and no more: why.
    Nowhere(String),
}

/// Some files, and where to go on after them.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    pub(super) cursor: Cursor,
}

impl Source {
    pub(super) fn provider(&self) -> Provider {
        match self {
            Self::Folder(_) => Provider::Folder,
            Self::Bucket { .. } => Provider::S3,
            Self::Drive(_) => Provider::Drive,
        }
    }

    /// Where listing begins, if that is worth remembering.
    pub(super) fn first(&self) -> Option<Cursor> {
        matches!(self, Self::Drive(_)).then(|| Cursor::Key { key: String::new() })
    }

    /// How many files a scan will deal with. `so_far` hears of every change, because counting may
    /// take minutes.
    pub(super) async fn count(
        &self,
        cx: &JobContext,
        started_at: i64,
        mut so_far: impl FnMut(u64) + Send,
    ) -> Result<u64, JobError> {
        let objects = &cx.effects().objects;
        let mut count = 0;
        match self {
            Self::Drive(tree) => count = tree.list(cx, started_at, so_far).await?,
            Self::Folder(folder) => {
                let (counts, mut counted) = mpsc::channel(COUNTS_AHEAD);
                let walk = FolderWalk::new(folder.clone());
                tokio::task::spawn_blocking(move || {
                    let mut counts_of_folders = walk.map(|entry| photos_in(&entry).count() as u64);
                    // Ends when nobody listens any more: the scan was stopped.
                    counts_of_folders.all(|count| counts.blocking_send(count).is_ok())
                });
                while let Some(more) = counted.recv().await {
                    count += more;
                    so_far(count);
                }
            }
            Self::Bucket { bucket, prefix } => {
                let mut after: Option<String> = None;
                loop {
                    let page = objects.list(bucket, prefix, after.as_deref(), 1_000).await;
                    let page = page.map_err(object_error)?;
                    count += page.iter().filter(|object| is_photo_name(&object.key)).count() as u64;
                    so_far(count);
                    match page.into_iter().next_back() {
                        Some(last) => after = Some(last.key),
                        None => break,
                    }
                }
            }
        }
        Ok(count)
    }

    /// Starts the listing after `cursor`.
    pub(super) fn pages(&self, objects: &Objects, cursor: Option<Cursor>, size: usize) -> Pages {
        match (self, cursor) {
            (Self::Drive(tree), cursor) => Pages::Drive {
                tree: Box::new(tree.clone()),
                after: key_of(cursor).unwrap_or_default(),
                size,
            },
            (Self::Folder(folder), cursor) => {
                let (pages, receiver) = mpsc::channel(PAGES_AHEAD);
                let folder = folder.clone();
                // Ends by itself when the receiver is dropped.
                tokio::task::spawn_blocking(move || {
                    walk::walk(FolderWalk::new(folder), cursor.as_ref(), size, &pages);
                });
                Pages::Walk(receiver)
            }
            (Self::Bucket { bucket, prefix }, cursor) => Pages::List {
                objects: objects.clone(),
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                after: key_of(cursor),
                size,
            },
        }
    }
}

/// A listing in progress.
#[derive(Debug)]
pub(super) enum Pages {
    /// A walk on a thread of its own.
    Walk(mpsc::Receiver<Page>),
    /// What listings of a Drive have seen.
    Drive { tree: Box<DriveTree>, after: String, size: usize },
    /// A bucket, whose pages are asked for one by one.
    List { objects: Objects, bucket: String, prefix: String, after: Option<String>, size: usize },
}

impl Pages {
    /// The next page; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, JobError> {
        match self {
            Self::Drive { tree, after, size } => {
                let page = tree.page(after, *size).await?;
                if let Some(Page { cursor: Cursor::Key { key }, .. }) = &page {
                    after.clone_from(key);
                }
                Ok(page)
            }
            Self::Walk(pages) => Ok(pages.recv().await),
            Self::List { objects, bucket, prefix, after, size } => {
                let page = objects.list(bucket, prefix, after.as_deref(), *size).await;
                let page = page.map_err(object_error)?;
                let Some(last) = page.last().map(|object| object.key.clone()) else {
                    return Ok(None);
                };
                *after = Some(last.clone());
                let items = page.into_iter().filter(|object| is_photo_name(&object.key));
                let items = items.map(|object| item_of_object(bucket, object)).collect();
                Ok(Some(Page { items, cursor: Cursor::Key { key: last } }))
            }
        }
    }
}

fn key_of(cursor: Option<Cursor>) -> Option<String> {
    match cursor {
        Some(Cursor::Key { key }) => Some(key),
        _ => None,
    }
}

/// Turns an error of the store into the scan's decision.
pub(crate) fn object_error(error: ObjectError) -> JobError {
    if error.is_transient() { JobError::retry(error) } else { JobError::discard(error) }
}

fn item_of_object(bucket: &str, object: ObjectInfo) -> Item {
    let name = object.key.rsplit('/').next().unwrap_or(&object.key).to_owned();
    Item {
        file_id: format!("{bucket}/{}", object.key),
        name,
        revision: format!("{READER}:{}", object.revision),
        place: Place::Object { bucket: bucket.to_owned(), key: object.key, bytes: object.bytes },
    }
}

pub(super) fn is_photo_name(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty() && ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
    })
}

fn photos_in(entry: &Entry) -> impl Iterator<Item = &OsString> {
    entry.files.iter().flatten().filter(|name| is_photo_name(&name.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn photos_are_known_by_their_endings() {
        for (name, photo) in [
            ("a.jpg", true),
            ("A.JPEG", true),
            ("x/y/IMG.HEIC", true),
            ("notes.txt", false),
            ("a.jpg.json", false),
            (".jpg", false),
            ("jpg", false),
            ("folder.jpg/readme", false),
        ] {
            assert_eq!(is_photo_name(name), photo, "{name}");
        }
    }

    async fn all(
        source: &Source,
        cursor: Option<Cursor>,
        size: usize,
    ) -> (Vec<String>, Vec<Cursor>) {
        let objects = Objects::folder(PathBuf::from("/nowhere"));
        let mut pages = source.pages(&objects, cursor, size);
        let (mut names, mut cursors) = (Vec::new(), Vec::new());
        while let Some(page) = pages.next().await.unwrap() {
            names.extend(page.items.into_iter().map(|item| item.name));
            cursors.push(page.cursor);
        }
        (names, cursors)
    }

    #[tokio::test]
    async fn a_listing_goes_on_after_any_cursor() {
        let temp = tempfile::tempdir().unwrap();
        for folder in ["b", "a/deep", "c%"] {
            fs::create_dir_all(temp.path().join(folder)).unwrap();
        }
        let odd = OsStr::from_bytes(b"b/\xff.jpg");
        for file in
            ["1.jpg", "2.png", "a/3.gif", "a/deep/4.bmp", "b/5.heic", "c%/6%41.jpg", "b/x.txt"]
        {
            fs::write(temp.path().join(file), b"x").unwrap();
        }
        fs::write(temp.path().join(odd), b"x").unwrap();
        let source = Source::Folder(temp.path().to_path_buf());
        let (names, cursors) = all(&source, None, 1).await;
        assert_eq!(names.len(), 7, "{names:?}");
        for (at, cursor) in cursors.into_iter().enumerate() {
            // Through JSON, as a checkpoint goes.
            let cursor = serde_json::from_str(&serde_json::to_string(&cursor).unwrap()).unwrap();
            let (rest, _) = all(&source, Some(cursor), 3).await;
            assert_eq!(rest, names[at + 1..], "after {}", names[at]);
        }
    }
}
