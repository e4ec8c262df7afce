//! What can be wrong with a file, in words for the person who uploaded it.

use thiserror::Error;

use super::format::Format;

/// Something is wrong, yet the picture can be catalogued.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum Flaw {
    /// The extension belongs to another format.
    #[error("the name says {promised} but the content is {actual}")]
    Misnamed { promised: Format, actual: Format },
    /// Bytes are missing at the end.
    #[error("the file ends before the picture does ({have} of at least {need} bytes)")]
    Truncated { have: u64, need: u64 },
    /// The compressed picture itself is damaged.
    #[error("the picture is damaged at byte {at}: {why}")]
    Damaged { at: u64, why: &'static str },
    /// The decoder could not read all of the picture.
    #[error("the picture is damaged: {why}; {missing} % of it is missing")]
    Incomplete { missing: u8, why: String },
    /// The container around the picture is damaged.
    #[error("the file is damaged: {why}")]
    Structure { why: String },
    /// The format's standard forbids what this file does.
    #[error("the file breaks a rule of its format: {rule}")]
    Nonstandard { rule: &'static str },
    /// Headers are so widely spread that reading stopped before the camera data.
    #[error("the camera data (EXIF) was not found in the first {reads} reads of the file")]
    Scattered { reads: u32 },
    /// The EXIF block is damaged and something was lost.
    #[error("the camera data (EXIF) is damaged: {why}")]
    Exif { why: String },
    /// Another program's notes survived, the camera's did not.
    #[error("the file has {notes} but no camera data (EXIF), where its time and place would be")]
    ExifGone { notes: &'static str },
    /// The recorded time is not one.
    #[error("the capture time “{text}” is not a date, so it was ignored")]
    NotADate { text: String },
    /// Latitude or longitude beyond ±90 or ±180 degrees.
    #[error("the GPS position {}, {} is outside the globe, so it was ignored", shown(*lat), shown(*lon))]
    OffTheGlobe { lat: f64, lon: f64 },
    /// What cameras write before they have a fix.
    #[error("the GPS position is 0, 0 (the camera had no reception), so it was ignored")]
    NoFix,
    /// The recorded numbers make no position.
    #[error("the GPS position cannot be worked out ({why}), so it was ignored")]
    NoPosition { why: &'static str },
}

/// A hostile file could have thousands of flaws; nobody reads more than a few.
const MAX_FLAWS: usize = 8;

/// The flaws found so far, each one once.
#[derive(Debug, Default)]
pub(super) struct Flaws(Vec<Flaw>);

impl Flaws {
    /// Adds a flaw unless it is known; where the first damage is says enough about the rest.
    pub(super) fn add(&mut self, flaw: Flaw) {
        let damage = matches!(flaw, Flaw::Damaged { .. });
        let known = |known: &Flaw| *known == flaw || damage && known.same_kind(&flaw);
        if self.0.len() < MAX_FLAWS && !self.0.iter().any(known) {
            self.0.push(flaw);
        }
    }

    /// In the order of their discovery.
    pub(super) fn into_vec(self) -> Vec<Flaw> {
        self.0
    }
}

impl Flaw {
    /// What the uploader can do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Misnamed { .. } => "rename the file so that its ending fits its content",
            Self::Truncated { .. } => "upload the original again",
            Self::Damaged { .. } | Self::Incomplete { .. } => {
                "look at the picture; if a part is grey, upload the original"
            }
            Self::Structure { .. } | Self::Nonstandard { .. } => {
                "open it in a photo editor and save it again"
            }
            Self::Scattered { .. } | Self::Exif { .. } | Self::ExifGone { .. } => {
                "upload the file as the camera wrote it, or enter time and place by hand"
            }
            Self::NotADate { .. } => "set the camera's clock, and enter the time by hand",
            Self::OffTheGlobe { .. } | Self::NoFix | Self::NoPosition { .. } => {
                "enter the place by hand"
            }
        }
    }

    /// Whether both say the same, if not in the same words.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// The file cannot be catalogued at all.
#[derive(Clone, Debug, PartialEq, Error)]
pub(crate) enum Refusal {
    /// Zero bytes.
    #[error("the file is empty")]
    Empty,
    /// Reading brought nothing.
    #[error("the first bytes of the file could not be read")]
    Unreadable,
    /// The first bytes belong to something else.
    #[error("this is not a picture: it begins like {looks}")]
    NotAPicture { looks: &'static str },
    /// A decompression bomb, or a picture too large for the service.
    #[error(
        "the picture claims {width} × {height} pixels ({} megapixels); the limit is {}",
        megapixels(u64::from(*width) * u64::from(*height)), megapixels(*limit)
    )]
    TooLarge { width: u32, height: u32, limit: u64 },
    /// One side is zero.
    #[error("the picture claims {width} × {height} pixels, so there is nothing to show")]
    NoPixels { width: u32, height: u32 },
    /// The file ends before its size in pixels is told.
    #[error("the {format} file ends before the picture begins ({have} of at least {need} bytes)")]
    Cut { format: Format, have: u64, need: u64 },
    /// The headers contradict the format.
    #[error("the {format} file is damaged: {why}")]
    Broken { format: Format, why: String },
    /// Reading was given up to protect the service.
    #[error("the size of the {format} picture was not found in the first {reads} reads")]
    Scattered { format: Format, reads: u32 },
}

impl Refusal {
    /// What the uploader can do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::Unreadable | Self::Cut { .. } => "upload the original again",
            Self::NotAPicture { .. } => {
                "upload a JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF or BMP file"
            }
            Self::TooLarge { .. } => "make the picture smaller in a photo editor",
            Self::NoPixels { .. } | Self::Broken { .. } | Self::Scattered { .. } => {
                "open it in a photo editor and save it again, or upload the original again"
            }
        }
    }
}

/// Whole megapixels, rounded; one decimal below ten.
fn megapixels(pixels: u64) -> String {
    if pixels < 9_950_000 {
        let tenths = (pixels + 50_000) / 100_000;
        return format!("{}.{}", tenths / 10, tenths % 10);
    }
    ((pixels + 500_000) / 1_000_000).to_string()
}

/// Degrees to four decimals, about ten metres: enough for a message.
fn shown(degrees: f64) -> f64 {
    (degrees * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_the_value() {
        let bomb = Refusal::TooLarge { width: 65536, height: 65536, limit: 268_402_689 };
        assert_eq!(
            bomb.to_string(),
            "the picture claims 65536 × 65536 pixels (4295 megapixels); the limit is 268"
        );
        let far = Flaw::OffTheGlobe { lat: 200.0, lon: 400.5 };
        assert_eq!(
            far.to_string(),
            "the GPS position 200, 400.5 is outside the globe, so it was ignored"
        );
        assert_eq!((megapixels(1_000_000), megapixels(9_960_000)), ("1.0".into(), "10".into()));
    }
}
