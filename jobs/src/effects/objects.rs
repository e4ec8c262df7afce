//! Buckets: any S3-compatible endpoint, or a folder with one sub-folder a bucket.

mod folder;
mod s3;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

pub use s3::S3Settings;

/// One object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Changes when the content does: the `ETag`, or size and modification time.
    pub revision: String,
}

/// How an object is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// `Content-Type`.
    pub content_type: &'a str,
    /// `Cache-Control`.
    pub cache_control: &'a str,
    /// `Content-Disposition`, where a browser is to do something else than show it.
    pub disposition: Option<&'a str>,
}

/// What became of an object that was to be put where none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there now.
    Written,
    /// There was one already, which was left alone.
    Existed,
}

/// An operation on a bucket that failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The bucket is not there.
    #[error("there is no bucket `{bucket}`")]
    NoBucket {
        /// Its name.
        bucket: String,
    },
    /// The object is not there.
    #[error("bucket `{bucket}` has no object `{key}`")]
    NoObject {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// The credentials do not allow it.
    #[error(
        "access to bucket `{bucket}` is denied; are objects.access_key_id and its rights right?"
    )]
    Denied {
        /// The bucket.
        bucket: String,
        /// The store's answer.
        #[source]
        source: anyhow::Error,
    },
    /// The store does not hand out this object; others may be fine.
    #[error("object `{key}` of bucket `{bucket}` cannot be read ({code})")]
    Unreadable {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The store's word for it, such as `InvalidObjectState`.
        code: String,
    },
    /// The store refuses the request, and will the next time.
    #[error("the store refuses to work with bucket `{bucket}` ({code}: {message})")]
    Refused {
        /// The bucket.
        bucket: String,
        /// The store's word for it, such as `PermanentRedirect`.
        code: String,
        /// What the store says.
        message: String,
    },
    /// A name that the store does not accept.
    #[error("`{name}` is not the name of a bucket or object")]
    Name {
        /// The name.
        name: String,
    },
    /// The settings make no client.
    #[error("objects.endpoint `{endpoint}` is not an address such as https://s3.example.com")]
    Endpoint {
        /// As configured.
        endpoint: String,
    },
    /// No answer, or one that may be different next time.
    #[error("{step} of bucket `{bucket}` failed")]
    Passing {
        /// What was tried.
        step: &'static str,
        /// The bucket.
        bucket: String,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
}

impl ObjectError {
    /// Whether the same operation may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Passing { .. })
    }
}

/// The object store.
#[derive(Clone, Debug)]
pub enum Objects {
    /// S3 and what speaks like it.
    S3(s3::S3),
    /// The embedded one.
    Folder(folder::Folder),
}

impl Objects {
    /// A client for an endpoint; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Endpoint`].
    pub fn s3(settings: &S3Settings) -> Result<Self, ObjectError> {
        s3::S3::open(settings).map(Self::S3)
    }

    /// Buckets below a folder.
    pub fn folder(root: PathBuf) -> Self {
        Self::Folder(folder::Folder::new(root))
    }

    /// One page of a listing in byte order of the keys: at most 1,000 (S3's own limit) below
    /// `prefix`, after `after`. An empty page is the end.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, ObjectError> {
        match self {
            Self::S3(s3) => s3.list(bucket, prefix, after, limit).await,
            Self::Folder(folder) => folder.list(bucket, prefix, after, limit).await,
        }
    }

    /// Some bytes of an object; shorter when it ends before `end`.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn read(
        &self,
        bucket: &str,
        key: &str,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u8>, ObjectError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::S3(s3) => s3.read(bucket, key, range).await,
            Self::Folder(folder) => folder.read(bucket, key, range).await,
        }
    }

    /// The size of an object in bytes, if there is one.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn size(&self, bucket: &str, key: &str) -> Result<Option<u64>, ObjectError> {
        let size = match self {
            Self::S3(s3) => s3.size(bucket, key).await,
            Self::Folder(folder) => folder.size(bucket, key).await,
        };
        match size {
            Ok(size) => Ok(Some(size)),
            Err(ObjectError::NoObject { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts an object where none is: all of it at once, or nothing. The folder keeps no headers.
    ///
    /// S3 takes up to 5 GiB in one request, and what is put here has passed through memory: there is
    /// nothing to send in parts.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn put_new(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        headers: Headers<'_>,
    ) -> Result<Put, ObjectError> {
        match self {
            Self::S3(s3) => s3.put_new(bucket, key, bytes, headers).await,
            Self::Folder(folder) => folder.put_new(bucket, key, bytes).await,
        }
    }

    /// Puts a file, in place of what may be there: all of it at once, or nothing. The folder keeps no headers.
    ///
    /// It is sent as it is read, in one request: S3 takes up to 5 GiB in one, and nothing half-sent is left
    /// behind for somebody to clean away.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn put_file(
        &self,
        bucket: &str,
        key: &str,
        file: &Path,
        headers: Headers<'_>,
    ) -> Result<(), ObjectError> {
        match self {
            Self::S3(s3) => s3.put_file(bucket, key, file, headers).await,
            Self::Folder(folder) => folder.put_file(bucket, key, file).await,
        }
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn remove(&self, bucket: &str, key: &str) -> Result<(), ObjectError> {
        match self {
            Self::S3(s3) => s3.remove(bucket, key).await,
            Self::Folder(folder) => folder.remove(bucket, key).await,
        }
    }

    /// A link to an object that the store itself lets in for so long (S3: at most a week); none: it serves
    /// nobody.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn link(
        &self,
        bucket: &str,
        key: &str,
        lasts: Duration,
    ) -> Result<Option<String>, ObjectError> {
        match self {
            Self::S3(s3) => s3.link(bucket, key, lasts).await.map(Some),
            Self::Folder(_) => Ok(None),
        }
    }

    /// How many objects there are below a prefix that ends with a slash; where the store keeps versions,
    /// each counts. A bucket that is not there has none. `alive` is called now and then.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn count(
        &self,
        bucket: &str,
        prefix: &str,
        alive: Alive<'_>,
    ) -> Result<u64, ObjectError> {
        let count = match self {
            Self::S3(s3) => s3.count(bucket, prefix, alive).await,
            Self::Folder(folder) => folder.count(bucket, prefix).await,
        };
        none_without_bucket(count)
    }

    /// Removes all objects below a prefix that ends with a slash, with older versions of them and uploads
    /// that were never completed; answers how many, as [`Objects::count`] counts them.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`]; some may be gone then.
    pub async fn purge(
        &self,
        bucket: &str,
        prefix: &str,
        alive: Alive<'_>,
    ) -> Result<u64, ObjectError> {
        let count = match self {
            Self::S3(s3) => s3.purge(bucket, prefix, alive).await,
            Self::Folder(folder) => folder.purge(bucket, prefix).await,
        };
        none_without_bucket(count)
    }

    /// Whether the store answers; in words for people.
    ///
    /// # Errors
    ///
    /// See [`ObjectError`].
    pub async fn probe(&self) -> Result<String, ObjectError> {
        match self {
            Self::S3(s3) => s3.probe().await,
            Self::Folder(folder) => Ok(format!("folder {}", folder.root().display())),
        }
    }
}

/// Called again and again during work that takes long.
pub type Alive<'a> = &'a (dyn Fn() + Send + Sync);

fn none_without_bucket(count: Result<u64, ObjectError>) -> Result<u64, ObjectError> {
    match count {
        Err(ObjectError::NoBucket { .. }) => Ok(0),
        count => count,
    }
}

/// How long a request may take when nothing is configured.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
