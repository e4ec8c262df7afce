//! Photos: from a folder or a bucket to the catalogue, and from there to web pages.
//!
//! - `scan_drive`, `scan_folder`, `scan_s3`: the kinds that scan;
//! - `scan`: the loop that they share: page, read, record, checkpoint, report; `scan_result`: what it returns;
//! - `drive`: Google Drive as a place that photos come from;
//! - `listing`: where files come from, page by page; `reading`: what is found out about one file;
//! - `dedup_photos`: the kind that finds duplicates; `dedup`: how;
//! - `progress`: what web tiers poll; `takeout`: Google's sidecars;
//! - `optimize_photo`: the kind that makes variants, step by step in `optimizing`; `original`: a
//!   catalogued photo's own bytes; `manifest`: what is told of its variants.

pub(crate) mod dedup;
mod dedup_photos;
mod drive;
mod listing;
mod manifest;
mod optimize_photo;
mod optimizing;
mod original;
mod progress;
mod reading;
mod scan;
mod scan_drive;
mod scan_folder;
mod scan_result;
mod scan_s3;
mod takeout;

use crate::effects::catalogue::catalogue_error;

pub(crate) use dedup_photos::DedupPhotos;
pub(crate) use listing::object_error;
pub(crate) use manifest::{Manifest, Variant};
pub(crate) use optimize_photo::OptimizePhoto;
pub(crate) use progress::progress_key;
pub(crate) use scan_drive::ScanDrive;
pub(crate) use scan_folder::ScanFolder;
pub(crate) use scan_s3::ScanS3;
