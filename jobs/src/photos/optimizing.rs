//! From an original to variants: look, reserve, decode and encode, put, record.

use std::pin::pin;
use std::time::Duration;

use anyhow::{Error, anyhow};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;

use super::catalogue_error;
use super::manifest::{self, Manifest, Variant};
use super::original::Original;
use crate::context::{JobContext, Progress};
use crate::effects::catalogue::{CataloguedPhoto, StoredVariants};
use crate::effects::{
    Effects, Headers, ObjectError, Put, Qualities, Reservation, Stop, VariantFormat,
};
use crate::job::JobError;
use crate::pixels::{
    self, Encoding, Limits, Probe, VariantError, VariantOrder, Variants, variants, variants_cost,
};

/// Objects on their way at once.
const AT_ONCE: usize = 4;
/// How often somebody who waits for memory says so.
const STILL_WAITING: Duration = Duration::from_secs(10);

/// One photo on its way.
pub(super) struct Optimizing<'a> {
    cx: &'a JobContext,
    user_id: i64,
    photo: CataloguedPhoto,
    order: VariantOrder,
    recipe: String,
}

impl<'a> Optimizing<'a> {
    pub(super) fn new(
        cx: &'a JobContext,
        user_id: i64,
        photo: CataloguedPhoto,
        widths: Vec<u32>,
        formats: &[VariantFormat],
    ) -> Self {
        let settings = &cx.effects().variants;
        let encodings: Vec<Encoding> =
            formats.iter().map(|&format| encoding(settings.quality, format)).collect();
        let recipe = manifest::recipe(settings, &widths, &encodings);
        let order = VariantOrder { widths, encodings };
        Self { cx, user_id, photo, order, recipe }
    }

    /// Answers what there is then, and how many objects were put for it.
    pub(super) async fn run(self) -> Result<(Manifest, usize), JobError> {
        if let Some(manifest) = self.made_before().await? {
            return Ok((manifest, 0));
        }
        let original = Original::find(self.cx.effects(), self.user_id, &self.photo.key).await?;
        let limits = Limits { max_pixels: self.cx.effects().photos.max_pixels };
        let probe = original.probe(&self.photo.name, limits).await?;
        let memory = self.reserve(&original, &probe).await?;
        let (made, memory) = self.make(&original, probe, memory).await?;
        let (manifest, written) = self.put(made).await?;
        drop(memory);
        self.cx.safe_point()?;
        self.record(&manifest).await?;
        Ok((manifest, written))
    }

    /// What an earlier job has made of just this photo in just this way, if it is all still there.
    async fn made_before(&self) -> Result<Option<Manifest>, JobError> {
        let Effects { catalogue, objects, .. } = self.cx.effects();
        let stored = catalogue.variants(self.user_id, &self.photo.key).await;
        let stored = stored.map_err(catalogue_error)?.filter(|stored| {
            stored.source_rev == self.photo.source_rev && stored.recipe == self.recipe
        });
        // One that this version does not understand is made anew.
        let manifest: Option<Manifest> =
            stored.and_then(|stored| serde_json::from_str(&stored.manifest).ok());
        let Some(manifest) = manifest else { return Ok(None) };
        let files = manifest.variants.iter();
        let looks: Vec<_> = files.map(|file| objects.size(&manifest.bucket, &file.key)).collect();
        let sizes: Vec<_> = futures::stream::iter(looks)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
            .map_err(store_error)?;
        Ok(sizes.iter().all(Option::is_some).then_some(manifest))
    }

    /// Waits for the memory that it will take, the file and the results included.
    async fn reserve(&self, original: &Original, probe: &Probe) -> Result<Reservation, JobError> {
        let needed = original.bytes().saturating_add(variants_cost(probe, &self.order));
        let mut reserved = pin!(self.cx.effects().pixels.reserve(needed));
        loop {
            tokio::select! {
                reserved = &mut reserved => return reserved.map_err(|never| {
                    let Probe { format, width, height, .. } = probe;
                    JobError::discard(anyhow!(
                        "the {format} picture of {width} × {height} pixels is too large: {never}"
                    ))
                }),
                () = self.cx.cancelled() => return Err(JobError::stopped()),
                () = tokio::time::sleep(STILL_WAITING) => self.report("waiting for memory"),
            }
        }
    }

    async fn make(
        &self,
        original: &Original,
        probe: Probe,
        memory: Reservation,
    ) -> Result<(Variants, Reservation), JobError> {
        self.report("encoding");
        let (order, limit) = (self.order.clone(), memory.bytes());
        let pixels = &self.cx.effects().pixels;
        let made = async {
            let file = original.read_all().await?;
            let limit = limit.saturating_sub(file.len() as u64);
            let work = move |stop: &Stop| variants(&file, &probe, &order, limit, &|| stop.asked());
            pixels.run(memory, work).await.map_err(|fault| match fault.try_into_panic() {
                // It is this job's panic, wherever it happened.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(ended) => JobError::retry(ended),
            })
        };
        let (made, mut memory) = tokio::select! {
            made = made => made?,
            () = self.cx.cancelled() => return Err(JobError::stopped()),
        };
        let made = made.map_err(variant_error)?;
        memory.shrink_to(made.files.iter().map(|file| file.bytes.len() as u64).sum());
        Ok((made, memory))
    }

