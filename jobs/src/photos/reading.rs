//! What is found out about one file: what its head says and whether it is damaged, or, where copies are to be
//! found, all of it (`whole`).

mod drive;
mod whole;

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinError;

use super::listing::{Item, Place, object_error};
use super::takeout::{self, Sidecar};
use crate::effects::catalogue::{Content, Note, PhotoFacts, ScannedFile, Verdict};
use crate::effects::{Effects, ObjectError, Objects, PhotoLimits};
use crate::job::JobError;
use crate::pixels::{Head, Limits, Probe, Refusal, Step, Walk, probe};

/// Bytes read at a time when a whole file is looked at.
const CHUNK: usize = 256 * 1024;

/// Whether more than memory has to be asked to read a file.
pub(super) fn takes_time(item: &Item, fingerprint: bool) -> bool {
    match &item.place {
        Place::Drive(place) => fingerprint || !drive::is_told(place),
        Place::Nowhere(_) => false,
        Place::Disk { .. } | Place::Object { .. } => true,
    }
}

/// Reads what a file says of itself. A broken file is a verdict; an error means that nothing can be
/// read now.
pub(super) async fn read(
    item: Item,
    effects: &Effects,
    fingerprint: bool,
) -> Result<ScannedFile, JobError> {
    let (verdict, content) = match (&item.place, fingerprint) {
        (Place::Drive(place), true) => {
            let verdict = drive::read(place, &item.name, effects.photos).await?;
            let content = match &verdict {
                Verdict::Clean(_) | Verdict::Flawed(..) => drive::content(place, effects).await?,
                Verdict::Refused(_) | Verdict::Failed(_) => None,
            };
            (verdict, content)
        }
        (place, true) => match whole::read(place, &item.name, effects).await? {
            Some(found) => found,
            None => (head(item.place, &item.name, effects).await?, None),
        },
        (_, false) => (head(item.place, &item.name, effects).await?, None),
    };
    Ok(ScannedFile {
        file_id: item.file_id,
        name: item.name,
        source_rev: item.revision,
        verdict,
        content,
    })
}

/// What is found out about a file and, where it was read as a whole, what it holds.
type Found = (Verdict, Option<Content>);

/// Reads what the head of a file says and, of a local one, whether the rest is damaged.
async fn head(place: Place, name: &str, effects: &Effects) -> Result<Verdict, JobError> {
    let limits = effects.photos;
    Ok(match place {
        Place::Nowhere(reason) => failed(reason),
        Place::Drive(place) => drive::read(&place, name, limits).await?,
        Place::Disk { path, sidecar } => {
            let name = name.to_owned();
            let work = move || from_disk(&path, &name, sidecar.as_deref(), limits);
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| fault(&error))
        }
        Place::Object { bucket, key, bytes } => {
            from_bucket(&effects.objects, &bucket, &key, bytes, name, limits).await?
        }
    })
}

/// A panic of a parser is that file's problem, and ours to mend.
fn fault(error: &JoinError) -> Verdict {
    tracing::error!(%error, "reading a photo panicked");
    failed("the file made the reader fail; this is a fault of Roadie".to_owned())
}

fn from_disk(path: &Path, name: &str, sidecar: Option<&Path>, limits: PhotoLimits) -> Verdict {
    let looked = || -> io::Result<(Result<Probe, Refusal>, u64)> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut head = Head::new(bytes);
        let probed = loop {
            match probe(&head, name, Limits { max_pixels: limits.max_pixels }) {
                Step::Need(range) => head.insert(range.start, read_range(&file, range)?),
                Step::Picture(probe) => break Ok(*probe),
                Step::Refused(refusal) => break Err(refusal),
            }
        };
        let probed = match probed {
            Ok(mut probe) if limits.verify_files => {
                let mut walk = Walk::new(probe.format);
                let mut chunk = vec![0; CHUNK.min(usize::try_from(bytes).unwrap_or(CHUNK))];
                loop {
                    match file.read(&mut chunk)? {
                        0 => break,
                        read => walk.feed(&chunk[..read]),
                    }
                }
                probe.walked(walk.finish());
                Ok(probe)
            }
            other => other,
        };
        Ok((probed, bytes))
    };
    match looked() {
        Ok((Ok(probe), bytes)) => verdict(probe, bytes, sidecar.map(read_sidecar), None),
        Ok((Err(refusal), _)) => refused(&refusal),
        Err(error) => failed(format!("the file could not be read: {error}")),
    }
}

