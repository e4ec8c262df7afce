//! The only doors to the world. Each can be replaced by an embedded one that is just as real:
//! `SQLite` for the catalogue, a folder for the object store, a fixed clock.

pub mod catalogue;
mod clock;
mod folders;
mod objects;

pub use clock::Clock;
pub use folders::{Entry, FolderError, FolderWalk, Folders};
pub use objects::{ObjectError, ObjectInfo, Objects, S3Settings};

/// What handlers may touch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Effects {
    /// Photos, outcomes, dead letters.
    pub catalogue: catalogue::Catalogue,
    /// Buckets.
    pub objects: Objects,
    /// Local folders that may be read.
    pub folders: Folders,
    /// The time.
    pub clock: Clock,
    /// Limits for reading photos.
    pub photos: PhotoLimits,
}

/// Limits for reading photos.
#[derive(Clone, Copy, Debug)]
pub struct PhotoLimits {
    /// Pixels that a picture may claim.
    pub max_pixels: u64,
    /// Objects that one scan reads at once.
    pub read_ahead: usize,
    /// Whether local files are read to their end to find damage.
    pub verify_files: bool,
}
