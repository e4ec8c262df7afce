//! Photos in Google Drive: what listings tell, and for the rest the Takeout file and the head.

use chrono::{NaiveDateTime, TimeDelta, Utc};

use super::{Sidecar, failed, refused, whole};
use crate::effects::catalogue::{Content, Note, PhotoFacts, Verdict};
use crate::effects::google::{DriveError, ImageMetadata, Location};
use crate::effects::{Effects, PhotoLimits};
use crate::job::JobError;
use crate::photos::drive::{DrivePlace, ListedFile, Picture, format};
use crate::photos::takeout;
use crate::pixels::{Head, Limits, Probe, Step, probe};

/// Pixels along the longer side of the thumbnails that fingerprints are made of: panoramas of four to one
/// still have what is needed along the shorter one.
const THUMBNAIL: u32 = 512;

/// What is known of a photo, the closest source first.
#[derive(Default)]
struct Known {
    facts: PhotoFacts,
    complaints: Vec<String>,
}

/// Whether the listing has told all that is to be known of a photo.
pub(super) fn is_told(place: &DrivePlace) -> bool {
    !Known::of(place).lacks()
}

/// Reads what is to be known of a photo, with as few questions as that takes.
pub(super) async fn read(
    place: &DrivePlace,
    name: &str,
    limits: PhotoLimits,
) -> Result<Verdict, JobError> {
    let mut known = Known::of(place);
    if known.lacks()
        && let Some((id, file)) = &place.sidecar
    {
        match sidecar(place, id, file).await? {
            Ok(sidecar) => known.add_sidecar(&sidecar),
            Err(complaint) => known.complaints.push(complaint),
        }
    }
    if known.lacks() {
        const LOCKED: &str = "its owner does not let it be downloaded";
        if place.picture.locked && known.facts.width.is_some() {
            known.complaints.push(LOCKED.to_owned());
        } else if place.picture.locked {
            return Ok(failed(LOCKED.to_owned()));
        } else {
            match head(place, name, limits).await? {
                Ok(Ok(probe)) => known.add_probe(*probe),
                Ok(Err(refused)) => return Ok(refused),
                // What Drive tells of it is known all the same.
                Err(reason) if known.facts.width.is_some() => known.complaints.push(reason),
                Err(reason) => return Ok(failed(reason)),
            }
        }
    }
    Ok(known.verdict())
}

/// What a photo holds: its hash as Drive tells it, and what its thumbnail looks like. Where Drive does not
/// have these, none: the photo is not compared.
pub(super) async fn content(
    place: &DrivePlace,
    effects: &Effects,
) -> Result<Option<Content>, JobError> {
    let Some(hash) = place.picture.sha256.clone() else { return Ok(None) };
    let look = match place.drive.thumbnail(&place.file_id, THUMBNAIL).await {
        Ok(Some(thumbnail)) => whole::look_of(thumbnail, effects).await,
        Ok(None) | Err(DriveError::Withheld { .. }) => None,
        Err(error) => return Err(error.for_job()),
    };
    Ok(Some(Content { hash, look, taken_millis: None }))
}

/// What a listing tells. Of the time it is the camera's wall clock, of no zone.
fn told(picture: &Picture) -> PhotoFacts {
    let none = ImageMetadata::default();
    let told = picture.told.as_ref().unwrap_or(&none);
    let format = format(&picture.mime);
    let number = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let time = told.time.as_deref().and_then(wall_clock);
    let place = told.location.and_then(on_earth);
    PhotoFacts {
        format: format.map(|format| format.name().to_owned()),
        mime_type: format.map(|format| format.mime().to_owned()),
        bytes: picture.bytes,
        width: number(told.width).filter(|&pixels| pixels > 0),
        height: number(told.height).filter(|&pixels| pixels > 0),
        taken_local: time,
        taken_source: time.map(|_| "drive".to_owned()),
        place,
        place_source: place.map(|_| "drive".to_owned()),
        orientation: told.rotation.map(|turns| [1, 6, 3, 8][(turns % 4) as usize]),
        camera_make: told.camera_make.clone(),
        camera_model: told.camera_model.clone(),
        ..PhotoFacts::default()
    }
}

