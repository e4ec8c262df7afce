//! The embedded object store: `root/bucket/key`.

mod purge;
mod unfinished;

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::{ObjectError, ObjectInfo, Put};

/// A folder with one sub-folder a bucket.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        let folder = self.bucket(bucket)?;
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let after = after.map(str::to_owned);
        blocking("list", &bucket.clone(), move || {
            if !folder.is_dir() {
                return Err(ObjectError::NoBucket { bucket });
            }
            let mut found = Vec::new();
            walk(&folder, &folder, &prefix, &mut found).map_err(|e| match e.kind() {
                io::ErrorKind::PermissionDenied => {
                    ObjectError::Denied { bucket: bucket.clone(), source: e.into() }
                }
                _ => passing("list", &bucket, e),
            })?;
            found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            let rest = found.into_iter().filter(|o| after.as_ref().is_none_or(|a| o.key > *a));
            Ok(rest.take(limit).collect())
        })
        .await
    }

    pub(super) async fn read(
        &self,
        bucket: &str,
        key: &str,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ObjectError> {
        let path = inside(&self.bucket(bucket)?, key)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        blocking("read", &bucket.clone(), move || {
            let read = || {
                let mut file = fs::File::open(&path)?;
                file.seek(SeekFrom::Start(range.start))?;
                let mut bytes = Vec::new();
                file.take(range.end - range.start).read_to_end(&mut bytes)?;
                Ok(bytes)
            };
            read().map_err(|error| unread(bucket, key, error))
        })
        .await
    }

    pub(super) async fn size(&self, bucket: &str, key: &str) -> Result<u64, ObjectError> {
        let path = inside(&self.bucket(bucket)?, key)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        blocking("look", &bucket.clone(), move || match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => Ok(meta.len()),
            Ok(_) => Err(ObjectError::NoObject { bucket, key }),
            Err(error) => Err(unread(bucket, key, error)),
        })
        .await
    }

    /// A bucket is made when the first object comes into it.
    pub(super) async fn put_new(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
    ) -> Result<Put, ObjectError> {
        let path = inside(&self.bucket(bucket)?, key)?;
        let bucket = bucket.to_owned();
        blocking("write", &bucket.clone(), move || {
            write_new(&path, &bytes).map_err(|error| unwritten(bucket, error))
        })
        .await
    }

    pub(super) async fn put_file(
        &self,
        bucket: &str,
        key: &str,
        file: &Path,
    ) -> Result<(), ObjectError> {
        let path = inside(&self.bucket(bucket)?, key)?;
        let (bucket, file) = (bucket.to_owned(), file.to_owned());
        blocking("write", &bucket.clone(), move || {
            copy(&file, &path).map_err(|error| unwritten(bucket, error))
        })
        .await
    }

    /// Folders that are empty then stay: somebody may be about to write into them.
    pub(super) async fn remove(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        let path = inside(&self.bucket(bucket)?, key)?;
        let bucket = bucket.to_owned();
        blocking("remove", &bucket.clone(), move || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|error| unwritten(bucket, error)),
        })
        .await
    }

    fn bucket(&self, bucket: &str) -> Result<PathBuf, ObjectError> {
        let plain = !bucket.contains(['/', '\\']);
        if plain { inside(&self.root, bucket) } else { Err(name(bucket)) }
    }
}

/// A path below `folder`; names that lead elsewhere are refused.
fn inside(folder: &Path, key: &str) -> Result<PathBuf, ObjectError> {
    let relative = Path::new(key);
    let normal = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if key.is_empty() || !normal { Err(name(key)) } else { Ok(folder.join(relative)) }
}

/// Copies a file beside its place and moves it there, in place of what may be there.
fn copy(file: &Path, path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut copy = unfinished::begin(folder)?;
    io::copy(&mut fs::File::open(file)?, &mut copy)?;
    unfinished::finish(&copy)?;
    copy.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

/// Writes a file beside its place and moves it there, so that nobody ever sees a part of it.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<Put> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if path.exists() {
        return Ok(Put::Existed);
    }
    fs::create_dir_all(folder)?;
    let mut file = unfinished::begin(folder)?;
    file.write_all(bytes)?;
    unfinished::finish(&file)?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            fs::File::open(folder)?.sync_all()?;
            Ok(Put::Written)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Existed),
        Err(error) => Err(error.error),
    }
}

