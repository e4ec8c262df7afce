//! What Drive answers (Drive API v3, `File`, `Change`, `Drive`).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The fields of a file that are asked for.
pub(super) const FIELDS: &str = "id,name,mimeType,size,md5Checksum,sha256Checksum,headRevisionId,modifiedTime,trashed,\
     parents,driveId,ownedByMe,shortcutDetails(targetId,targetMimeType),capabilities(canDownload),\
     imageMediaMetadata(width,height,rotation,time,location(latitude,longitude),cameraMake,cameraModel)";

/// A file, folder or shortcut. Whatever is missing or of a strange type is none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DriveFile {
    /// Its id, which stays.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What Drive takes it for.
    pub mime_type: String,
    /// Bytes; Drive writes text.
    #[serde(deserialize_with = "number")]
    pub size: Option<u64>,
    /// Of the content; none for folders and shortcuts.
    #[serde(deserialize_with = "lenient")]
    pub md5_checksum: Option<String>,
    /// Of the content, hexadecimal.
    #[serde(deserialize_with = "lenient")]
    pub sha256_checksum: Option<String>,
    /// Changes with the content.
    #[serde(deserialize_with = "lenient")]
    pub head_revision_id: Option<String>,
    /// RFC 3339.
    #[serde(deserialize_with = "lenient")]
    pub modified_time: Option<String>,
    /// Whether it, or a folder above it, is in the trash.
    #[serde(deserialize_with = "or_default")]
    pub trashed: bool,
    /// The folder that it is in; Drive knows one at most.
    #[serde(deserialize_with = "or_default")]
    pub parents: Vec<String>,
    /// The shared drive that it is in.
    #[serde(deserialize_with = "lenient")]
    pub drive_id: Option<String>,
    /// Whether it is the user's own; in shared drives nothing is anybody's.
    #[serde(deserialize_with = "lenient")]
    pub owned_by_me: Option<bool>,
    /// Of a shortcut.
    #[serde(deserialize_with = "lenient")]
    pub shortcut_details: Option<ShortcutDetails>,
    /// What the user may do.
    #[serde(deserialize_with = "lenient")]
    pub capabilities: Option<Capabilities>,
    /// What Drive has read from a picture.
    #[serde(deserialize_with = "lenient")]
    pub image_media_metadata: Option<ImageMetadata>,
}

impl DriveFile {
    /// The folder that it is in.
    pub fn parent(&self) -> Option<&str> {
        self.parents.first().map(String::as_str)
    }
}

/// Where a shortcut leads.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShortcutDetails {
    /// What it leads to.
    pub target_id: String,
    /// What that was when the shortcut was made.
    pub target_mime_type: String,
}

/// What the user may do with a file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Whether its bytes may be fetched.
    #[serde(default = "yes")]
    pub can_download: bool,
}

fn yes() -> bool {
    true
}

/// What Drive has read from a picture; see [`DriveFile`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageMetadata {
    /// Pixels.
    #[serde(deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub width: Option<u64>,
    /// Pixels.
    #[serde(deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Clockwise quarter turns until it is upright.
    #[serde(deserialize_with = "number", skip_serializing_if = "Option::is_none")]
    pub rotation: Option<u64>,
    /// `2019:07:20 21:14:05`, the camera's wall clock.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Where.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Who made the camera.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub camera_make: Option<String>,
    /// Which camera.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub camera_model: Option<String>,
}

/// Degrees; 0, 0 where Drive knows none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// North.
    pub latitude: f64,
    /// East.
    pub longitude: f64,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePage {
    /// Asks for the next page; none at the end.
    pub next_page_token: Option<String>,
    /// Drive did not look everywhere.
    #[serde(default)]
    pub incomplete_search: bool,
    /// The files.
    pub files: Vec<DriveFile>,
}

/// A page of the changes feed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Asks for the next page.
    pub next_page_token: Option<String>,
    /// At the end: asks for what will change from now on.
    pub new_start_page_token: Option<String>,
    /// What has changed, the oldest first.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Change {
    /// `file` or `drive`.
    pub change_type: Option<String>,
    /// Of a file.
    pub file_id: Option<String>,
    /// Deleted, or the user may not see it any more.
    pub removed: bool,
    /// What it is now.
    pub file: Option<DriveFile>,
}

/// A drive that several people share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SharedDrive {
    /// Its id, which is that of its topmost folder, too.
    pub id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DrivePage {
    pub(super) next_page_token: Option<String>,
    pub(super) drives: Vec<SharedDrive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thumbnail {
    /// Good for some hours; none: there is no thumbnail.
    #[serde(default)]
    pub(super) thumbnail_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartToken {
    pub(super) start_page_token: String,
}

/// A number, or one written as text.
fn number<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u64>, D::Error> {
    Ok(match Value::deserialize(value)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// One odd value must not cost a page of a thousand files.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    value: D,
) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(value)?).ok())
}

fn or_default<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    lenient(value).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_value_costs_no_page() {
        let page: FilePage = serde_json::from_str(
            r#"{"kind":"drive#fileList","files":[
                {"id":"a","name":"a.jpg","mimeType":"image/jpeg","size":"11","parents":null,
                 "imageMediaMetadata":{"width":"wide","height":3024,"rotation":null,"time":7,
                 "location":{"latitude":"north"}}},
                {"id":"b","name":"b.jpg","mimeType":"image/jpeg","size":11,"trashed":null,
                 "imageMediaMetadata":"none","capabilities":{},"unheardOf":1}]}"#,
        )
        .unwrap();
        let [a, b] = &page.files[..] else { panic!("{page:?}") };
        assert_eq!((a.size, b.size), (Some(11), Some(11)));
        let told = a.image_media_metadata.as_ref().unwrap();
        assert_eq!(
            (told.width, told.height, &told.time, told.location),
            (None, Some(3_024), &None, None)
        );
        assert_eq!((&b.image_media_metadata, b.parent()), (&None, None));
        assert!(b.capabilities.as_ref().unwrap().can_download);
    }

    #[test]
    fn what_was_recorded_of_drive_is_understood() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/drive");
        let read = |name: &str| std::fs::read_to_string(folder.join(name));
        let (Ok(files), Ok(changes)) =
            (read("files_list_response.json"), read("changes_list_example.json"))
        else {
            return crate::effects::google::skip(
                "recorded answers of Drive: ../shared is not there",
            );
        };
        let files: FilePage = serde_json::from_str(&files).unwrap();
        assert_eq!(files.next_page_token.as_deref(), Some("myNextPageToken"));
        assert_eq!((files.files[0].size, files.files[0].parent()), (Some(11), Some("7")));
        let changes: Changes = serde_json::from_str(&changes).unwrap();
        let file = changes.changes[0].file.as_ref().unwrap();
        assert_eq!((file.size, file.trashed), (Some(68_787), false));
        assert_eq!(file.image_media_metadata.as_ref().unwrap().width, Some(1_745));
        assert!(changes.next_page_token.is_some() && changes.new_start_page_token.is_none());
    }
}
