//! A catalogued photo's own bytes, wherever they are.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::listing::{object_error, path_of};
use crate::effects::catalogue::{FileKey, Provider};
use crate::effects::google::{Drive, DriveError};
use crate::effects::{Effects, Objects};
use crate::job::JobError;
use crate::pixels::{Head, Limits, Probe, Step, probe};

/// Bytes that are fetched from Google Drive at once: fewer than any reply may have.
const DRIVE_PART: usize = 8 << 20;

/// A photo that can be read.
#[derive(Clone, Debug)]
pub(super) struct Original {
    place: Place,
    bytes: u64,
}

#[derive(Clone, Debug)]
enum Place {
    Disk(PathBuf),
    Object { objects: Objects, bucket: String, key: String },
    Drive { drive: Drive, file_id: String },
}

impl Original {
    /// Finds it where the catalogue says it is.
    pub(super) async fn find(
        effects: &Effects,
        user_id: i64,
        file: &FileKey,
    ) -> Result<Self, JobError> {
        match file.provider {
            Provider::Folder => {
                let path = effects.folders.file(&path_of(&file.file_id)).map_err(|error| {
                    if error.is_transient() {
                        JobError::retry(error)
                    } else {
                        JobError::discard(error)
                    }
                })?;
                let bytes = std::fs::metadata(&path).map_err(disk_error)?.len();
                Ok(Self { place: Place::Disk(path), bytes })
            }
            Provider::S3 => {
                let named = file.file_id.split_once('/');
                let (bucket, key) = named.ok_or_else(|| {
                    JobError::discard(anyhow!("`{}` names no object of a bucket", file.file_id))
                })?;
                let bytes = effects.objects.size(bucket, key).await.map_err(object_error)?;
                let bytes = bytes.ok_or_else(|| {
                    JobError::discard(anyhow!("bucket `{bucket}` has no object `{key}` any more"))
                })?;
                let (bucket, key) = (bucket.to_owned(), key.to_owned());
                let objects = effects.objects.clone();
                Ok(Self { place: Place::Object { objects, bucket, key }, bytes })
            }
            Provider::Drive => {
                let drive = effects.drive.of(user_id)?;
                let known = drive.file(&file.file_id).await.map_err(DriveError::for_job)?;
                let bytes = known.size.filter(|_| !known.trashed).ok_or_else(|| {
                    JobError::discard(anyhow!(
                        "the photo is not in the user's Google Drive any more"
                    ))
                })?;
                Ok(Self { place: Place::Drive { drive, file_id: file.file_id.clone() }, bytes })
            }
        }
    }

    /// How large the file is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it says of itself; only its head is read.
    pub(super) async fn probe(&self, name: &str, limits: Limits) -> Result<Probe, JobError> {
        let mut head = Head::new(self.bytes);
        loop {
            match probe(&head, name, limits) {
                Step::Need(range) => head.insert(range.start, self.read(range).await?),
                Step::Picture(probe) => return Ok(*probe),
                Step::Refused(refusal) => {
                    return Err(JobError::discard(anyhow!("{refusal}; {}", refusal.hint())));
                }
            }
        }
    }

    /// All of it.
    pub(super) async fn read_all(&self) -> Result<Vec<u8>, JobError> {
        self.read(0..self.bytes).await
    }

    async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, JobError> {
        let wanted = range.end - range.start;
        let bytes = match &self.place {
            Place::Disk(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || from_disk(&path, range)).await;
                read.map_err(JobError::retry)?.map_err(disk_error)?
            }
            Place::Object { objects, bucket, key } => {
                objects.read(bucket, key, range).await.map_err(object_error)?
            }
            Place::Drive { drive, file_id } => {
                let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
                for start in range.clone().step_by(DRIVE_PART) {
                    let part = start..range.end.min(start + DRIVE_PART as u64);
                    let part = drive.bytes(file_id, part).await.map_err(DriveError::for_job)?;
                    bytes.extend(part);
                }
                bytes
            }
        };
        if bytes.len() as u64 == wanted {
            return Ok(bytes);
        }
        // Somebody writes it just now; what comes out is not known yet.
        Err(JobError::retry(anyhow!("the photo became shorter while it was read")))
    }
}

fn from_disk(path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    let wanted = range.end - range.start;
    let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or(0));
    file.take(wanted).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn disk_error(error: io::Error) -> JobError {
    use io::ErrorKind as Kind;
    let kind = error.kind();
    let told = anyhow::Error::new(error).context("the photo could not be read");
    match kind {
        Kind::NotFound | Kind::NotADirectory | Kind::IsADirectory | Kind::PermissionDenied => {
            JobError::discard(told)
        }
        _ => JobError::retry(told),
    }
}
