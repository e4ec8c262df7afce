//! Where a listing stands.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};

/// Where a listing stands: after this file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::photos) enum Cursor {
    /// Folder and name, percent-encoded, so that any bytes survive.
    File { folder: String, name: String },
    /// The key.
    Key { key: String },
}

/// An absolute path as text. One that is no UTF-8 is percent-encoded, behind a word with which no
/// absolute path begins: a file that is really called `%FF.jpg` is another one.
pub(super) fn shown(path: &Path) -> String {
    let escape = || format!("bytes:{}", escaped(path.as_os_str()));
    path.to_str().map_or_else(escape, str::to_owned)
}

/// The path that [`shown`] has shown so.
pub(in crate::photos) fn path_of(shown: &str) -> PathBuf {
    match shown.strip_prefix("bytes:") {
        Some(escaped) => OsString::from_vec(percent_decode_str(escaped).collect()).into(),
        None => PathBuf::from(shown),
    }
}

const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

pub(super) fn escaped(text: &OsStr) -> String {
    match text.to_str() {
        Some(text) => text.replace('%', "%25"),
        None => percent_encode(text.as_bytes(), ESCAPED).to_string(),
    }
}

pub(super) fn encode(folder: &Path, name: &OsStr) -> Cursor {
    Cursor::File { folder: escaped(folder.as_os_str()), name: escaped(name) }
}

pub(super) fn decode(cursor: &Cursor) -> Option<(PathBuf, OsString)> {
    let text = |text: &str| OsString::from_vec(percent_decode_str(text).collect());
    match cursor {
        Cursor::File { folder, name } => Some((PathBuf::from(text(folder)), text(name))),
        Cursor::Key { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_paths_are_shown_alike() {
        for (path, expected) in [
            (b"/p/a.jpg".as_slice(), "/p/a.jpg"),
            (b"/p/%FF.jpg", "/p/%FF.jpg"),
            (b"/p/\xff.jpg", "bytes:/p/%FF.jpg"),
            (b"/p/%FF\xff.jpg", "bytes:/p/%25FF%FF.jpg"),
            (b"/bytes:/p/%FF.jpg", "/bytes:/p/%FF.jpg"),
        ] {
            let path = Path::new(OsStr::from_bytes(path));
            assert_eq!(shown(path), expected);
            assert_eq!(path_of(expected), path);
        }
    }
}
