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

/// A path as text; bytes that are no UTF-8 are percent-encoded.
pub(super) fn shown(path: &Path) -> String {
    path.to_str().map_or_else(|| escaped(path.as_os_str()), str::to_owned)
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
