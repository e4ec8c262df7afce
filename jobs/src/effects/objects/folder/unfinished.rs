//! Files that are being written beside their places. Whoever writes one holds its lock, which ends with the
//! process: one without is what a crash has left, and goes with the next that is written there.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

const BEGIN: &str = ".unfinished-";

/// Whether a file of this name is no object yet.
pub(super) fn is_one(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(BEGIN.as_bytes())
}

pub(super) fn begin(folder: &Path) -> io::Result<NamedTempFile> {
    clean(folder)?;
    loop {
        let file = tempfile::Builder::new().prefix(BEGIN).tempfile_in(folder)?;
        file.as_file().lock()?;
        // Before it was locked somebody may have taken it for one that was left.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

pub(super) fn finish(file: &NamedTempFile) -> io::Result<()> {
    // Who serves them may be another user.
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()
}

/// Removes what nobody writes any more.
fn clean(folder: &Path) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let entry = entry?;
        if !is_one(&entry.file_name()) {
            continue;
        }
        // Finished or cleaned up by others meanwhile, or another user's.
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_has_left_goes_and_what_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".unfinished-left");
        fs::write(&left, b"half").unwrap();
        fs::write(folder.path().join("whole"), b"whole").unwrap();
        let first = begin(folder.path()).unwrap();
        assert!(!left.exists());
        let second = begin(folder.path()).unwrap();
        assert!(first.path().exists() && second.path().exists());
        finish(&first).unwrap();
        first.persist(folder.path().join("another")).unwrap();
        drop(second);
        let mut names: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["another", "whole"]);
    }
}