fn name(name: &str) -> ObjectError {
    ObjectError::Name { name: name.to_owned() }
}

fn unwritten(bucket: String, error: io::Error) -> ObjectError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ObjectError::Denied { bucket, source: error.into() }
        }
        _ => passing("write", &bucket, error),
    }
}

fn unread(bucket: String, key: String, error: io::Error) -> ObjectError {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound | Kind::NotADirectory => ObjectError::NoObject { bucket, key },
        kind @ (Kind::PermissionDenied
        | Kind::IsADirectory
        | Kind::InvalidFilename
        | Kind::InvalidInput) => ObjectError::Unreadable { bucket, key, code: kind.to_string() },
        _ => passing("read", &bucket, error),
    }
}

/// Nothing, where an entry has gone meanwhile or may not be looked at: the others are listed.
fn skip_lost<T>(looked: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind as Kind;
    match looked {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            Kind::NotFound | Kind::NotADirectory | Kind::PermissionDenied => Ok(None),
            _ => Err(error),
        },
    }
}

fn walk(top: &Path, folder: &Path, prefix: &str, found: &mut Vec<ObjectInfo>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        // Without the bucket's own folder there is nothing to list.
        entries if folder == top => entries?,
        entries => match skip_lost(entries)? {
            Some(entries) => entries,
            None => return Ok(()),
        },
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let Some(kind) = skip_lost(entry.file_type())? else {
            continue;
        };
        if kind.is_dir() {
            walk(top, &path, prefix, found)?;
        } else if kind.is_file() && !unfinished::is_one(&entry.file_name()) {
            // Keys are text; other names cannot be asked for.
            let Some(key) = path.strip_prefix(top).ok().and_then(Path::to_str) else {
                continue;
            };
            if key.starts_with(prefix) {
                let Some(meta) = skip_lost(entry.metadata())? else {
                    continue;
                };
                let changed = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                found.push(ObjectInfo {
                    key: key.to_owned(),
                    bytes: meta.len(),
                    revision: format!("{}-{}", meta.len(), changed.as_nanos()),
                });
            }
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    step: &'static str,
    bucket: &str,
    work: impl FnOnce() -> Result<T, ObjectError> + Send + 'static,
) -> Result<T, ObjectError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(passing(step, bucket, error)))
}