/// `2019:07:20 21:14:05`; a clock that was never set tells nothing.
fn wall_clock(text: &str) -> Option<NaiveDateTime> {
    let time = NaiveDateTime::parse_from_str(text.trim(), "%Y:%m:%d %H:%M:%S").ok()?;
    let never = NaiveDateTime::parse_from_str("1970-01-01T00:00:00", "%Y-%m-%dT%H:%M:%S").ok();
    (Some(time) != never).then_some(time)
}

fn on_earth(at: Location) -> Option<(f64, f64)> {
    let place = (at.latitude, at.longitude);
    let real = place.0.abs() <= 90.0 && place.1.abs() <= 180.0 && place != (0.0, 0.0);
    real.then_some(place)
}

impl Known {
    fn of(place: &DrivePlace) -> Self {
        Self { facts: told(&place.picture), complaints: Vec::new() }
    }

    /// With its place a wall clock is an instant, and with an instant it needs no offset.
    fn lacks(&self) -> bool {
        let facts = &self.facts;
        let timed = facts.taken_local.is_some() && facts.place.is_some();
        facts.width.is_none() || !(timed || facts.taken_at.is_some())
    }

    fn add_sidecar(&mut self, sidecar: &Sidecar) {
        let facts = &mut self.facts;
        facts.taken_at = facts.taken_at.or(sidecar.taken_at);
        if facts.taken_source.is_none() && facts.taken_at.is_some() {
            facts.taken_source = Some("takeout".to_owned());
        }
        if facts.place.is_none() && sidecar.place.is_some() {
            facts.place = sidecar.place;
            facts.place_source = Some("takeout".to_owned());
        }
    }

    /// The photo's own words come before what others have read from it.
    fn add_probe(&mut self, probe: Probe) {
        self.complaints.extend(probe.flaws.iter().map(ToString::to_string));
        let known = std::mem::take(&mut self.facts);
        let own = super::facts(probe, known.bytes.unwrap_or_default(), None);
        let timed = own.taken_local.is_some();
        let placed = own.place.is_some();
        // What the offset says belongs to the time that it stands beside.
        let instant = own.taken_local.zip(own.taken_offset_minutes).and_then(|(local, minutes)| {
            let offset = TimeDelta::try_minutes(i64::from(minutes))?;
            local.checked_sub_signed(offset)?.and_local_timezone(Utc).single()
        });
        self.facts = PhotoFacts {
            bytes: known.bytes,
            taken_local: own.taken_local.or(known.taken_local),
            taken_at: instant.or(known.taken_at),
            taken_source: if timed { own.taken_source } else { known.taken_source },
            place: own.place.or(known.place),
            place_source: if placed { own.place_source } else { known.place_source },
            orientation: own.orientation.or(known.orientation),
            camera_make: own.camera_make.or(known.camera_make),
            camera_model: own.camera_model.or(known.camera_model),
            ..own
        };
    }

    fn verdict(self) -> Verdict {
        let facts = Box::new(self.facts);
        if self.complaints.is_empty() {
            return Verdict::Clean(facts);
        }
        Verdict::Flawed(facts, Note { reason: self.complaints.join("; "), hint: None })
    }
}

/// The Takeout file, or why it was left aside.
async fn sidecar(
    place: &DrivePlace,
    id: &str,
    file: &ListedFile,
) -> Result<Result<Sidecar, String>, JobError> {
    let bytes = file.bytes.unwrap_or(takeout::MAX_BYTES);
    if bytes > takeout::MAX_BYTES || bytes == 0 {
        return Ok(Err(format!("its Takeout file was left aside: it has {bytes} bytes")));
    }
    Ok(match place.drive.bytes(id, 0..bytes).await {
        Ok(bytes) => takeout::parse(&bytes)
            .map_err(|error| format!("its Takeout file was left aside: {error}")),
        Err(error @ DriveError::Withheld { .. }) => {
            Err(format!("its Takeout file could not be read: {error}"))
        }
        Err(error) => return Err(error.for_job()),
    })
}

