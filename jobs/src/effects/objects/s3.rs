//! S3, and what speaks like it.

mod answers;
mod purge;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, ByteStreamError, DateTime};
use aws_sdk_s3::types::Object;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use bytes::Bytes;

use self::answers::{Condition, classify, condition};
use super::{Headers, ObjectError, ObjectInfo, Put};

/// Attempts for one request, inside one job attempt.
const ATTEMPTS: u32 = 3;
/// Bytes a second that a large file may take at worst, beside the time of any request.
const SLOWEST: u64 = 256 * 1024;
/// A signature lasts no longer (AWS Signature Version 4, query parameters).
const LONGEST_LINK: Duration = Duration::from_hours(7 * 24);

/// How to reach a store.
#[derive(Clone)]
pub struct S3Settings {
    /// `https://host`.
    pub endpoint: String,
    /// Region to sign for.
    pub region: String,
    /// Access key.
    pub access_key_id: String,
    /// Secret key.
    pub secret_access_key: String,
    /// Bucket in the path instead of the host name.
    pub path_style: bool,
    /// Longest request.
    pub timeout: Duration,
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Settings").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A client of one endpoint.
#[derive(Clone, Debug)]
pub struct S3 {
    client: Client,
    endpoint: String,
    /// Of one request.
    timeout: Duration,
    /// The store has refused a condition, and will refuse the next one.
    unconditional: Arc<AtomicBool>,
    /// The store keeps no versions of objects, or does not tell of them.
    versionless: Arc<AtomicBool>,
}

impl S3 {
    pub(super) fn open(settings: &S3Settings) -> Result<Self, ObjectError> {
        let known = ["http://", "https://"].iter().any(|s| settings.endpoint.starts_with(s));
        if !known {
            return Err(ObjectError::Endpoint { endpoint: settings.endpoint.clone() });
        }
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeout =
            if settings.timeout.is_zero() { super::DEFAULT_TIMEOUT } else { settings.timeout };
        let keys = Credentials::new(
            &settings.access_key_id,
            &settings.secret_access_key,
            None,
            None,
            "configuration",
        );
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&settings.endpoint)
            .region(Region::new(settings.region.clone()))
            .credentials_provider(keys)
            .force_path_style(settings.path_style)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(timeout.min(Duration::from_secs(5)))
                    .operation_attempt_timeout(timeout)
                    .build(),
            )
            .http_client(http)
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            endpoint: settings.endpoint.clone(),
            timeout,
            unconditional: Arc::default(),
            versionless: Arc::default(),
        })
    }

    pub(super) async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .max_keys(i32::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000))
            .send()
            .await
            .map_err(|error| classify("list", bucket, None, &error))?;
        Ok(page.contents().iter().filter_map(info).collect())
    }

    pub(super) async fn read(
        &self,
        bucket: &str,
        key: &str,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ObjectError> {
        let answer = self
            .client
            .get_object()
            .bucket(bucket)
            .key(key)
            .range(format!("bytes={}-{}", range.start, range.end - 1))
            .send()
            .await
            .map_err(|error| classify("read", bucket, Some(key), &error))?;
        // A store that ignores `Range` sends everything from the start.
        let skip = if answer.content_range.is_none() { range.start } else { 0 };
        part(answer.body, skip, range.end - range.start).await.map_err(|error| {
            ObjectError::Passing { step: "read", bucket: bucket.to_owned(), source: error.into() }
        })
    }

    pub(super) async fn size(&self, bucket: &str, key: &str) -> Result<u64, ObjectError> {
        let head = self.client.head_object().bucket(bucket).key(key).send().await;
        let head = head.map_err(|error| classify("look", bucket, Some(key), &error))?;
        Ok(u64::try_from(head.content_length().unwrap_or(0)).unwrap_or(0))
    }

    /// With `If-None-Match: *`. A store that knows no conditions is asked first instead: two who put the
    /// same key at once may then both write it.
    pub(super) async fn put_new(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        headers: Headers<'_>,
    ) -> Result<Put, ObjectError> {
        let put = || {
            let put = self.client.put_object().bucket(bucket).key(key);
            let put = put.content_type(headers.content_type).cache_control(headers.cache_control);
            put.body(ByteStream::from(bytes.clone()))
        };
        // About the bucket: whatever is wrong would be so for the next object, too.
        let failed = |error| classify("write", bucket, None, &error);
        if !self.unconditional.load(Ordering::Relaxed) {
            match put().if_none_match("*").send().await {
                Ok(_) => return Ok(Put::Written),
                Err(error) => match condition(&error) {
                    Condition::Failed => return Ok(Put::Existed),
                    Condition::Unknown => self.unconditional.store(true, Ordering::Relaxed),
                    // Somebody else puts this key just now.
                    Condition::Contested => {}
                    Condition::NotAtFault => return Err(failed(error)),
                },
            }
        }
        match self.size(bucket, key).await {
            Ok(_) => Ok(Put::Existed),
            Err(ObjectError::NoObject { .. }) => {
                put().send().await.map(|_| Put::Written).map_err(failed)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put_file(
        &self,
        bucket: &str,
        key: &str,
        file: &Path,
        headers: Headers<'_>,
    ) -> Result<(), ObjectError> {
        let unread = |source: anyhow::Error| ObjectError::Passing {
            step: "write",
            bucket: bucket.to_owned(),
            source,
        };
        let body = ByteStream::from_path(file).await.map_err(|error| unread(error.into()))?;
        let bytes = body.size_hint().0;
        let patience = self.timeout + Duration::from_secs(bytes / SLOWEST);
        let timeout = TimeoutConfig::builder().operation_attempt_timeout(patience).build();
        let put = self.client.put_object().bucket(bucket).key(key);
        let put = put.content_type(headers.content_type).cache_control(headers.cache_control);
        let put = put.set_content_disposition(headers.disposition.map(str::to_owned)).body(body);
        let config = aws_sdk_s3::config::Builder::new().timeout_config(timeout);
        let put = put.customize().config_override(config).send().await;
        put.map(drop).map_err(|error| classify("write", bucket, None, &error))
    }

    pub(super) async fn remove(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        let removed = self.client.delete_object().bucket(bucket).key(key).send().await;
        match removed.map_err(|error| classify("remove", bucket, Some(key), &error)) {
            // Some stores mind that it has gone.
            Err(ObjectError::NoObject { .. }) => Ok(()),
            removed => removed.map(drop),
        }
    }

    pub(super) async fn link(
        &self,
        bucket: &str,
        key: &str,
        lasts: Duration,
    ) -> Result<String, ObjectError> {
        let refused = |source: anyhow::Error| ObjectError::Passing {
            step: "link",
            bucket: bucket.to_owned(),
            source,
        };
        let lasts = lasts.clamp(Duration::from_secs(1), LONGEST_LINK);
        let config = PresigningConfig::expires_in(lasts).map_err(|error| refused(error.into()))?;
        let asked = self.client.get_object().bucket(bucket).key(key).presigned(config).await;
        match asked {
            Ok(signed) => Ok(signed.uri().to_owned()),
            Err(error) => Err(classify("link", bucket, Some(key), &error)),
        }
    }

    pub(super) async fn probe(&self) -> Result<String, ObjectError> {
        let listed = self.client.list_buckets().send().await;
        match listed.map_err(|error| classify("list the buckets", "*", None, &error)) {
            Ok(buckets) => Ok(format!("{}, {} buckets", self.endpoint, buckets.buckets().len())),
            // Many keys may not list buckets; the store answered and knows them.
            Err(ObjectError::Denied { source, .. })
                if source.to_string().contains("AccessDenied") =>
            {
                Ok(format!("{}, buckets not listable with this key", self.endpoint))
            }
            Err(error) => Err(error),
        }
    }
}

fn info(object: &Object) -> Option<ObjectInfo> {
    let bytes = u64::try_from(object.size().unwrap_or(0)).unwrap_or(0);
    // Quoted on the wire. Not an MD5 for multipart uploads, but it changes all the same.
    let tag = object.e_tag().unwrap_or_default().trim_matches('"');
    let revision = if tag.is_empty() {
        // Some stores list none.
        let changed = object.last_modified().map_or(0, DateTime::as_nanos);
        format!("{bytes}-{changed}")
    } else {
        tag.to_owned()
    };
    Some(ObjectInfo { key: object.key()?.to_owned(), bytes, revision })
}

/// Some bytes of a body; no more is fetched than it takes.
async fn part(
    mut body: ByteStream,
    mut skip: u64,
    wanted: u64,
) -> Result<Vec<u8>, ByteStreamError> {
    // A body that is as long as wanted is read to its end, so that the connection can be used again.
    let exact = skip == 0 && body.size_hint().1 == Some(wanted);
    let announced = body.size_hint().1.unwrap_or(0).min(wanted);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    // Growing it would take up to three times its memory in between.
    let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
    while exact || bytes.len() < wanted {
        let Some(chunk) = body.try_next().await? else { break };
        let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
        skip -= skipped as u64;
        bytes.extend_from_slice(&chunk[skipped..]);
    }
    bytes.truncate(wanted);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    #[test]
    fn a_changed_object_has_another_revision_whatever_the_store_tells() {
        let object = Object::builder().key("a.jpg").size(7);
        let at = DateTime::from_secs;
        for (object, revision) in [
            (object.clone().e_tag("\"d41d-2\"").last_modified(at(1)), "d41d-2"),
            (object.clone().last_modified(at(1)), "7-1000000000"),
            (object.clone().last_modified(at(2)), "7-2000000000"),
            (object.clone(), "7-0"),
        ] {
            assert_eq!(info(&object.build()).unwrap().revision, revision);
        }
    }

    /// A store that gives the same answer to everybody.
    fn store(answer: Vec<u8>) -> S3 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 16 * 1024]);
                // The client may hang up before the end.
                let _ = stream.write_all(&answer);
            }
        });
        at(endpoint)
    }

    fn at(endpoint: String) -> S3 {
        let settings = S3Settings {
            endpoint,
            region: "us-east-1".to_owned(),
            access_key_id: "key".to_owned(),
            secret_access_key: "secret".to_owned(),
            path_style: true,
            timeout: Duration::from_secs(5),
        };
        S3::open(&settings).unwrap()
    }

    fn refusal(status: &str, code: &str, message: &str) -> Vec<u8> {
        let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length");
        format!("{head}: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[tokio::test]
    async fn what_the_store_says_is_told_in_its_words() {
        let glacier = store(refusal("403 Forbidden", "InvalidObjectState", "It is archived."));
        let error = glacier.read("photos", "a.jpg", 0..9).await.unwrap_err();
        let code = "object `a.jpg` of bucket `photos` cannot be read (InvalidObjectState)";
        assert_eq!(error.to_string(), code);
        let error = glacier.list("photos", "", None, 9).await.unwrap_err();
        assert!(error.to_string().ends_with("(InvalidObjectState: It is archived.)"), "{error}");

        let told = |error: ObjectError| format!("{:#}", anyhow::Error::new(error));
        let skewed = store(refusal("403 Forbidden", "RequestTimeTooSkewed", "Too late."));
        let told_by_store = told(skewed.list("photos", "", None, 9).await.unwrap_err());
        assert_eq!(
            told_by_store,
            "list of bucket `photos` failed: RequestTimeTooSkewed: Too late."
        );

        // Nothing listens there.
        let nobody = at("http://127.0.0.1:1".to_owned()).read("photos", "a", 0..9).await;
        let nobody = told(nobody.unwrap_err());
        assert!(nobody.contains("refused") && !nobody.contains(['{', '\n']), "{nobody}");
    }

    #[tokio::test]
    async fn no_more_is_fetched_than_asked_for() {
        // It announces more than it will ever send, and ignores the range.
        let mut answer =
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n".to_vec();
        answer.extend(b"0123456789".repeat(10));
        let bytes = store(answer).read("photos", "a.jpg", 5..25).await.unwrap();
        assert_eq!(bytes, b"56789012345678901234");
    }
}
