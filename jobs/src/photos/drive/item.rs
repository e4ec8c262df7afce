//! What a file of Drive is to a scan.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::effects::catalogue::{DriveItem, ItemKind, sha256_hex};
use crate::effects::google::{DriveFile, ImageMetadata};
use crate::photos::listing::{READER, is_photo_name};
use crate::pixels::Format;

pub(super) const FOLDER: &str = "application/vnd.google-apps.folder";
const SHORTCUT: &str = "application/vnd.google-apps.shortcut";
const JSON: &str = "application/json";
/// What uploads are that said nothing of themselves.
const BYTES: &str = "application/octet-stream";

/// What is asked for, in Drive's query language; the rest is told apart here.
pub(super) const WANTED: &str = "trashed = false and (mimeType contains 'image/' or mimeType = \
    'application/json' or mimeType = 'application/octet-stream' or mimeType = \
    'application/vnd.google-apps.folder' or mimeType = 'application/vnd.google-apps.shortcut')";

/// What Drive tells of a photo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::photos) struct Picture {
    /// Its media type.
    pub(in crate::photos) mime: String,
    pub(in crate::photos) bytes: Option<u64>,
    /// Its owner does not let it be fetched.
    pub(in crate::photos) locked: bool,
    pub(in crate::photos) told: Option<ImageMetadata>,
    /// Of the content, hexadecimal.
    pub(in crate::photos) sha256: Option<String>,
}

/// What Drive tells of a Takeout file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::photos) struct ListedFile {
    pub(in crate::photos) bytes: Option<u64>,
}

/// Reads what [`item`] has written. What another version has written tells nothing.
pub(super) fn read<T: DeserializeOwned + Default>(facts: &str) -> T {
    serde_json::from_str(facts).unwrap_or_default()
}

/// The media types of pictures that can be read.
pub(in crate::photos) fn format(mime: &str) -> Option<Format> {
    Some(match mime {
        "image/jpeg" | "image/jpg" | "image/pjpeg" => Format::Jpeg,
        "image/png" => Format::Png,
        "image/webp" => Format::WebP,
        "image/heic" | "image/heif" => Format::Heic,
        "image/avif" => Format::Avif,
        "image/tiff" => Format::Tiff,
        "image/gif" => Format::Gif,
        "image/bmp" | "image/x-ms-bmp" => Format::Bmp,
        _ => return None,
    })
}

/// What a file is to a scan; none: nothing. `listed`: if it is a folder, whether what is in it comes with
/// the same listing.
pub(super) fn item(file: &DriveFile, depth: i64, listed: bool) -> Option<DriveItem> {
    let is_json = || {
        file.name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("json"))
    };
    let kind = match file.mime_type.as_str() {
        FOLDER => ItemKind::Folder,
        SHORTCUT => ItemKind::Shortcut,
        JSON => ItemKind::Sidecar,
        BYTES if is_json() => ItemKind::Sidecar,
        BYTES if is_photo_name(&file.name) => ItemKind::Photo,
        mime if format(mime).is_some() => ItemKind::Photo,
        _ => return None,
    };
    let target = file.shortcut_details.as_ref();
    if kind == ItemKind::Shortcut {
        let mime = &target?.target_mime_type;
        let leads = mime == FOLDER || mime == BYTES || format(mime).is_some();
        if !leads || target?.target_id.is_empty() {
            return None;
        }
    }
    let facts = match kind {
        ItemKind::Photo => text(&Picture {
            mime: file.mime_type.clone(),
            bytes: file.size,
            locked: file.capabilities.as_ref().is_some_and(|can| !can.can_download),
            told: file.image_media_metadata.clone(),
            sha256: file.sha256_checksum.clone(),
        }),
        ItemKind::Sidecar => text(&ListedFile { bytes: file.size }),
        _ => String::new(),
    };
    let target = target.map(|target| &target.target_id).filter(|_| kind == ItemKind::Shortcut);
    Some(DriveItem {
        item_id: file.id.clone(),
        kind,
        file_id: target.unwrap_or(&file.id).clone(),
        drive_id: file.drive_id.clone().unwrap_or_default(),
        parent_id: file.parent().unwrap_or_default().to_owned(),
        depth,
        name: file.name.clone(),
        base_rev: revision(file, &facts),
        facts,
        listed,
    })
}

/// Another one with other content, another name, or when Drive tells something else of it.
fn revision(file: &DriveFile, facts: &str) -> String {
    let content = file.md5_checksum.as_ref().or(file.head_revision_id.as_ref());
    let content = content.or(file.modified_time.as_ref()).map_or("", String::as_str);
    let mut hash = sha256_hex(&[content, &file.name, facts]);
    hash.truncate(32);
    format!("{READER}:{hash}")
}

fn text(facts: &impl Serialize) -> String {
    // Numbers and text always have a JSON form.
    serde_json::to_string(facts).unwrap_or_default()
}
