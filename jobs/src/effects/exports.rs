//! Where files go that users have asked for, and how long they stay.

use std::path::PathBuf;
use std::time::Duration;

use super::ImageUrls;

/// How exports are made and kept.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    /// The bucket; nothing in it is for the public.
    pub bucket: String,
    /// What all keys begin with.
    pub prefix: String,
    /// How long a file stays once it is ready.
    pub keep: Duration,
    /// How long a link to it lasts.
    pub link_lasts: Duration,
    /// Links of a server of one's own, which checks them; none: the object store makes them.
    pub urls: Option<ImageUrls>,
    /// Folders with fonts for PDFs, beside those that are built in.
    pub fonts: Vec<PathBuf>,
    /// Bytes that the pictures of one PDF may have together.
    pub pictures: u64,
}

impl ExportSettings {
    /// Where the file of an export is. The id is made of letters, digits, `-` and `_`.
    pub fn key(&self, user_id: i64, export_id: &str, ending: &str) -> String {
        format!("{}{user_id}/{export_id}.{ending}", self.prefix)
    }
}