/// Up to the end of the range, or of a file that has become shorter.
fn read_range(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let wanted = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
    let mut bytes = vec![0; wanted];
    let mut filled = 0;
    while filled < wanted {
        match file.read_at(&mut bytes[filled..], range.start + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    if filled < wanted {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter meanwhile"));
    }
    Ok(bytes)
}

fn read_sidecar(path: &Path) -> Result<Sidecar, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(takeout::MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("its Takeout file could not be read: {error}"))?;
    takeout::parse(&bytes).map_err(|error| format!("its Takeout file was left aside: {error}"))
}

async fn from_bucket(
    objects: &Objects,
    bucket: &str,
    key: &str,
    bytes: u64,
    name: &str,
    limits: PhotoLimits,
) -> Result<Verdict, JobError> {
    let mut head = Head::new(bytes);
    loop {
        let wanted = match probe(&head, name, Limits { max_pixels: limits.max_pixels }) {
            Step::Need(range) => range,
            Step::Picture(probe) => return Ok(verdict(*probe, bytes, None, None)),
            Step::Refused(refusal) => return Ok(refused(&refusal)),
        };
        match part(objects, bucket, key, wanted.clone()).await? {
            Ok(read) => head.insert(wanted.start, read),
            Err(failed) => return Ok(failed),
        }
    }
}

/// Some bytes of an object, or why it does not have them.
async fn part(
    objects: &Objects,
    bucket: &str,
    key: &str,
    wanted: Range<u64>,
) -> Result<Result<Vec<u8>, Verdict>, JobError> {
    let length = wanted.end - wanted.start;
    let reason = match objects.read(bucket, key, wanted).await {
        Ok(read) if read.len() as u64 == length => return Ok(Ok(read)),
        Ok(_) => "the object became shorter while it was read".to_owned(),
        // This object's problem; the others may be fine.
        Err(ObjectError::Unreadable { code, .. }) => withheld(&code),
        Err(error @ ObjectError::NoObject { .. }) => {
            format!("the object could not be read: {error}")
        }
        Err(error) => return Err(object_error(error)),
    };
    Ok(Err(failed(reason)))
}

/// Why a store does not hand out an object.
fn withheld(code: &str) -> String {
    match code {
        "AccessDenied" | "HTTP 403" => {
            format!("the object could not be read: the store denies access to it ({code})")
        }
        "InvalidObjectState" => format!(
            "the object could not be read: it is in an archive and must be restored first ({code})"
        ),
        _ if code.starts_with("KMS.") => {
            format!("the object could not be read: its encryption key may not be used now ({code})")
        }
        _ => format!("the object could not be read: the store does not hand it out ({code})"),
    }
}

fn failed(reason: String) -> Verdict {
    let hint = "check that the file is there and may be read, then scan again".to_owned();
    Verdict::Failed(Note { reason, hint: Some(hint) })
}

fn refused(refusal: &Refusal) -> Verdict {
    Verdict::Refused(Note { reason: refusal.to_string(), hint: Some(refusal.hint().to_owned()) })
}

fn verdict(
    probe: Probe,
    bytes: u64,
    sidecar: Option<Result<Sidecar, String>>,
    blind: Option<String>,
) -> Verdict {
    let (sidecar, complaint) = match sidecar.transpose() {
        Ok(sidecar) => (sidecar, None),
        Err(complaint) => (None, Some(complaint)),
    };
    let mut reasons: Vec<String> = probe.flaws.iter().map(ToString::to_string).collect();
    reasons.extend(complaint);
    reasons.extend(blind);
    let hint = probe.flaws.first().map(|flaw| flaw.hint().to_owned());
    let facts = Box::new(facts(probe, bytes, sidecar.as_ref()));
    if reasons.is_empty() {
        return Verdict::Clean(facts);
    }
    Verdict::Flawed(facts, Note { reason: reasons.join("; "), hint })
}

/// The photo's own words come first, Takeout's fill the gaps: Google's time is in UTC, so it knows
/// the instant where a camera without an offset does not.
fn facts(probe: Probe, bytes: u64, sidecar: Option<&Sidecar>) -> PhotoFacts {
    let told_at = sidecar.and_then(|sidecar| sidecar.taken_at);
    let told_place = sidecar.and_then(|sidecar| sidecar.place);
    let own_place = probe.place.as_ref().map(|place| (place.lat, place.lon));
    let instant = probe.taken.as_ref().and_then(|taken| {
        let offset = TimeDelta::try_minutes(i64::from(taken.offset_minutes?))?;
        Some(taken.local.checked_sub_signed(offset)?.and_utc())
    });
    let source = |own: bool, told: bool| match (own, told) {
        (true, _) => Some("exif".to_owned()),
        (false, true) => Some("takeout".to_owned()),
        (false, false) => None,
    };
    PhotoFacts {
        format: Some(probe.format.name().to_owned()),
        mime_type: Some(probe.format.mime().to_owned()),
        bytes: Some(bytes),
        width: Some(probe.width),
        height: Some(probe.height),
        taken_source: source(probe.taken.is_some(), told_at.is_some()),
        taken_local: probe.taken.as_ref().map(|taken| taken.local),
        taken_offset_minutes: probe.taken.as_ref().and_then(|taken| taken.offset_minutes),
        taken_at: instant.or(told_at),
        gps_at: probe.gps_at.map(|at| DateTime::<Utc>::from_naive_utc_and_offset(at, Utc)),
        place_source: source(own_place.is_some(), told_place.is_some()),
        place: own_place.or(told_place),
        accuracy: probe.accuracy.filter(|_| own_place.is_some()),
        orientation: probe.orientation,
        camera_make: probe.camera_make,
        camera_model: probe.camera_model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_an_object_is_withheld_is_said_in_words() {
        for (code, words) in [
            ("AccessDenied", "denies access"),
            ("HTTP 403", "denies access"),
            ("InvalidObjectState", "restored first"),
            ("KMS.DisabledException", "encryption key"),
            ("InvalidRange", "does not hand it out"),
        ] {
            let told = withheld(code);
            assert!(told.contains(words) && told.contains(code), "{told}");
        }
    }
}
