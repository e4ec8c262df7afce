//! The rules of names and content, in names of our own; real names when the fixtures are there.

pub(in crate::photos) mod fixtures;
mod pairing;
mod sidecar;