fn passing(step: &'static str, bucket: &str, error: impl Into<anyhow::Error>) -> ObjectError {
    ObjectError::Passing { step, bucket: bucket.to_owned(), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pages_ranges_and_missing_things() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("photos/2019")).unwrap();
        for key in ["photos/a", "photos/2019/x", "photos/2019/y"] {
            fs::write(temp.path().join(key), b"0123456789").unwrap();
        }
        let store = Folder::new(temp.path().to_path_buf());
        let keys = |page: Vec<ObjectInfo>| page.into_iter().map(|o| o.key).collect::<Vec<_>>();
        assert_eq!(keys(store.list("photos", "", None, 2).await.unwrap()), ["2019/x", "2019/y"]);
        assert_eq!(keys(store.list("photos", "", Some("2019/y"), 2).await.unwrap()), ["a"]);
        assert_eq!(keys(store.list("photos", "2019/", None, 9).await.unwrap()).len(), 2);
        assert_eq!(store.read("photos", "a", 8..20).await.unwrap(), b"89");
        for (bucket, key, expected) in [
            ("photos", "b", "has no object `b`"),
            ("photos", "../photos/a", "is not the name"),
            ("..", "a", "is not the name"),
        ] {
            let error = store.read(bucket, key, 0..1).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let folder = store.read("photos", "2019", 0..1).await.unwrap_err().to_string();
        assert_eq!(folder, "object `2019` of bucket `photos` cannot be read (is a directory)");
        let missing = store.list("gone", "", None, 1).await.unwrap_err();
        assert_eq!(missing.to_string(), "there is no bucket `gone`");
    }

    #[tokio::test]
    async fn an_object_is_put_once_and_whole() {
        let temp = tempfile::tempdir().unwrap();
        let store = Folder::new(temp.path().to_path_buf());
        let put = |bytes: &'static [u8]| store.put_new("images", "7/a.jpg", bytes.into());
        assert!(matches!(store.size("images", "7/a.jpg").await, Err(ObjectError::NoObject { .. })));
        assert_eq!(put(b"0123456789").await.unwrap(), Put::Written);
        assert_eq!(put(b"another").await.unwrap(), Put::Existed);
        assert_eq!(store.size("images", "7/a.jpg").await.unwrap(), 10);
        assert_eq!(store.read("images", "7/a.jpg", 0..99).await.unwrap(), b"0123456789");
        // What a crash left behind is no object.
        fs::write(temp.path().join("images/7/.unfinished-x"), b"half").unwrap();
        let listed = store.list("images", "", None, 9).await.unwrap();
        assert_eq!(listed.iter().map(|object| &object.key).collect::<Vec<_>>(), ["7/a.jpg"]);
        for (bucket, key) in [("images", "../a"), ("..", "a"), ("images", "")] {
            let error = store.put_new(bucket, key, Bytes::new()).await.unwrap_err();
            assert!(matches!(error, ObjectError::Name { .. }), "{error}");
        }
    }

    #[tokio::test]
    async fn of_many_who_put_the_same_object_one_writes_it() {
        let temp = tempfile::tempdir().unwrap();
        let store = Folder::new(temp.path().to_path_buf());
        let puts = (0..20).map(|_| store.put_new("images", "a", Bytes::from_static(b"same")));
        let puts = futures::future::try_join_all(puts).await.unwrap();
        assert_eq!(puts.iter().filter(|put| **put == Put::Written).count(), 1);
    }

    #[tokio::test]
    async fn a_folder_is_removed_with_all_that_is_in_it_and_no_other() {
        let temp = tempfile::tempdir().unwrap();
        let store = Folder::new(temp.path().to_path_buf());
        for key in ["v/7/a/1", "v/7/a/2", "v/7/b/1", "v/77/a/1", "v/70"] {
            store.put_new("images", key, Bytes::from_static(b"x")).await.unwrap();
        }
        fs::write(temp.path().join("images/v/7/b/.unfinished-x"), b"half").unwrap();
        for (prefix, count) in [("v/7/", 3), ("v/7/", 0), ("v/8/", 0)] {
            assert_eq!(store.count("images", prefix).await.unwrap(), count);
            assert_eq!(store.purge("images", prefix).await.unwrap(), count);
        }
        assert_eq!(store.purge("nobody", "v/7/").await.unwrap(), 0);
        assert!(!temp.path().join("images/v/7").exists());
        let left = store.list("images", "", None, 9).await.unwrap();
        assert_eq!(left.iter().map(|o| o.key.as_str()).collect::<Vec<_>>(), ["v/70", "v/77/a/1"]);
        store.purge("images", "../").await.unwrap_err();
    }

    #[test]
    fn what_cannot_be_read_is_that_objects_problem() {
        use io::ErrorKind as Kind;
        for (kind, expected) in [
            (Kind::NotFound, "has no object `a`"),
            (Kind::NotADirectory, "has no object `a`"),
            (Kind::PermissionDenied, "cannot be read (permission denied)"),
            (Kind::TimedOut, "read of bucket `photos` failed"),
        ] {
            let error = unread("photos".to_owned(), "a".to_owned(), kind.into());
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.is_transient(), kind == Kind::TimedOut);
        }
    }

    #[test]
    fn what_vanishes_during_a_listing_is_left_out() {
        use io::ErrorKind as Kind;
        let temp = tempfile::tempdir().unwrap();
        let mut found = Vec::new();
        walk(temp.path(), &temp.path().join("gone"), "", &mut found).unwrap();
        assert!(found.is_empty());
        let top = temp.path().join("gone");
        assert_eq!(walk(&top, &top, "", &mut found).unwrap_err().kind(), Kind::NotFound);
        for (kind, lost) in
            [(Kind::NotFound, true), (Kind::PermissionDenied, true), (Kind::TimedOut, false)]
        {
            assert_eq!(skip_lost::<()>(Err(kind.into())).is_ok(), lost, "{kind}");
        }
    }
}