    /// Puts all objects; answers what they are, and how many were not there.
    async fn put(&self, made: Variants) -> Result<(Manifest, usize), JobError> {
        self.report("uploading");
        let settings = &self.cx.effects().variants;
        let puts = made.files.into_iter().map(|file| self.put_one(file));
        let mut puts = futures::stream::iter(puts).buffered(AT_ONCE);
        let (mut variants, mut written) = (Vec::new(), 0);
        while let Some((variant, put)) = puts.try_next().await? {
            self.cx.safe_point()?;
            written += usize::from(put == Put::Written);
            variants.push(variant);
        }
        variants.sort_by_key(|variant| (variant.format, variant.width));
        let manifest = Manifest {
            photo_id: self.photo.photo_id.clone(),
            source_rev: self.photo.source_rev.clone(),
            flaw: made.flaw.map(|flaw| flaw.to_string()),
            thumb_hash: BASE64_STANDARD.encode(&made.placeholder),
            bucket: settings.bucket.clone(),
            srcset: manifest::srcset(&variants, |variant| variant.url.clone()),
            variants,
        };
        Ok((manifest, written))
    }

    async fn put_one(&self, file: pixels::Variant) -> Result<(Variant, Put), JobError> {
        let Effects { objects, variants: settings, .. } = self.cx.effects();
        let format = format(file.format)?;
        let key = manifest::key(
            settings,
            self.user_id,
            &self.photo.photo_id,
            file.width,
            format,
            &file.bytes,
        );
        let variant = Variant {
            format,
            media_type: format.media_type().to_owned(),
            width: file.width,
            height: file.height,
            bytes: file.bytes.len() as u64,
            url: settings.urls.plain(&key),
            key,
        };
        let headers = Headers {
            content_type: format.media_type(),
            cache_control: &settings.cache_control,
            disposition: None,
        };
        let put = objects.put_new(&settings.bucket, &variant.key, file.bytes.into(), headers);
        Ok((variant.clone(), put.await.map_err(store_error)?))
    }

    /// From here on the variants are there for web tiers.
    async fn record(&self, manifest: &Manifest) -> Result<(), JobError> {
        let Effects { catalogue, clock, .. } = self.cx.effects();
        let stored = StoredVariants {
            source_rev: self.photo.source_rev.clone(),
            recipe: self.recipe.clone(),
            manifest: serde_json::to_string(manifest).map_err(JobError::discard)?,
        };
        let kept =
            catalogue.record_variants(self.user_id, &self.photo.key, &stored, clock.now_ms()).await;
        if kept.map_err(catalogue_error)? {
            return Ok(());
        }
        Err(JobError::retry(anyhow!("the photo changed while its variants were made")))
    }

    fn report(&self, stage: &str) {
        self.cx.report(Progress { value: json!({ "stage": stage }), mirror: None });
    }
}

fn encoding(quality: Qualities, format: VariantFormat) -> Encoding {
    match format {
        VariantFormat::Jpeg => Encoding::Jpeg { quality: quality.jpeg },
        VariantFormat::Webp => {
            Encoding::WebP { quality: quality.webp, effort: quality.webp_effort }
        }
        VariantFormat::Avif => Encoding::Avif { quality: quality.avif, speed: quality.avif_speed },
    }
}

fn format(encoded: pixels::Format) -> Result<VariantFormat, JobError> {
    match encoded {
        pixels::Format::Jpeg => Ok(VariantFormat::Jpeg),
        pixels::Format::WebP => Ok(VariantFormat::Webp),
        pixels::Format::Avif => Ok(VariantFormat::Avif),
        other => Err(JobError::discard(anyhow!("no variant can be a {other}"))),
    }
}

fn variant_error(error: VariantError) -> JobError {
    match error {
        VariantError::Stopped => JobError::stopped(),
        VariantError::Decode(error) => JobError::discard(anyhow!("{error}; {}", error.hint())),
        error @ (VariantError::Encode(_) | VariantError::Resize(_)) => JobError::discard(error),
    }
}

/// What is wrong with the store is wrong with where variants go: originals are read elsewhere.
fn store_error(error: ObjectError) -> JobError {
    let transient = error.is_transient();
    let told = Error::new(error).context("variants cannot be put (images.bucket, objects.*)");
    if transient { JobError::retry(told) } else { JobError::discard(told) }
}
