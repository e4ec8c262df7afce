//! Local folders, and only those below a configured root.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that cannot be used: the message says what and why.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// No root is configured.
    #[error("no local folder may be scanned: folders.roots is empty")]
    NoRoots,
    /// A configured root is not there.
    #[error("root {path} cannot be opened")]
    Root {
        /// As configured.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The path leads elsewhere.
    #[error("path `{path}` is outside the folders that may be scanned ({roots})")]
    Outside {
        /// As asked for.
        path: String,
        /// The configured roots.
        roots: String,
    },
    /// The path cannot be opened.
    #[error("path `{path}` cannot be opened")]
    Open {
        /// As asked for.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The path is not a folder.
    #[error("path `{path}` is a file; scan-folder wants a folder")]
    NotAFolder {
        /// As asked for.
        path: String,
    },
}

/// "Too many levels of symbolic links", which the standard library does not name yet.
const ELOOP: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };

impl FolderError {
    /// Whether the same path may be opened later: a disk that is busy or does not answer.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Open { source, .. } => {
                let fault_of_the_path = matches!(
                    source.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::InvalidInput
                        | io::ErrorKind::InvalidFilename
                        | io::ErrorKind::PermissionDenied
                );
                !fault_of_the_path && source.raw_os_error() != Some(ELOOP)
            }
            Self::NoRoots | Self::Root { .. } | Self::Outside { .. } | Self::NotAFolder { .. } => {
                false
            }
        }
    }
}

/// The folders below which local files may be read.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    roots: Vec<PathBuf>,
}

impl Folders {
    /// Resolves the roots, symbolic links included.
    ///
    /// # Errors
    ///
    /// [`FolderError::Root`] for a root that is not there.
    pub fn open(roots: &[PathBuf]) -> Result<Self, FolderError> {
        let resolve = |root: &PathBuf| {
            root.canonicalize()
                .map_err(|source| FolderError::Root { path: root.display().to_string(), source })
        };
        Ok(Self { roots: roots.iter().map(resolve).collect::<Result<_, _>>()? })
    }

    /// The resolved roots.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// A folder below a root: absolute, or relative to the first root.
    ///
    /// # Errors
    ///
    /// Names the path and why it cannot be scanned. Whether a path outside the roots exists is not
    /// told.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, FolderError> {
        let resolved = self.below(Path::new(path))?;
        if !resolved.is_dir() {
            return Err(FolderError::NotAFolder { path: path.to_owned() });
        }
        Ok(resolved)
    }

    /// A file below a root, by the path that a walk has found.
    ///
    /// # Errors
    ///
    /// As [`Folders::resolve`]: roots may have changed since the walk.
    pub fn file(&self, path: &Path) -> Result<PathBuf, FolderError> {
        self.below(path)
    }

    fn below(&self, path: &Path) -> Result<PathBuf, FolderError> {
        let first = self.roots.first().ok_or(FolderError::NoRoots)?;
        let shown = || path.display().to_string();
        let outside = || FolderError::Outside {
            path: shown(),
            roots: self
                .roots
                .iter()
                .map(|r| r.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
        };
        let wanted = first.join(path);
        // Before touching the disk: `..` never leads out, not even through a link.
        if !self.roots.iter().any(|root| lexical(&wanted).starts_with(root))
            && !self
                .roots
                .iter()
                .any(|root| wanted.canonicalize().is_ok_and(|p| p.starts_with(root)))
        {
            return Err(outside());
        }
        let resolved =
            wanted.canonicalize().map_err(|source| FolderError::Open { path: shown(), source })?;
        if !self.roots.iter().any(|root| resolved.starts_with(root)) {
            return Err(outside());
        }
        Ok(resolved)
    }
}

/// The path with `.` and `..` taken away.
fn lexical(path: &Path) -> PathBuf {
    use std::path::Component;
    path.components().fold(PathBuf::new(), |mut done, part| {
        match part {
            Component::ParentDir => {
                done.pop();
            }
            Component::CurDir => {}
            part => done.push(part),
        }
        done
    })
}

/// One folder of a tree, as a walk meets it.
#[derive(Debug)]
pub struct Entry {
    /// The folder.
    pub folder: PathBuf,
    /// The names of its files, in byte order; or why it could not be listed.
    pub files: Result<Vec<OsString>, io::Error>,
}

/// Walks a tree folder by folder: a folder's own files first, then its sub-folders, in byte order.
///
/// The order is the same each time, so a path says where to go on. Hidden entries and symbolic links
/// are left out: links could lead outside the root, or in a circle.
#[derive(Debug)]
pub struct FolderWalk {
    pending: Vec<PathBuf>,
}

