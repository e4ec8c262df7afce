//! Removing everything below a prefix that ends with a slash: a folder, half-written files included.

use std::fs;
use std::io;

use super::{Folder, blocking, inside, passing, walk};
use crate::effects::objects::ObjectError;

impl Folder {
    /// How many objects there are below a prefix.
    pub(in crate::effects::objects) async fn count(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> Result<u64, ObjectError> {
        self.below(bucket, prefix, false).await
    }

    /// Removes all of them; answers how many.
    pub(in crate::effects::objects) async fn purge(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> Result<u64, ObjectError> {
        self.below(bucket, prefix, true).await
    }

    async fn below(&self, bucket: &str, prefix: &str, remove: bool) -> Result<u64, ObjectError> {
        let folder = inside(&self.bucket(bucket)?, prefix.trim_end_matches('/'))?;
        let bucket = bucket.to_owned();
        blocking("removal", &bucket.clone(), move || {
            let mut found = Vec::new();
            let mut work = || {
                walk(&folder, &folder, "", &mut found)?;
                if remove { fs::remove_dir_all(&folder) } else { Ok(()) }
            };
            match work() {
                Ok(()) => Ok(found.len() as u64),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                Err(error) => Err(passing("removal", &bucket, error)),
            }
        })
        .await
    }
}
