//! Concerts: from catalogued photos to the nights that they were taken at.
//!
//! - `sessions`: which photos are together, kept up to date by every scan;
//! - `asking`: a scan hands sessions to matching, and sees what came of it;
//! - `detect_venue`: the kind that looks up which places are around a session;
//! - `match_concert`: the kind that decides about one, `verdicts` how; `put_off`: what becomes of a session
//!   whose job is not done now.

mod asking;
mod detect_venue;
mod match_concert;
mod put_off;
mod sessions;
#[cfg(test)]
pub(crate) mod tests;
mod verdicts;

pub(crate) use asking::{ask, goes_on, pause};
pub(crate) use detect_venue::DetectVenue;
pub(crate) use match_concert::MatchConcert;
pub(crate) use sessions::regroup;
pub(crate) use verdicts::evening as stored_evening;