impl FolderWalk {
    /// Starts at a folder from [`Folders::resolve`].
    pub fn new(folder: PathBuf) -> Self {
        Self { pending: vec![folder] }
    }
}

impl Iterator for FolderWalk {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let folder = self.pending.pop()?;
        match list(&folder) {
            Ok((files, mut folders)) => {
                // The last one pushed is visited first.
                folders.sort_unstable_by(|a, b| b.cmp(a));
                self.pending.extend(folders.into_iter().map(|name| folder.join(name)));
                Some(Entry { folder, files: Ok(files) })
            }
            Err(error) => Some(Entry { folder, files: Err(error) }),
        }
    }
}

fn list(folder: &Path) -> io::Result<(Vec<OsString>, Vec<OsString>)> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Does not follow links: those are neither file nor folder here.
        let kind = entry.file_type()?;
        if kind.is_file() {
            files.push(name);
        } else if kind.is_dir() {
            folders.push(name);
        }
    }
    files.sort_unstable();
    Ok((files, folders))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_outside_the_roots() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("root");
        fs::create_dir_all(root.join("inner")).unwrap();
        fs::create_dir_all(temp.path().join("secret")).unwrap();
        fs::write(root.join("file.jpg"), b"x").unwrap();
        std::os::unix::fs::symlink(temp.path().join("secret"), root.join("link")).unwrap();
        let folders = Folders::open(std::slice::from_ref(&root)).unwrap();
        let absolute = root.join("inner").display().to_string();
        for good in [".", "inner", "inner/..", absolute.as_str()] {
            folders.resolve(good).unwrap();
        }
        for (bad, message) in [
            ("../secret", "outside"),
            ("inner/../../secret", "outside"),
            ("/etc", "outside"),
            ("/nowhere-at-all", "outside"),
            ("link", "outside"),
            ("missing", "cannot be opened"),
            ("file.jpg", "is a file"),
        ] {
            let error = folders.resolve(bad).unwrap_err().to_string();
            assert!(error.contains(message) && error.contains(bad), "{bad}: {error}");
        }
        folders.file(&root.join("file.jpg")).unwrap();
        for bad in ["../secret/x.jpg", "link/x.jpg", "gone.jpg"] {
            folders.file(&root.join(bad)).unwrap_err();
        }
        let none = Folders::default().resolve("x").unwrap_err().to_string();
        assert!(none.contains("folders.roots is empty"), "{none}");
    }

    #[test]
    fn only_a_disk_that_may_answer_later_is_worth_another_try() {
        use io::ErrorKind as Kind;
        for (kind, transient) in [
            (Kind::NotFound, false),
            (Kind::NotADirectory, false),
            (Kind::InvalidInput, false),
            (Kind::InvalidFilename, false),
            (Kind::PermissionDenied, false),
            (Kind::Interrupted, true),
            (Kind::TimedOut, true),
            (Kind::ResourceBusy, true),
            (Kind::StaleNetworkFileHandle, true),
            (Kind::Other, true),
        ] {
            let error = FolderError::Open { path: "x".to_owned(), source: kind.into() };
            assert_eq!(error.is_transient(), transient, "{kind}");
        }
    }

    #[test]
    fn a_path_that_can_never_be_opened_is_final() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("file"), b"x").unwrap();
        std::os::unix::fs::symlink("circle", temp.path().join("circle")).unwrap();
        let folders = Folders::open(&[temp.path().to_path_buf()]).unwrap();
        let long = "x".repeat(300);
        for path in ["missing", "file", "file/below", "nul\0inside", "circle", long.as_str()] {
            let error = folders.resolve(path).unwrap_err();
            assert!(!error.is_transient(), "{path:?}: {error:?}");
        }
    }

    #[test]
    fn a_walk_has_one_order_and_no_links() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        for folder in ["b", "a/z", ".hidden"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["b/2", "b/1", "a/z/x", "top", "a.jpg", ".hidden/h", ".h"] {
            fs::write(root.join(file), b"").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("b/circle")).unwrap();
        let seen: Vec<String> = FolderWalk::new(root.to_path_buf())
            .flat_map(|entry| {
                let folder = entry.folder.strip_prefix(root).unwrap().to_owned();
                entry.files.unwrap().into_iter().map(move |f| folder.join(f).display().to_string())
            })
            .collect();
        assert_eq!(seen, ["a.jpg", "top", "a/z/x", "b/1", "b/2"]);
    }
}
