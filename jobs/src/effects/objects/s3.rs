//! S3, and what speaks like it.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::{ObjectError, ObjectInfo};

/// Attempts for one request, inside one job attempt.
const ATTEMPTS: u32 = 3;

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
        Ok(Self { client: Client::from_conf(config), endpoint: settings.endpoint.clone() })
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
            .map_err(|error| classify("list", bucket, "", &error))?;
        let object = |object: &aws_sdk_s3::types::Object| {
            Some(ObjectInfo {
                key: object.key()?.to_owned(),
                bytes: u64::try_from(object.size().unwrap_or(0)).unwrap_or(0),
                // Quoted on the wire. Not an MD5 for multipart uploads, but it changes all the same.
                revision: object.e_tag().unwrap_or_default().trim_matches('"').to_owned(),
            })
        };
        Ok(page.contents().iter().filter_map(object).collect())
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
            .map_err(|error| classify("read", bucket, key, &error))?;
        let body = answer.body.collect().await.map_err(|error| ObjectError::Passing {
            step: "read",
            bucket: bucket.to_owned(),
            source: error.into(),
        })?;
        let mut bytes = body.to_vec();
        // A store that ignores `Range` sends everything from the start.
        if answer.content_range.is_none() {
            let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(bytes.len());
            bytes.drain(..start);
        }
        bytes.truncate(usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
        Ok(bytes)
    }

    pub(super) async fn probe(&self) -> Result<String, ObjectError> {
        let listed = self.client.list_buckets().send().await;
        match listed.map_err(|error| classify("list the buckets", "*", "", &error)) {
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

fn classify<E, R>(
    step: &'static str,
    bucket: &str,
    key: &str,
    error: &SdkError<E, R>,
) -> ObjectError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let bucket = bucket.to_owned();
    let told = || anyhow::anyhow!("{}", DisplayErrorContext(error));
    match code.as_str() {
        "NoSuchBucket" => ObjectError::NoBucket { bucket },
        "NoSuchKey" => ObjectError::NoObject { bucket, key: key.to_owned() },
        "InvalidBucketName" => ObjectError::Name { name: bucket },
        "AccessDenied"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AuthorizationHeaderMalformed" => {
            ObjectError::Denied { bucket, source: anyhow::anyhow!("{code}") }
        }
        _ => ObjectError::Passing { step, bucket, source: told() },
    }
}
