//! Google Takeout: the JSON files beside exported photos ("sidecars"). Pure.
//!
//! An export keeps the time and place that Google knows of a photo in a sidecar, whose name is the
//! photo's in one of several mutilated forms: [`pair`] finds which belongs to which, [`parse`]
//! reads one.

mod names;
mod pairing;
mod sidecar;
#[cfg(test)]
pub(in crate::photos) mod tests;

pub(crate) use pairing::pair;
#[cfg(test)]
pub(crate) use sidecar::SidecarError;
pub(crate) use sidecar::{MAX_BYTES, Sidecar, parse};