/// What the head of the file says; inside: that it is no photo; outside: why it could not be read.
async fn head(
    place: &DrivePlace,
    name: &str,
    limits: PhotoLimits,
) -> Result<Result<Result<Box<Probe>, Verdict>, String>, JobError> {
    let Some(bytes) = place.picture.bytes else {
        return Ok(Err("Google Drive does not tell its size".to_owned()));
    };
    let mut head = Head::new(bytes);
    loop {
        let wanted = match probe(&head, name, Limits { max_pixels: limits.max_pixels }) {
            Step::Need(range) => range,
            Step::Picture(probe) => return Ok(Ok(Ok(probe))),
            Step::Refused(refusal) => return Ok(Ok(Err(refused(&refusal)))),
        };
        match place.drive.bytes(&place.file_id, wanted.clone()).await {
            Ok(read) if read.len() as u64 == wanted.end - wanted.start => {
                head.insert(wanted.start, read);
            }
            Ok(_) => return Ok(Err("the file became shorter while it was read".to_owned())),
            Err(error @ DriveError::Withheld { .. }) => {
                return Ok(Err(format!("the file could not be read: {error}")));
            }
            Err(error) => return Err(error.for_job()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(told: &str) -> Picture {
        let told = serde_json::from_str(told).unwrap();
        let mime = "image/heif".to_owned();
        Picture { mime, bytes: Some(9), told: Some(told), ..Picture::default() }
    }

    fn known(told_of: &str) -> Known {
        Known { facts: told(&picture(told_of)), complaints: Vec::new() }
    }

    #[test]
    fn what_drive_tells_is_taken_as_it_is() {
        let facts = told(&picture(
            r#"{"width":4032,"height":"3024","rotation":1,"time":"2019:07:20 21:14:05",
                "location":{"latitude":52.31,"longitude":4.94,"altitude":2},"cameraMake":"Apple",
                "cameraModel":"iPhone 8"}"#,
        ));
        assert_eq!(
            (facts.width, facts.height, facts.orientation),
            (Some(4_032), Some(3_024), Some(6))
        );
        assert_eq!(facts.taken_local.unwrap().to_string(), "2019-07-20 21:14:05");
        assert_eq!((facts.taken_at, facts.taken_offset_minutes), (None, None));
        assert_eq!(facts.place, Some((52.31, 4.94)));
        assert_eq!(
            (facts.format.as_deref(), facts.mime_type.as_deref()),
            (Some("HEIC"), Some("image/heic"))
        );
        assert_eq!(facts.camera_model.as_deref(), Some("iPhone 8"));
    }

    #[test]
    fn what_means_nothing_counts_as_missing() {
        for told_of in [
            "{}",
            r#"{"width":0,"height":null,"time":"0000:00:00 00:00:00","location":{"latitude":0,"longitude":0}}"#,
            r#"{"time":"1970:01:01 00:00:00","location":{"latitude":91,"longitude":4}}"#,
            r#"{"time":"yesterday","location":"Amsterdam","width":"wide"}"#,
        ] {
            let facts = told(&picture(told_of));
            assert_eq!(
                (facts.taken_local, facts.place, facts.width),
                (None, None, None),
                "{told_of}"
            );
            assert_eq!(facts.taken_source, None);
        }
    }

    #[test]
    fn only_what_lacks_something_is_fetched() {
        let (size, time) = (r#""width":4,"height":3"#, r#""time":"2019:07:20 21:14:05""#);
        let place = r#""location":{"latitude":52.3,"longitude":4.9}"#;
        for (told_of, lacks) in [
            (format!("{{{size},{time},{place}}}"), false),
            (format!("{{{size},{time}}}"), true),
            (format!("{{{size},{place}}}"), true),
            (format!("{{{time},{place}}}"), true),
        ] {
            assert_eq!(known(&told_of).lacks(), lacks, "{told_of}");
        }
        let mut known = known(&format!("{{{size}}}"));
        let sidecar = br#"{"photoTakenTime":{"timestamp":"1696573800"}}"#;
        known.add_sidecar(&takeout::parse(sidecar).unwrap());
        assert!(!known.lacks(), "an instant needs no place");
        assert_eq!(known.facts.taken_source.as_deref(), Some("takeout"));
    }
}
