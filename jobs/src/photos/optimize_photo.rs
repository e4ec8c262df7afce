//! `optimize-photo`

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use schemars::{JsonSchema, Schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::catalogue_error;
use super::manifest::{self, Manifest};
use super::optimizing::Optimizing;
use crate::context::JobContext;
use crate::effects::{Effects, VariantFormat};
use crate::job::{Job, JobError, SlotClass, Timeout};
use crate::schema::describe;

/// No encoder makes wider pictures: that is where WebP ends.
const WIDEST: u32 = 16_383;
/// More would be a mistake.
const MOST_WIDTHS: usize = 16;

/// Makes smaller copies of a photo for web pages, without metadata, and puts them into the object store.
///
/// Effects: objects under `images.prefix` in `images.bucket`; a row of `photo_variants`.
/// Safe to repeat because: a key ends with the hash of the content, so nothing is ever put twice; the row is
/// written when all objects are there, and a repeated job that finds them does nothing.
/// Gives up when: the user has no such photo, its file has gone or is damaged, it needs more memory than
/// there may ever be, or the bucket is not there or denies access.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{
    "userId": 7, "photoId": "9f86d081884c7d659a2feaa0c55ad015", "widths": [400, 800], "formats": ["webp"]
}]))]
pub(crate) struct OptimizePhoto {
    user_id: i64,
    /// As the catalogue's `photos.photo_id` has it.
    photo_id: String,
    /// In pixels; nothing is enlarged.
    #[serde(default, deserialize_with = "widths")]
    #[schemars(with = "Option<Vec<u32>>", inner(range(min = 1, max = WIDEST)), length(min = 1, max = MOST_WIDTHS))]
    widths: Option<Vec<u32>>,
    #[serde(default, deserialize_with = "formats")]
    #[schemars(with = "Option<Vec<VariantFormat>>", length(min = 1))]
    formats: Option<Vec<VariantFormat>>,
}

fn widths<'de, D: Deserializer<'de>>(payload: D) -> Result<Option<Vec<u32>>, D::Error> {
    let widths: Option<Vec<u32>> = Option::deserialize(payload)?;
    let Some(widths) = &widths else { return Ok(None) };
    if widths.is_empty() || widths.len() > MOST_WIDTHS {
        let told = format!("{} widths; 1 to {MOST_WIDTHS} are possible", widths.len());
        return Err(D::Error::custom(told));
    }
    match widths.iter().find(|width| !(1..=WIDEST).contains(*width)) {
        Some(width) => {
            Err(D::Error::custom(format!("{width} is not between 1 and {WIDEST} pixels")))
        }
        None => Ok(Some(ordered(widths))),
    }
}

fn formats<'de, D: Deserializer<'de>>(payload: D) -> Result<Option<Vec<VariantFormat>>, D::Error> {
    match Option::<Vec<VariantFormat>>::deserialize(payload)? {
        Some(formats) if formats.is_empty() => Err(D::Error::custom("no format is named")),
        formats => Ok(formats.map(|formats| ordered(&formats))),
    }
}

/// In one order, each once, so that the same wishes are the same recipe.
fn ordered<T: Ord + Copy>(list: &[T]) -> Vec<T> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list.dedup();
    list
}

/// What a job answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Optimized {
    #[serde(flatten)]
    manifest: Manifest,
    /// Objects that this job has put.
    written: usize,
    /// Objects that were there.
    existed: usize,
    /// Links that run out, where there is a key to sign them with.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<Signed>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    srcset: BTreeMap<VariantFormat, String>,
    /// Unix seconds, as in the links.
    expires: i64,
}

impl Optimized {
    fn new(effects: &Effects, manifest: Manifest, written: usize) -> Self {
        let Effects { variants: settings, clock, .. } = effects;
        let lasts = i64::try_from(settings.link_lasts.as_secs()).unwrap_or(i64::MAX);
        let expires = (clock.now_ms() / 1_000).saturating_add(lasts);
        let srcset = manifest::signed_srcset(&manifest.variants, &settings.urls, expires);
        Self {
            existed: manifest.variants.len() - written,
            written,
            signed: srcset.map(|srcset| Signed { srcset, expires }),
            manifest,
        }
    }
}

impl Job for OptimizePhoto {
    const KIND: &'static str = "optimize-photo";
    const QUEUE: &'static str = "image-optimization";
    // Waiting for memory is no fault, and is told.
    const TIMEOUT: Timeout = Timeout::Silence(Duration::from_mins(5));
    // It reads and puts most of the time; what it computes has threads and memory of its own.
    const SLOTS: SlotClass = SlotClass::Io;
    type Output = Optimized;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<Optimized, JobError> {
        let photo = cx.effects().catalogue.photo(self.user_id, &self.photo_id).await;
        let photo = photo.map_err(catalogue_error)?.ok_or_else(|| {
            JobError::discard(anyhow!(
                "user {} has no photo `{}` in the catalogue (photos.photo_id)",
                self.user_id,
                self.photo_id
            ))
        })?;
        let settings = &cx.effects().variants;
        let widths = self.widths.unwrap_or_else(|| ordered(&settings.widths));
        let formats = self.formats.unwrap_or_else(|| ordered(&settings.formats));
        let optimizing = Optimizing::new(&cx, self.user_id, photo, widths, &formats);
        let (manifest, written) = optimizing.run().await?;
        Ok(Optimized::new(cx.effects(), manifest, written))
    }
}
