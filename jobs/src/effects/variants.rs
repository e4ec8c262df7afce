//! How variants of photos are made, and where they go.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ImageUrls;

/// What a variant is encoded as.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum VariantFormat {
    /// For every browser.
    Jpeg,
    /// About a third smaller.
    Webp,
    /// Smaller still.
    Avif,
}

impl VariantFormat {
    /// Its name in payloads, manifests and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
            Self::Avif => "avif",
        }
    }

    /// The ending of its objects.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Webp => "webp",
            Self::Avif => "avif",
        }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
        }
    }
}

impl fmt::Display for VariantFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How variants are made where a job does not say, and where they go.
#[derive(Clone, Debug)]
pub struct VariantSettings {
    /// The bucket.
    pub bucket: String,
    /// What all keys begin with.
    pub prefix: String,
    /// `Cache-Control` of every variant.
    pub cache_control: String,
    /// Widths in pixels.
    pub widths: Vec<u32>,
    /// Formats.
    pub formats: Vec<VariantFormat>,
    /// How each format is encoded.
    pub quality: Qualities,
    /// Links to them.
    pub urls: ImageUrls,
    /// How long a signed link lasts.
    pub link_lasts: Duration,
}

/// How each format is encoded, as its encoder counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qualities {
    /// libjpeg's quality, 1 to 100.
    pub jpeg: u8,
    /// libwebp's quality, 1 to 100.
    pub webp: u8,
    /// libwebp's method, 0 (fastest) to 6.
    pub webp_effort: u8,
    /// libavif's quality, 1 to 100.
    pub avif: u8,
    /// libavif's speed, 0 to 10 (fastest).
    pub avif_speed: u8,
}
