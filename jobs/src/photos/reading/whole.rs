//! Files that are read as a whole, once: what the head says, damage, content hash and fingerprint.
//!
//! File and decode are paid for together before anything is read, with an allowance that does for most
//! pictures. Where the head then asks for more, the file is given back and read again with enough: whoever
//! waited with it in hand could be waiting for others that do the same.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Found, Sidecar, failed, fault, part, read_sidecar, refused, verdict};
use crate::effects::catalogue::Content;
use crate::effects::{Effects, PhotoLimits};
use crate::job::JobError;
use crate::photos::listing::Place;
use crate::pixels::{
    Fingerprint, Head, Limits, Probe, SHORT_SIDE, Step, Walk, Wanted, cost, decode_luma, probe,
};

/// Of larger files only the heads are read, and they are not compared.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Memory that a scaled decode of any camera's JPEG takes, unless it is progressive.
const ALLOWANCE: u64 = 16 * 1024 * 1024;

/// Memory for the pixels, in bytes.
#[derive(Clone, Copy)]
struct Memory {
    /// What was set aside.
    now: u64,
    /// What could be, at most.
    most: u64,
}

/// Memory that a picture needs, in bytes: more than was set aside.
struct Needs(u64);

/// Reads all of a file, if that can be done: none where it is too large.
pub(super) async fn read(
    place: &Place,
    name: &str,
    effects: &Effects,
) -> Result<Option<Found>, JobError> {
    let size = match place {
        Place::Nowhere(_) | Place::Drive(_) => return Ok(None),
        Place::Object { bytes, .. } => *bytes,
        Place::Disk { path, .. } => match path.metadata() {
            Ok(meta) => meta.len(),
            // Whoever reads its head finds out what is wrong.
            Err(_) => return Ok(None),
        },
    };
    let budget = effects.pixels.memory();
    let most = (budget.used + budget.free).saturating_sub(size);
    let mut memory = Memory { now: ALLOWANCE.min(most), most };
    if size > MAX_BYTES {
        return Ok(None);
    }
    loop {
        let Ok(reserved) = effects.pixels.reserve(size + memory.now).await else {
            return Ok(None);
        };
        let (name, limits, place) = (name.to_owned(), effects.photos, place.clone());
        let fetched = match &place {
            Place::Object { bucket, key, .. } => {
                match part(&effects.objects, bucket, key, 0..size).await? {
                    Ok(bytes) => bytes,
                    Err(failed) => return Ok(Some((failed, None))),
                }
            }
            _ => Vec::new(),
        };
        let work = move |_: &_| match &place {
            Place::Disk { path, sidecar } => match all_of(path, size) {
                Ok(bytes) => {
                    look(bytes, &name, sidecar.as_deref().map(read_sidecar), limits, memory)
                }
                Err(error) => Ok((failed(format!("the file could not be read: {error}")), None)),
            },
            _ => look(fetched, &name, None, limits, memory),
        };
        match effects.pixels.run(reserved, work).await {
            Ok((Ok(found), _)) => return Ok(Some(found)),
            Ok((Err(Needs(more)), _)) => memory.now = more,
            Err(error) => return Ok(Some((fault(&error), None))),
        }
    }
}

/// What a thumbnail looks like, if it is a picture.
pub(super) async fn look_of(thumbnail: Vec<u8>, effects: &Effects) -> Option<Fingerprint> {
    let size = thumbnail.len() as u64;
    let reserved = effects.pixels.reserve(size + ALLOWANCE).await.ok()?;
    let limits = Limits { max_pixels: effects.photos.max_pixels };
    let work = move |_: &_| {
        let mut head = Head::new(size);
        head.insert(0, thumbnail);
        let Step::Picture(mut probe) = probe(&head, "", limits) else { return None };
        fingerprint(head.known(0), &mut probe, ALLOWANCE).ok()
    };
    match effects.pixels.run(reserved, work).await {
        Ok((look, _)) => look,
        Err(error) => {
            fault(&error);
            None
        }
    }
}

/// One that grows meanwhile is looked at again by the next scan.
fn all_of(path: &Path, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    File::open(path)?.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a whole file says of itself, and what it holds, if it is a picture.
fn look(
    bytes: Vec<u8>,
    name: &str,
    sidecar: Option<Result<Sidecar, String>>,
    limits: PhotoLimits,
    memory: Memory,
) -> Result<Found, Needs> {
    let size = bytes.len() as u64;
    let mut head = Head::new(size);
    head.insert(0, bytes);
    let mut probed = match probe(&head, name, Limits { max_pixels: limits.max_pixels }) {
        Step::Picture(probe) => probe,
        Step::Refused(refusal) => return Ok((refused(&refusal), None)),
        // Everything there is, is known.
        Step::Need(_) => {
            return Ok((failed("it became shorter while it was read".to_owned()), None));
        }
    };
    let needs = cost(&probed, Wanted::ShortSide(SHORT_SIDE));
    if needs > memory.now && needs <= memory.most {
        return Err(Needs(needs));
    }
    let bytes = head.known(0);
    let mut walk = Walk::new(probed.format);
    walk.feed(bytes);
    probed.walked(walk.finish());
    let (look, blind) = match fingerprint(bytes, &mut probed, memory.most) {
        Ok(look) => (Some(look), None),
        Err(why) => (None, Some(why)),
    };
    let content = Content {
        hash: hex::encode(Sha256::digest(bytes)),
        look,
        taken_millis: probed.taken.as_ref().and_then(|taken| taken.millis),
    };
    Ok((verdict(*probed, size, sidecar, blind), Some(content)))
}

/// What a picture looks like, or why that cannot be told.
fn fingerprint(bytes: &[u8], probe: &mut Probe, memory: u64) -> Result<Fingerprint, String> {
    match decode_luma(bytes, probe, SHORT_SIDE, memory) {
        Ok(decoded) => {
            probe.walked(decoded.flaw);
            Ok(Fingerprint::of(&decoded.pixels))
        }
        Err(error) => Err(format!("it can only be compared byte by byte: {error}")),
    }
}

#[cfg(test)]
mod ground_truth;
