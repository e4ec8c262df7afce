//! Removing everything below a prefix: objects, older versions of them, and uploads that were never completed.

use std::sync::atomic::Ordering;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::types::{Delete, MultipartUpload, ObjectIdentifier};

use super::S3;
use super::answers::{Condition, classify, condition};
use crate::effects::objects::{Alive, ObjectError};

/// Keys that S3 lists and removes in one request.
const PAGE: i32 = 1_000;

/// One version of an object; none: the store keeps no versions.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    key: String,
    id: Option<String>,
}

/// Some versions, and where the listing goes on.
#[derive(Debug, Default)]
struct Page {
    versions: Vec<Version>,
    next: Option<Version>,
}

impl S3 {
    /// How many there are below a prefix, each version counted.
    pub(in crate::effects::objects) async fn count(
        &self,
        bucket: &str,
        prefix: &str,
        alive: Alive<'_>,
    ) -> Result<u64, ObjectError> {
        let (mut count, mut from) = (0, None);
        loop {
            let page = self.versions(bucket, prefix, from.as_ref()).await?;
            count += page.versions.len() as u64;
            alive();
            if page.next.is_none() {
                return Ok(count);
            }
            from = page.next;
        }
    }

    /// Removes all of them; answers how many.
    pub(in crate::effects::objects) async fn purge(
        &self,
        bucket: &str,
        prefix: &str,
        alive: Alive<'_>,
    ) -> Result<u64, ObjectError> {
        self.abort_uploads(bucket, prefix, alive).await?;
        let (mut count, mut first) = (0, None);
        loop {
            // What was listed is gone then: always the first page.
            let mut page = self.versions(bucket, prefix, None).await?;
            if page.versions.is_empty() {
                return Ok(count);
            }
            if first.as_ref() == page.versions.first() {
                return Err(stuck(bucket, "it lists what it has removed".to_owned()));
            }
            self.remove_all(bucket, &page.versions).await?;
            count += page.versions.len() as u64;
            first = Some(page.versions.swap_remove(0));
            alive();
        }
    }

    async fn versions(
        &self,
        bucket: &str,
        prefix: &str,
        from: Option<&Version>,
    ) -> Result<Page, ObjectError> {
        if !self.versionless.load(Ordering::Relaxed) {
            let ask = self.client.list_object_versions().bucket(bucket).prefix(prefix);
            let ask = ask.set_key_marker(from.map(|from| from.key.clone()));
            let ask = ask.set_version_id_marker(from.and_then(|from| from.id.clone()));
            match ask.max_keys(PAGE).send().await {
                Ok(page) => {
                    let objects = page.versions().iter().map(|v| (v.key(), v.version_id()));
                    let markers = page.delete_markers().iter().map(|v| (v.key(), v.version_id()));
                    let versions = objects.chain(markers).filter_map(|(key, id)| {
                        Some(Version { key: key?.to_owned(), id: id.map(str::to_owned) })
                    });
                    // Some name an empty one at the end.
                    let more = page.is_truncated() == Some(true);
                    let next = page.next_key_marker().filter(|_| more).map(|key| Version {
                        key: key.to_owned(),
                        id: page.next_version_id_marker().map(str::to_owned),
                    });
                    return Ok(Page { versions: versions.collect(), next });
                }
                Err(error) if condition(&error) == Condition::Unknown => {
                    self.versionless.store(true, Ordering::Relaxed);
                }
                Err(error) => return Err(classify("list", bucket, None, &error)),
            }
        }
        let after = from.map(|from| from.key.as_str());
        let limit = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let objects = self.list(bucket, prefix, after, limit).await?;
        let next = objects.last().map(|last| Version { key: last.key.clone(), id: None });
        let versions = objects.into_iter().map(|object| Version { key: object.key, id: None });
        Ok(Page { versions: versions.collect(), next })
    }

    async fn remove_all(&self, bucket: &str, versions: &[Version]) -> Result<(), ObjectError> {
        let failed = |reason| stuck(bucket, reason);
        let mut delete = Delete::builder().quiet(true);
        for version in versions {
            let object = ObjectIdentifier::builder().key(&version.key);
            let object = object.set_version_id(version.id.clone()).build();
            delete = delete.objects(object.map_err(|error| failed(error.to_string()))?);
        }
        let delete = delete.build().map_err(|error| failed(error.to_string()))?;
        let done = self.client.delete_objects().bucket(bucket).delete(delete).send().await;
        let done = done.map_err(|error| classify("removal", bucket, None, &error))?;
        match done.errors().first() {
            // Without its key, which names a user.
            Some(error) => Err(failed(format!(
                "{} objects could not be removed ({})",
                done.errors().len(),
                error.code().unwrap_or("no reason")
            ))),
            None => Ok(()),
        }
    }

    /// Parts of uploads that somebody was killed in.
    async fn abort_uploads(
        &self,
        bucket: &str,
        prefix: &str,
        alive: Alive<'_>,
    ) -> Result<(), ObjectError> {
        let mut first = None;
        loop {
            // What was listed is gone then: always the first page.
            let listed = self.client.list_multipart_uploads().bucket(bucket).prefix(prefix);
            let page = match listed.max_uploads(PAGE).send().await {
                Ok(page) => page,
                // A store that knows none has none.
                Err(error) if condition(&error) == Condition::Unknown => return Ok(()),
                Err(error) => return Err(classify("list", bucket, None, &error)),
            };
            let Some(upload) = page.uploads().first() else { return Ok(()) };
            if first.as_deref() == upload.upload_id() {
                return Err(stuck(bucket, "it lists uploads that were aborted".to_owned()));
            }
            first = upload.upload_id().map(str::to_owned);
            for upload in page.uploads() {
                self.abort(bucket, upload).await?;
                alive();
            }
        }
    }

    async fn abort(&self, bucket: &str, upload: &MultipartUpload) -> Result<(), ObjectError> {
        let abort = self.client.abort_multipart_upload().bucket(bucket);
        let abort = abort.set_key(upload.key.clone()).set_upload_id(upload.upload_id.clone());
        match abort.send().await {
            Ok(_) => Ok(()),
            // Completed or aborted by somebody else since.
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(classify("removal", bucket, None, &error)),
        }
    }
}

fn stuck(bucket: &str, reason: String) -> ObjectError {
    let (bucket, source) = (bucket.to_owned(), anyhow::anyhow!(reason));
    ObjectError::Passing { step: "removal", bucket, source }
}
