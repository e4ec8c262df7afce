//! The samples are what they are said to be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::Path;

use exif::{In, Reader, Tag};

use super::{Kind, Sample, write};

/// Every file below a folder, by its path.
fn read(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

fn sampled(count: usize) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(write(&folder.path().join("made/on demand"), count).unwrap(), count);
    read(&folder.path().join("made/on demand"))
}

#[test]
fn as_many_as_asked_for_and_always_the_same() {
    let files = sampled(400);
    let photos = files.keys().filter(|name| !name.contains(".supplemental-metadata."));
    assert_eq!(photos.count(), 400);
    assert_eq!(files, sampled(400));
    let fewer = sampled(80);
    assert!(fewer.iter().all(|(name, bytes)| files[name] == *bytes), "more only adds");
    assert!(sampled(1).len() == 1);
}

#[test]
fn names_are_unique() {
    let paths: BTreeSet<_> = (0..30_000).map(|number| Sample::new(number).path()).collect();
    assert_eq!(paths.len(), 30_000);
}

#[test]
fn one_in_forty_has_something_wrong() {
    let kinds: Vec<Kind> = (0..400).map(Kind::of).collect();
    let count = |kind| kinds.iter().filter(|&&other| other == kind).count();
    for fault in super::FAULTS {
        assert_eq!(count(fault), 2, "{fault:?}");
    }
    assert_eq!(count(Kind::BareJpeg) + count(Kind::BarePng), 40);
    assert_eq!(count(Kind::Takeout), 30);
}

#[test]
fn the_exif_says_what_the_sample_says() {
    let files = sampled(240);
    let (mut south, mut west, mut turned) = (0, 0, BTreeSet::new());
    for sample in (0..240).map(Sample::new).filter(|sample| sample.kind == Kind::Photo) {
        let bytes = &files[sample.path().to_str().unwrap()];
        let exif = Reader::new().read_from_container(&mut Cursor::new(bytes)).unwrap();
        let shown = |tag| {
            let field = exif.get_field(tag, In::PRIMARY);
            field.map(|field| field.display_value().to_string())
        };
        let taken = sample.taken.format("%Y-%m-%d %H:%M:%S").to_string();
        assert_eq!(shown(Tag::DateTimeOriginal), Some(taken));
        assert_eq!(
            shown(Tag::OffsetTimeOriginal).is_some(),
            sample.shot().offset_minutes.is_some()
        );
        assert_eq!(shown(Tag::GPSLatitude).is_some(), sample.shot().place.is_some());
        south += usize::from(shown(Tag::GPSLatitudeRef).as_deref() == Some("S"));
        west += usize::from(shown(Tag::GPSLongitudeRef).as_deref() == Some("W"));
        turned.insert(exif.get_field(Tag::Orientation, In::PRIMARY).unwrap().value.get_uint(0));
        assert!(shown(Tag::Make).is_some() && shown(Tag::Model).is_some());
    }
    assert!(south > 20 && west > 20, "{south} south, {west} west");
    assert_eq!(turned.len(), 8);
}

#[test]
fn takeout_photos_have_their_time_beside_them() {
    let files = sampled(80);
    for sample in (0..80).map(Sample::new).filter(|sample| sample.kind == Kind::Takeout) {
        let photo = sample.path().to_str().unwrap().to_owned();
        let exif = Reader::new().read_from_container(&mut Cursor::new(&files[&photo])).unwrap();
        assert!(exif.get_field(Tag::DateTimeOriginal, In::PRIMARY).is_none());
        let sidecar = &files[&format!("{photo}.supplemental-metadata.json")];
        let sidecar: serde_json::Value = serde_json::from_slice(sidecar).unwrap();
        let seconds = sample.utc().and_utc().timestamp().to_string();
        assert_eq!(sidecar["photoTakenTime"]["timestamp"], seconds);
    }
}

#[test]
fn there_was_a_show_on_every_evening_but_in_wellington() {
    let known = super::world(240);
    assert_eq!((known.elements.len(), known.setlists.len()), (8, 2 * 27));
    for sample in (0..240).map(Sample::new) {
        let date = sample.taken.format("%d-%m-%Y").to_string();
        let shows = known.setlists.iter().filter(|setlist| setlist["eventDate"] == date).count();
        let wellington = sample.place.0 < -41.0;
        assert_eq!(shows, if wellington { 0 } else { 2 }, "{date}");
    }
}
