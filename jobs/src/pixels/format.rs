//! Which kind of picture a file is: decided by its first bytes, never by its name.

use std::fmt;

/// So many bytes decide.
pub(super) const SNIFF: u64 = 64;

/// A picture format that can be catalogued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// JPEG, ITU-T T.81.
    Jpeg,
    /// PNG, W3C Portable Network Graphics.
    Png,
    /// WebP, RFC 9649.
    WebP,
    /// HEIC and other HEIF, ISO/IEC 23008-12.
    Heic,
    /// AVIF, AOM AV1 Image File Format.
    Avif,
    /// TIFF 6.0, also the container of many camera raw files.
    Tiff,
    /// GIF, `87a` and `89a`.
    Gif,
    /// Windows bitmap.
    Bmp,
}

impl Format {
    /// The short name people know.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::Tiff => "TIFF",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
        }
    }

    /// The media type to serve it with.
    pub(crate) fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Heic => "image/heic",
            Self::Avif => "image/avif",
            Self::Tiff => "image/tiff",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
        }
    }

    /// The format a file name promises, when it promises one that can be catalogued.
    pub(super) fn promised(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        Some(match extension.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "jpe" | "jfif" => Self::Jpeg,
            "png" => Self::Png,
            "webp" => Self::WebP,
            "heic" | "heif" | "hif" => Self::Heic,
            "avif" => Self::Avif,
            "tif" | "tiff" => Self::Tiff,
            "gif" => Self::Gif,
            "bmp" | "dib" => Self::Bmp,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The format of a file that begins with `start`, or what it looks like instead.
pub(super) fn sniff(start: &[u8]) -> Result<Format, &'static str> {
    let from = |at: usize| start.get(at..).unwrap_or_default();
    Ok(match start {
        // T.81 B.2.1: SOI, and any further marker.
        [0xFF, 0xD8, 0xFF, ..] => Format::Jpeg,
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Format::Png,
        [b'R', b'I', b'F', b'F', ..] if from(8).starts_with(b"WEBP") => Format::WebP,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Format::Gif,
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Format::Tiff,
        // The two reserved words of a bitmap are 0; "BM" alone is the start of many a text.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Format::Bmp,
        _ if from(4).starts_with(b"ftyp") => return brand(from(8)),
        _ => return Err(looks(start)),
    })
}

/// ISO/IEC 14496-12: major brand, minor version, compatible brands.
fn brand(ftyp: &[u8]) -> Result<Format, &'static str> {
    let brands = || ftyp.chunks_exact(4);
    if brands().any(|brand| matches!(brand, b"avif" | b"avis")) {
        return Ok(Format::Avif);
    }
    if brands().any(|brand| matches!(brand, b"heic" | b"heix" | b"heim" | b"heis" | b"mif1")) {
        return Ok(Format::Heic);
    }
    Err("a video or sound recording")
}

fn looks(start: &[u8]) -> &'static str {
    match start {
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [0x1F, 0x8B, ..] => "a compressed archive",
        [0x1A, 0x45, 0xDF, 0xA3, ..] => "a video",
        [b'8', b'B', b'P', b'S', ..] => "a Photoshop document",
        _ if start.iter().all(|&byte| byte == 0) => "an upload that never arrived (only zeros)",
        _ if text(start) => "a text file",
        _ => "nothing that is known here",
    }
}

/// Text has no control characters but tabs and line ends; its last character may be cut off.
fn text(start: &[u8]) -> bool {
    let plain = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\t' | b'\r' | b'\n');
    start.iter().all(plain)
        && std::str::from_utf8(start).map_or_else(|error| error.error_len().is_none(), |_| true)
}
