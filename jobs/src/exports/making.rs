//! From the catalogue to a file in the object store: read, write, put, note.

use std::io;
use std::pin::pin;
use std::time::Duration;

use anyhow::anyhow;
use serde_json::json;

use super::export_history::{ExportHistory, Format};
use super::history::{Night, Picture, Pictures, Spool, Totals};
use super::scratch::{Scratch, Written, scratch_error};
use super::{csv, json, pdf};
use crate::context::{JobContext, Progress};
use crate::effects::catalogue::{Export, ExportOrder, MadeExport, catalogue_error};
use crate::effects::{Effects, Headers, MemoryUse, ObjectError, Reservation, Stop, VariantFormat};
use crate::job::JobError;
use crate::photos::{Manifest, Variant};

/// Memory that writing a CSV or JSON takes, in bytes: a night and buffers.
const TEXT_MEMORY: u64 = 4 * 1024 * 1024;
/// Of a PDF: fonts, and what each byte of the nights adds, which pages are kept in until the end.
const PDF_MEMORY: u64 = 64 * 1024 * 1024;
const PDF_PER_SPOOLED: u64 = 2;
/// Nights between two reports.
const REPORT_EVERY: u64 = 500;
/// How often somebody who waits for memory says so.
const STILL_WAITING: Duration = Duration::from_secs(10);

/// Pictures of one night.
const PICTURES_OF_NIGHT: usize = 4;

/// What was made.
pub(super) struct Made {
    pub(super) export: Export,
    /// How many are in it; none: an earlier job has made it.
    pub(super) nights: Option<u64>,
    /// How many characters of a PDF no font has.
    pub(super) missing: Option<u64>,
}

/// One export on its way.
pub(super) struct Making<'a> {
    cx: &'a JobContext,
    export: &'a ExportHistory,
    key: String,
}

impl<'a> Making<'a> {
    pub(super) fn new(cx: &'a JobContext, export: &'a ExportHistory) -> Self {
        let settings = &cx.effects().exports;
        let key = settings.key(export.user_id, &export.export_id, export.format.name());
        Self { cx, export, key }
    }

