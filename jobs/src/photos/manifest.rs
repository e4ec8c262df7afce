//! What is told of a photo's variants: which objects there are, and how a page names them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::effects::{ImageUrls, VariantFormat, VariantSettings};
use crate::pixels::Encoding;

/// The variants of one photo. Kept in the catalogue once all its objects are in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    /// The photo.
    pub(crate) photo_id: String,
    /// Its revision.
    pub(crate) source_rev: String,
    /// What is wrong with the photo, where its pixels were not all there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flaw: Option<String>,
    /// What to show until a variant has arrived: a ThumbHash (evanw.github.io/thumbhash), in base64.
    pub(crate) thumb_hash: String,
    /// The bucket of the objects.
    pub(crate) bucket: String,
    /// By format, then from narrow to wide.
    pub(crate) variants: Vec<Variant>,
    /// For the attribute `srcset` of `<source>` and `<img>`, by format.
    pub(crate) srcset: BTreeMap<VariantFormat, String>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Variant {
    /// What it is encoded as.
    pub(crate) format: VariantFormat,
    /// Its media type.
    #[serde(rename = "type")]
    pub(crate) media_type: String,
    /// Pixels.
    pub(crate) width: u32,
    /// Pixels.
    pub(crate) height: u32,
    /// Size of the object.
    pub(crate) bytes: u64,
    /// Its key in the bucket.
    pub(crate) key: String,
    /// The plain link to it.
    pub(crate) url: String,
}

/// The key of a variant. It ends with the content's hash, so what is there under it is this very content.
pub(crate) fn key(
    settings: &VariantSettings,
    user_id: i64,
    photo_id: &str,
    width: u32,
    format: VariantFormat,
    content: &[u8],
) -> String {
    let hash = hex::encode(Sha256::digest(content));
    format!("{}{user_id}/{photo_id}/{width}-{hash}.{}", settings.prefix, format.ending())
}

/// Counts up when the same photo and the same wishes give other variants or another manifest.
const VERSION: u32 = 1;

/// Stands for everything that decides what a manifest says, but for the photo itself.
pub(crate) fn recipe(settings: &VariantSettings, widths: &[u32], encodings: &[Encoding]) -> String {
    let widths: Vec<String> = widths.iter().map(u32::to_string).collect();
    let to = settings.urls.plain(&settings.prefix);
    format!("{VERSION} {} {encodings:?} {} {to}", widths.join(","), settings.bucket)
}

/// `link 400w, link 800w`, by format (HTML Living Standard, section 4.8.4.2.1).
pub(crate) fn srcset(
    variants: &[Variant],
    link: impl Fn(&Variant) -> String,
) -> BTreeMap<VariantFormat, String> {
    let mut sets: BTreeMap<VariantFormat, String> = BTreeMap::new();
    for variant in variants {
        let set = sets.entry(variant.format).or_default();
        let comma = if set.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(set, "{comma}{} {}w", link(variant), variant.width);
    }
    sets
}

/// The same with links that run out at `expires`, in Unix seconds; none without a key to sign with.
pub(crate) fn signed_srcset(
    variants: &[Variant],
    urls: &ImageUrls,
    expires: i64,
) -> Option<BTreeMap<VariantFormat, String>> {
    let link = |variant: &Variant| urls.signed(&variant.key, expires).unwrap_or_default();
    urls.can_sign().then(|| srcset(variants, link))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::effects::{Qualities, SigningKey};

    fn settings(prefix: &str, keys: Vec<SigningKey>) -> VariantSettings {
        VariantSettings {
            bucket: "images".to_owned(),
            prefix: prefix.to_owned(),
            cache_control: "immutable".to_owned(),
            widths: vec![400, 800],
            formats: vec![VariantFormat::Webp],
            quality: Qualities { jpeg: 80, webp: 80, webp_effort: 2, avif: 60, avif_speed: 9 },
            urls: ImageUrls::new("https://img.example.com", keys),
            link_lasts: Duration::from_hours(1),
        }
    }

    fn variant(format: VariantFormat, width: u32) -> Variant {
        Variant {
            format,
            media_type: format.media_type().to_owned(),
            width,
            height: 1,
            bytes: 1,
            key: format!("{width}.{}", format.ending()),
            url: format!("/{width}.{}", format.ending()),
        }
    }

    #[test]
    fn a_key_names_the_content() {
        // SHA-256 of "abc": FIPS 180-2, appendix B.1.
        let expected = "variants/7/0b7e/400-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.webp";
        let settings = settings("variants/", Vec::new());
        assert_eq!(key(&settings, 7, "0b7e", 400, VariantFormat::Webp, b"abc"), expected);
        assert_ne!(key(&settings, 7, "0b7e", 400, VariantFormat::Webp, b"abd"), expected);
    }

    #[test]
    fn whatever_changes_a_manifest_changes_the_recipe() {
        let plain = settings("v/", Vec::new());
        let (jpeg, webp) =
            (Encoding::Jpeg { quality: 80 }, Encoding::WebP { quality: 80, effort: 2 });
        let first = recipe(&plain, &[400, 800], &[jpeg, webp]);
        assert_eq!(first, recipe(&plain, &[400, 800], &[jpeg, webp]));
        let elsewhere = VariantSettings { bucket: "other".to_owned(), ..plain.clone() };
        for other in [
            recipe(&plain, &[400], &[jpeg, webp]),
            recipe(&plain, &[400, 800], &[jpeg]),
            recipe(&plain, &[400, 800], &[jpeg, Encoding::WebP { quality: 80, effort: 4 }]),
            recipe(&plain, &[400, 800], &[Encoding::Jpeg { quality: 81 }, webp]),
            recipe(&settings("w/", Vec::new()), &[400, 800], &[jpeg, webp]),
            recipe(&elsewhere, &[400, 800], &[jpeg, webp]),
        ] {
            assert_ne!(other, first);
        }
    }

    #[test]
    fn a_srcset_is_as_browsers_read_it() {
        use VariantFormat::{Jpeg, Webp};
        let variants = [variant(Jpeg, 400), variant(Jpeg, 800), variant(Webp, 400)];
        let plain = srcset(&variants, |variant| variant.url.clone());
        assert_eq!(plain[&Jpeg], "/400.jpg 400w, /800.jpg 800w");
        assert_eq!(plain[&Webp], "/400.webp 400w");
        assert_eq!(signed_srcset(&variants, &settings("", Vec::new()).urls, 9), None);
        let key = SigningKey { name: "k1".to_owned(), secret: "s".to_owned() };
        let signed = signed_srcset(&variants, &settings("", vec![key]).urls, 9).unwrap();
        let start = "https://img.example.com/400.webp?expires=9&key=k1&signature=";
        assert!(signed[&Webp].starts_with(start) && signed[&Webp].ends_with(" 400w"), "{signed:?}");
    }
}
