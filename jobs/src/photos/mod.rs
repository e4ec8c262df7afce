//! Photo scans: from a folder or a bucket to the catalogue.
//!
//! - `scan_folder`, `scan_s3`: the kinds;
//! - `scan`: the loop that they share: page, read, record, checkpoint, report;
//! - `listing`: where files come from, page by page; `reading`: what is found out about one file;
//! - `progress`: what web tiers poll; `takeout`: Google's sidecars.

mod listing;
mod progress;
mod reading;
mod scan;
mod scan_folder;
mod scan_s3;
mod takeout;

pub(crate) use scan_folder::ScanFolder;
pub(crate) use scan_s3::ScanS3;