    fn order(&self) -> ExportOrder<'_> {
        ExportOrder {
            user_id: self.export.user_id,
            export_id: &self.export.export_id,
            format: self.export.format.name(),
            bucket: &self.cx.effects().exports.bucket,
            key: &self.key,
            expires_ms: self.expires_ms(),
        }
    }

    /// When a file is removed that is ready now.
    fn expires_ms(&self) -> i64 {
        let Effects { exports, clock, .. } = self.cx.effects();
        clock.now_ms().saturating_add(i64::try_from(exports.keep.as_millis()).unwrap_or(i64::MAX))
    }

    /// What is known of the export, noted now or by an earlier job.
    pub(super) async fn begin(&self) -> Result<Export, JobError> {
        let Effects { catalogue, clock, .. } = self.cx.effects();
        catalogue.begin_export(self.order(), clock.now_ms()).await.map_err(catalogue_error)
    }

    /// Whether the file of an earlier job is there as it was.
    pub(super) async fn is_there(&self, export: &Export) -> Result<bool, JobError> {
        let size = self.cx.effects().objects.size(&export.bucket, &export.key).await;
        let size = size.map_err(store_error)?.and_then(|size| i64::try_from(size).ok());
        Ok(size.is_some() && size == export.bytes)
    }

    /// Makes the file and notes that it is there.
    pub(super) async fn make(&self) -> Result<Made, JobError> {
        let (spool, pictures) = self.read().await?;
        let Totals { nights, shows, .. } = *spool.totals();
        let (written, missing) = self.write(spool, pictures).await?;
        self.put(&written).await?;
        let Effects { catalogue, clock, .. } = self.cx.effects();
        let made = MadeExport { bytes: written.bytes, sha256: &written.sha256, shows };
        let noted = catalogue.finish_export(self.order(), made, clock.now_ms()).await;
        match noted.map_err(catalogue_error)? {
            Some(export) => Ok(Made { export, nights: Some(nights), missing }),
            None => Err(self.take_back().await),
        }
    }

    /// All nights, in order.
    async fn read(&self) -> Result<(Spool, Pictures), JobError> {
        let illustrated = self.export.format == Format::Pdf;
        let reader = self.cx.effects().catalogue.history(self.export.user_id, illustrated).await;
        let mut reader = reader.map_err(catalogue_error)?;
        let mut spool = Spool::new().map_err(scratch_error)?;
        let mut pictures = Pictures::new().map_err(scratch_error)?;
        let all = reader.left() as u64;
        loop {
            self.cx.safe_point()?;
            let page = reader.page().await.map_err(catalogue_error)?;
            if page.is_empty() {
                return Ok((spool, pictures));
            }
            let mut nights = Vec::with_capacity(page.len());
            for mut row in page {
                let manifests = std::mem::take(&mut row.manifests);
                let mut night = Night::from(row);
                night.pictures = self.fetch(&manifests, &mut pictures).await?;
                nights.push(night);
            }
            spool.add(&nights).map_err(scratch_error)?;
            report(self.cx, "reading", spool.totals().nights, all);
        }
    }

    /// The smallest JPEGs of starred photos, as long as there is room. One that is not there is left out.
    async fn fetch(
        &self,
        manifests: &[String],
        pictures: &mut Pictures,
    ) -> Result<Vec<Picture>, JobError> {
        let Effects { objects, exports, .. } = self.cx.effects();
        let mut fetched = Vec::new();
        for manifest in manifests.iter().take(PICTURES_OF_NIGHT) {
            self.cx.safe_point()?;
            let Some((bucket, jpeg)) = smallest_jpeg(manifest) else { continue };
            if pictures.bytes() + jpeg.bytes > exports.pictures {
                break;
            }
            match objects.read(&bucket, &jpeg.key, 0..jpeg.bytes).await {
                Ok(jpeg) => fetched.push(pictures.add(&jpeg).map_err(scratch_error)?),
                Err(error) if error.is_transient() => return Err(store_error(error)),
                Err(error) => tracing::debug!(%error, "an export goes without a picture"),
            }
        }
        Ok(fetched)
    }

    /// Writes the file on one of the threads for what computes.
    async fn write(
        &self,
        mut spool: Spool,
        pictures: Pictures,
    ) -> Result<(Written, Option<u64>), JobError> {
        let ExportHistory { user_id, format, bom, ref locale, .. } = *self.export;
        let memory = self.reserve(memory(format, &spool, &pictures)).await?;
        let (cx, locale) = (self.cx.clone(), locale.clone());
        let work = move |stop: &Stop| {
            let totals = spool.totals().clone();
            let mut out = Scratch::new()?;
            let mut written = 0;
            let nights = spool.nights()?.map(|night| {
                if stop.asked() {
                    return Err(io::Error::other("nobody waits for the file any more"));
                }
                written += 1;
                if written % REPORT_EVERY == 0 {
                    report(&cx, "writing", written, totals.nights);
                }
                night
            });
            let mut missing = None;
            match format {
                Format::Csv => csv::write(nights, bom, &mut out)?,
                Format::Json => json::write(user_id, nights, &mut out)?,
                Format::Pdf => {
                    let fonts = &cx.effects().exports.fonts;
                    let book = pdf::Order {
                        totals: &totals,
                        pictures: &pictures,
                        locale: locale.as_deref(),
                        fonts,
                    };
                    let typeset = pdf::write(nights, &book, &mut out)?;
                    missing = Some(typeset.missing);
                }
            }
            Ok((out.finish()?, missing))
        };
        let written = tokio::select! {
            worked = self.cx.effects().pixels.run(memory, work) => worked,
            () = self.cx.cancelled() => return Err(JobError::stopped()),
        };
        match written {
            Ok((written, _memory)) => written.map_err(scratch_error),
            Err(fault) => match fault.try_into_panic() {
                // It is this job's panic, wherever it happened.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(ended) => Err(JobError::retry(ended)),
            },
        }
    }

    async fn reserve(&self, bytes: u64) -> Result<Reservation, JobError> {
        let pixels = &self.cx.effects().pixels;
        // A long history is no reason to refuse it.
        let MemoryUse { used, free, .. } = pixels.memory();
        let mut reserved = pin!(pixels.reserve(bytes.min(used + free)));
        loop {
            tokio::select! {
                reserved = &mut reserved => return reserved.map_err(JobError::discard),
                () = self.cx.cancelled() => return Err(JobError::stopped()),
                () = tokio::time::sleep(STILL_WAITING) => report(self.cx, "waiting for memory", 0, 0),
            }
        }
    }

    async fn put(&self, written: &Written) -> Result<(), JobError> {
        report(self.cx, "uploading", 0, 0);
        let ExportHistory { export_id, format, .. } = self.export;
        let name = format.name();
        let disposition = format!("attachment; filename=\"concert-history-{export_id}.{name}\"");
        let headers = Headers {
            content_type: format.media_type(),
            cache_control: "private, no-store",
            disposition: Some(&disposition),
        };
        let Effects { objects, exports, .. } = self.cx.effects();
        let path = written.path();
        tokio::select! {
            put = objects.put_file(&exports.bucket, &self.key, &path, headers) => {
                put.map_err(store_error)
            }
            () = self.cx.cancelled() => Err(JobError::stopped()),
        }
    }

    /// Its user has gone, or its time is over: so goes what this job or an earlier one has put.
    pub(super) async fn take_back(&self) -> JobError {
        let Effects { objects, exports, .. } = self.cx.effects();
        match objects.remove(&exports.bucket, &self.key).await {
            Ok(()) => JobError::discard(anyhow!(
                "export {} is not wanted any more: its user has gone, or its time is over; \
                 a new file needs a new exportId",
                self.export.export_id
            )),
            Err(error) => store_error(error),
        }
    }
}

