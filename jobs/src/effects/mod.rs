//! The only doors to the world. Each can be replaced by an embedded one that is just as real:
//! `SQLite` for the catalogue, a folder for the object store, a fixed clock.

pub mod catalogue;
mod clock;
mod exports;
mod folders;
pub mod google;
pub mod mail;
mod objects;
mod pixel_pool;
mod sealed;
mod signed_url;
mod target;
mod variants;
mod venue_table;
pub mod web;
mod world;

use std::sync::Arc;
use std::time::Duration;

pub use clock::Clock;
pub use exports::ExportSettings;
pub use folders::{Entry, FolderError, FolderWalk, Folders};
pub use objects::{Alive, Headers, ObjectError, ObjectInfo, Objects, Put, S3Settings};
pub use pixel_pool::{MemoryUse, NeverFits, PixelPool, Reservation, Stop};
pub use sealed::{Column, KeyFault, SealError, TokenKey, TokenKeys, key_of};
pub use signed_url::{BadLink, ImageUrls, SigningKey};
pub use target::Target;
pub use variants::{Qualities, VariantFormat, VariantSettings};
pub use world::World;

/// What handlers may touch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Effects {
    /// Photos, outcomes, dead letters.
    pub catalogue: catalogue::Catalogue,
    /// Buckets.
    pub objects: Objects,
    /// Local folders that may be read.
    pub folders: Folders,
    /// Threads and memory for decoding pictures.
    pub pixels: PixelPool,
    /// The time.
    pub clock: Clock,
    /// Limits for reading photos.
    pub photos: PhotoLimits,
    /// How variants are made, and where they go.
    pub variants: Arc<VariantSettings>,
    /// Where files go that users have asked for.
    pub exports: Arc<ExportSettings>,
    /// Photos of users at Google.
    pub drive: google::GoogleDrive,
    /// Mail to users.
    pub mail: mail::Mail,
    /// Shows, places and venues.
    pub world: World,
    /// How users are erased.
    pub erasing: Erasing,
}

/// How users are erased.
#[derive(Clone, Copy, Debug)]
pub struct Erasing {
    /// How long jobs of the user that run are waited for.
    pub wait: Duration,
    /// How long a token may refuse to be revoked before the rest goes on without.
    pub revoke_within: Duration,
    /// When it is looked again for what late writers have left.
    pub sweep_after: Duration,
}

/// Limits for reading photos.
#[derive(Clone, Copy, Debug)]
pub struct PhotoLimits {
    /// Pixels that a picture may claim.
    pub max_pixels: u64,
    /// Objects, or photos of a Drive, that one scan fetches at once.
    pub read_ahead: usize,
    /// Whether local files are read to their end to find damage.
    pub verify_files: bool,
}
