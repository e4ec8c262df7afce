//! Text on its way into the database: what it may hold and how long it may be.
//!
//! `PostgreSQL` cannot store the character NUL, so it is left out everywhere. Free text that comes
//! from files is cut to a length that a person can still read; a hostile file must not fill the
//! catalogue.

use sha2::{Digest as _, Sha256};

/// Characters of a file's name.
pub(super) const NAME: usize = 512;
/// Characters of a camera's make or model, a worker's name or version, or a source revision.
pub(super) const LABEL: usize = 255;
/// Characters of a word: format, media type, source.
pub(super) const WORD: usize = 127;
/// Characters of a reason or a hint.
pub(super) const SENTENCE: usize = 500;
/// Characters of one error message.
pub(super) const MESSAGE: usize = 4_000;

/// Bytes of a key that are stored as they are. `PostgreSQL` refuses index entries above 2,704
/// bytes; S3 keys and Drive ids never exceed 1,024.
const KEY_BYTES: usize = 1_024;

/// Without NUL and not longer than `limit` characters.
pub(super) fn capped(text: &str, limit: usize) -> String {
    let end = text.char_indices().nth(limit).map_or(text.len(), |(end, _)| end);
    without_nul(&text[..end])
}

/// [`capped`], for what may be missing.
pub(super) fn capped_option(text: Option<&String>, limit: usize) -> Option<String> {
    text.map(|text| capped(text, limit))
}

/// Without NUL.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

/// What stands for a file id or job id in a key. Longer ones keep their beginning, to be
/// recognised by people, and end with a hash of the whole, to stay distinct.
pub(super) fn key(text: &str) -> String {
    if text.len() <= KEY_BYTES {
        return without_nul(text);
    }
    let hash = sha256_hex(&[text]);
    let head = text.floor_char_boundary(KEY_BYTES - hash.len() - 1);
    format!("{}~{hash}", without_nul(&text[..head]))
}

/// SHA-256 over the parts, in hexadecimal. Lengths are hashed too: ("ab", "c") is not ("a", "bc").
pub(crate) fn sha256_hex(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