/// What writing takes, in bytes.
fn memory(format: Format, spool: &Spool, pictures: &Pictures) -> u64 {
    match format {
        Format::Csv | Format::Json => TEXT_MEMORY,
        Format::Pdf => PDF_MEMORY + spool.bytes() * PDF_PER_SPOOLED + pictures.bytes() * 3,
    }
}

/// Bucket and object of the smallest JPEG of a photo.
fn smallest_jpeg(manifest: &str) -> Option<(String, Variant)> {
    let Manifest { bucket, variants, .. } = serde_json::from_str(manifest).ok()?;
    let jpegs = variants.into_iter().filter(|variant| variant.format == VariantFormat::Jpeg);
    Some((bucket, jpegs.min_by_key(|variant| variant.width)?))
}

/// A link to the file that lasts so long; none: nobody serves the bucket.
pub(super) async fn link(
    cx: &JobContext,
    export: &Export,
    lasts: Duration,
) -> Result<Option<String>, JobError> {
    let Effects { objects, exports, clock, .. } = cx.effects();
    let Some(urls) = &exports.urls else {
        return objects.link(&export.bucket, &export.key, lasts).await.map_err(store_error);
    };
    let lasts = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
    Ok(urls.signed(&export.key, (clock.now_ms() / 1_000).saturating_add(lasts)))
}

fn report(cx: &JobContext, stage: &str, nights: u64, of: u64) {
    let value = json!({ "stage": stage, "nights": nights, "of": of });
    cx.report(Progress { value, mirror: None });
}

fn store_error(error: ObjectError) -> JobError {
    if error.is_transient() { JobError::retry(error) } else { JobError::discard(error) }
}
