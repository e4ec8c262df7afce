//! Files that users have asked for.

use std::path::PathBuf;
use std::time::Duration;

use roadie_jobs::effects::{ExportSettings, ImageUrls};
use serde::Deserialize;

use super::images::{bucket_fault, prefix_fault, url_fault};
use super::{Images, load};

/// `[exports]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exports {
    /// Where files go.
    pub bucket: String,
    /// What their keys begin with.
    pub prefix: String,
    /// How long a file stays.
    #[serde(with = "load::duration")]
    pub keep: Duration,
    /// How long a link to one lasts.
    #[serde(with = "load::duration")]
    pub link_lasts: Duration,
    /// What links begin with that a server of one's own checks.
    pub public_url: String,
    /// Folders with fonts for PDFs.
    pub fonts: Vec<PathBuf>,
    /// Bytes that the pictures of one PDF may have together; none: no pictures.
    #[serde(deserialize_with = "load::optional_size")]
    pub pictures: Option<u64>,
    /// Pause between looks for files whose time is over.
    #[serde(with = "load::duration")]
    pub every: Duration,
}

impl Exports {
    /// As handlers know it. Links are signed with the keys of `[images]`.
    pub fn settings(&self, images: &Images) -> ExportSettings {
        let urls = ImageUrls::new(&self.public_url, images.signing_keys());
        ExportSettings {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            keep: self.keep,
            link_lasts: self.link_lasts,
            fonts: self.fonts.clone(),
            pictures: self.pictures.unwrap_or(0),
            urls: (!self.public_url.is_empty()).then_some(urls),
        }
    }

    /// Everything that is wrong, in words.
    pub(super) fn faults(&self, images: &Images) -> Vec<String> {
        let mut faults = Vec::new();
        faults.extend(bucket_fault("exports.bucket", &self.bucket));
        faults.extend(prefix_fault("exports.prefix", &self.prefix));
        faults.extend(url_fault("exports.public_url", &self.public_url));
        if self.bucket == images.bucket {
            faults.push(format!(
                "exports.bucket: `{}` is images.bucket, which a CDN serves; exports are for one user only",
                self.bucket
            ));
        }
        if !self.public_url.is_empty() && images.signing_keys.is_empty() {
            faults.push(
                "exports.public_url is set, but there is no key to sign links with (images.signing_keys)"
                    .to_owned(),
            );
        }
        for (key, duration) in
            [("keep", self.keep), ("link_lasts", self.link_lasts), ("every", self.every)]
        {
            if duration.is_zero() {
                faults.push(format!("exports.{key} must not be 0"));
            }
        }
        faults
    }
}
