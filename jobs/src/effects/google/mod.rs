//! Google Drive, as each user lets us in.
//!
//! - `accounts`: from a sealed refresh token to an access token, exchanged by one process at a time;
//! - `drive`: what is asked of Drive for one user; `asking`: again, where that helps;
//! - `files`: what it answers; `refusal`: why it does not;
//! - `revoke`: giving a token back.
//!
//! No token, file name or coordinate is in any error, log line or metric.

mod accounts;
mod asking;
mod drive;
mod files;
mod refusal;
mod revoke;

pub use accounts::GoogleSettings;
pub use drive::{Corpus, Drive, GoogleDrive};
pub use files::{Change, Changes, DriveFile, FilePage, ImageMetadata, Location, SharedDrive};
pub use refusal::DriveError;
pub use revoke::Revoked;

/// Says that a test could not run, or fails it where every test must.
#[cfg(test)]
#[expect(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
fn skip(why: &str) {
    assert!(std::env::var("REQUIRE_ALL").is_err(), "cannot run: {why}");
    eprintln!("SKIPPED: {why}");
}
