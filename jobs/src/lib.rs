//! What the work is: Roadie's job contract, its handlers and the effects that they use.
//!
//! This crate knows nothing of Redis, of queues or of HTTP servers; the engine (package `roadie`) runs
//! what is listed here. In the order in which a job meets them:
//!
//! - [`job`]: the contract: [`Job`], [`JobError`], slot classes, defaults;
//! - [`context`]: what a handler gets beside its payload: progress, checkpoint, cancellation, effects;
//! - [`mod@registry`]: kind → handler;
//! - `photos`, `concerts`, `exports`, [`email`], [`privacy`], `rehearsal`: the handlers, one file per kind,
//!   named as the kind;
//! - [`effects`]: the only doors to the world: catalogue, objects, folders, clock;
//! - `pixels`: pure: what a photo file says of itself;
//! - `matching`: pure: from photos to the shows that they were taken at; [`evaluation`] measures it;
//! - [`venue_import`]: from extracts of OpenStreetMap to the venue table that matching looks at;
//! - [`metric`]: the names of what they measure;
//! - [`schema`]: what their payloads look like, as JSON schemas;
//! - [`samples`]: photos for demos and tests.

#[doc(hidden)]
pub mod bench;
mod concerts;
pub mod context;
pub mod effects;
pub mod email;
pub mod evaluation;
mod exports;
pub mod job;
mod matching;
pub mod metric;
mod photos;
mod pixels;
pub mod privacy;
pub mod registry;
mod rehearsal;
pub mod samples;
pub mod schema;
pub mod venue_import;

pub use context::{Cancel, CancelReason, JobContext, JobInfo, JobPort};
pub use effects::Effects;
pub use job::{Backoff, Decision, Job, JobError, SlotClass, Timeout};
pub use registry::{Registry, RegistryError};

/// Every kind that this build can run: one line per kind.
pub fn registry() -> Registry {
    Registry::default()
        .with::<concerts::DetectVenue>()
        .with::<concerts::MatchConcert>()
        .with::<email::CelebrateMilestones>()
        .with::<email::SendEmail>()
        .with::<exports::ExportHistory>()
        .with::<photos::DedupPhotos>()
        .with::<photos::OptimizePhoto>()
        .with::<photos::ScanDrive>()
        .with::<photos::ScanFolder>()
        .with::<photos::ScanS3>()
        .with::<privacy::DeleteUser>()
        .with::<rehearsal::Rehearse>()
}
