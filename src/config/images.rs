//! Variants of photos.

use std::time::Duration;

use roadie_jobs::effects::{ImageUrls, Qualities, SigningKey, VariantFormat, VariantSettings};
use serde::Deserialize;

use super::{Secret, load};

/// RFC 2104, section 3: keys shorter than the hash (32 bytes) weaken it.
const SHORTEST_SECRET: usize = 32;
/// No encoder makes larger ones: WebP ends at 16,383.
const WIDEST: u32 = 16_383;

/// `[images]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Images {
    /// Where variants go.
    pub bucket: String,
    /// What their keys begin with.
    pub prefix: String,
    /// What links to them begin with.
    pub public_url: String,
    /// `Cache-Control` of every variant.
    pub cache_control: String,
    /// Widths in pixels.
    pub widths: Vec<u32>,
    /// Formats.
    pub formats: Vec<VariantFormat>,
    /// Of JPEGs.
    pub jpeg_quality: u8,
    /// Of `WebP`s.
    pub webp_quality: u8,
    /// Of `WebP`s: 0 is fastest, 6 smallest.
    pub webp_effort: u8,
    /// Of AVIFs.
    pub avif_quality: u8,
    /// Of AVIFs: 10 is fastest, 0 smallest.
    pub avif_speed: u8,
    /// Secrets to sign links with, as `name:secret`.
    pub signing_keys: Vec<Secret>,
    /// How long signed links last.
    #[serde(with = "load::duration")]
    pub link_lasts: Duration,
}

impl Images {
    /// As handlers know it.
    pub fn settings(&self) -> VariantSettings {
        VariantSettings {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            cache_control: self.cache_control.clone(),
            widths: self.widths.clone(),
            formats: self.formats.clone(),
            quality: Qualities {
                jpeg: self.jpeg_quality,
                webp: self.webp_quality,
                webp_effort: self.webp_effort,
                avif: self.avif_quality,
                avif_speed: self.avif_speed,
            },
            urls: self.urls(),
            link_lasts: self.link_lasts,
        }
    }

    /// Links to variants.
    pub fn urls(&self) -> ImageUrls {
        ImageUrls::new(&self.public_url, self.signing_keys())
    }

    /// What links are signed with.
    pub(super) fn signing_keys(&self) -> Vec<SigningKey> {
        let keys = self.signing_keys.iter().filter_map(|key| key.reveal().split_once(':'));
        keys.map(|(name, secret)| SigningKey { name: name.to_owned(), secret: secret.to_owned() })
            .collect()
    }

    /// Everything that is wrong, in words.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |ok: bool, fault: &dyn Fn() -> String| {
            if !ok {
                faults.push(fault());
            }
        };
        let sendable = self.cache_control.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        need(sendable && !self.cache_control.is_empty(), &|| {
            "images.cache_control is empty, or holds what no header can".into()
        });
        need(!self.widths.is_empty(), &|| "images.widths must name at least one width".into());
        for width in &self.widths {
            need((1..=WIDEST).contains(width), &|| {
                format!("images.widths: {width} is not between 1 and {WIDEST} pixels")
            });
        }
        need(!self.formats.is_empty(), &|| "images.formats must name at least one format".into());
        for (key, value, bounds) in [
            ("jpeg_quality", self.jpeg_quality, 1..=100),
            ("webp_quality", self.webp_quality, 1..=100),
            ("webp_effort", self.webp_effort, 0..=6),
            ("avif_quality", self.avif_quality, 1..=100),
            ("avif_speed", self.avif_speed, 0..=10),
        ] {
            need(bounds.contains(&value), &|| {
                format!(
                    "images.{key} is {value}; it goes from {} to {}",
                    bounds.start(),
                    bounds.end()
                )
            });
        }
        for (at, key) in self.signing_keys.iter().enumerate() {
            let at = at + 1;
            match key.reveal().split_once(':') {
                Some((name, secret)) => {
                    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                    need(!name.is_empty() && name.bytes().all(plain), &|| {
                        format!(
                            "images.signing_keys: the name of number {at} may hold only letters, digits, - and _"
                        )
                    });
                    need(secret.len() >= SHORTEST_SECRET, &|| {
                        format!(
                            "images.signing_keys: the secret of number {at} is shorter than \
                             {SHORTEST_SECRET} characters; `openssl rand -hex 32` makes a good one"
                        )
                    });
                }
                // It may be a secret without a name.
                None => need(false, &|| {
                    format!("images.signing_keys: number {at} is not written as name:secret")
                }),
            }
        }
        faults.extend(bucket_fault("images.bucket", &self.bucket));
        faults.extend(prefix_fault("images.prefix", &self.prefix));
        faults.extend(url_fault("images.public_url", &self.public_url));
        faults
    }
}

pub(super) fn bucket_fault(key: &str, bucket: &str) -> Option<String> {
    let named = !bucket.is_empty() && !bucket.contains('/');
    (!named).then(|| format!("{key}: `{bucket}` is not the name of a bucket"))
}

pub(super) fn prefix_fault(key: &str, prefix: &str) -> Option<String> {
    let whole = prefix.is_empty() || prefix.ends_with('/');
    let mut parts = prefix.trim_end_matches('/').split('/');
    let plain = prefix.is_empty() || parts.all(|part| !matches!(part, "" | "." | ".."));
    (!(whole && plain))
        .then(|| format!("{key}: `{prefix}` must be empty, or end with / as in \"variants/\""))
}

pub(super) fn url_fault(key: &str, url: &str) -> Option<String> {
    let known = ["http://", "https://", "/"].iter().any(|start| url.starts_with(start));
    let fine = url.is_empty() || (known && !url.contains(['?', '#', ' ']));
    (!fine).then(|| format!("{key}: `{url}` is not an address such as https://img.example.com"))
}
