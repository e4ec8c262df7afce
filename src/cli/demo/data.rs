//! The demo's own folder: emptied of what earlier demos left there, and never anybody else's.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Only a demo writes this, so a folder that holds it is a demo's.
const MARK: &str = ".roadie-demo";
/// What demos leave behind, beside the mark.
const LEFT: [&str; 10] = [
    "photos",
    "mail",
    "objects",
    "catalogue.db",
    "catalogue.db-wal",
    "catalogue.db-shm",
    "catalogue.db-journal",
    "redis.log",
    "metrics.prom",
    "demo.toml",
];

/// A folder that only its owner reads, without the leftovers of earlier demos. Nothing is deleted
/// in a folder that is no demo's, nor when the photos lie in it.
pub(super) fn prepare(data: &Path, photos: Option<&Path>) -> anyhow::Result<PathBuf> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("make {} (--data)", data.display()))?;
    let data = data.canonicalize().with_context(|| format!("open {} (--data)", data.display()))?;
    let shown = data.display();
    // It becomes a part of a URL.
    anyhow::ensure!(data.to_str().is_some(), "the name of {shown} (--data) is not UTF-8");
    if let Some(photos) = photos {
        anyhow::ensure!(
            !photos.starts_with(&data),
            "{} lies in the demo's own folder {shown}; name another one with --data",
            photos.display()
        );
    }
    let owner = data.metadata()?;
    let probe = tempfile::NamedTempFile::new_in(&data)
        .with_context(|| format!("write into {shown} (--data)"))?;
    anyhow::ensure!(
        probe.as_file().metadata()?.uid() == owner.uid(),
        "{shown} belongs to another user; name another folder with --data"
    );
    drop(probe);
    anyhow::ensure!(
        owner.permissions().mode().trailing_zeros() >= 6,
        "{shown} is open to others; name another folder with --data"
    );
    let mark = data.join(MARK);
    let occupied = data.read_dir()?.next().is_some();
    anyhow::ensure!(
        !occupied || mark.is_file(),
        "{shown} is not empty and holds no demo; name another folder with --data"
    );
    // From the first moment on, so that an interrupted demo can be repeated.
    fs::write(&mark, "`roadie demo` empties this folder.\n").context("mark the demo's folder")?;
    for name in LEFT {
        remove(&data.join(name))?;
    }
    Ok(data)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    // Of a link, the link: never what it leads to.
    let Ok(what) = path.symlink_metadata() else {
        return Ok(());
    };
    let removed = if what.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("delete {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let private = fs::Permissions::from_mode(0o700);
        tempfile::Builder::new().permissions(private).tempdir().unwrap()
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let folder = folder();
        for name in ["demo.toml", "holiday.jpg"] {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        let error = prepare(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("holds no demo"), "{error}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn a_demo_removes_only_what_demos_make() {
        let folder = folder();
        let data = prepare(&folder.path().join("deep/demo"), None).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("kept.jpg"), "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, data.join("objects")).unwrap();
        fs::create_dir(data.join("photos")).unwrap();
        for name in ["photos/sample.jpg", "catalogue.db", "kept.txt"] {
            fs::write(data.join(name), "").unwrap();
        }
        prepare(&data, Some(&elsewhere)).unwrap();
        let mut left: Vec<_> =
            data.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".roadie-demo", "kept.txt"]);
        assert!(elsewhere.join("kept.jpg").exists());
    }

    #[test]
    fn photos_in_the_demos_folder_are_refused_before_anything_is_deleted() {
        let folder = folder();
        let data = prepare(folder.path(), None).unwrap();
        let photos = data.join("photos");
        fs::create_dir(&photos).unwrap();
        for inside in [photos.as_path(), &data] {
            let error = prepare(&data, Some(inside)).unwrap_err().to_string();
            assert!(error.contains("lies in the demo's own folder"), "{error}");
        }
        assert!(photos.exists());
    }

    #[test]
    fn a_folder_that_others_read_is_refused() {
        let folder = folder();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = prepare(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("open to others"), "{error}");
    }
}
