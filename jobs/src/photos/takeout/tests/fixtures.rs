//! Real names and files from exports, when the folder of shared fixtures is there.

use std::path::{Path, PathBuf};

use crate::photos::takeout::{SidecarError, pair, parse};

/// Two names of real exports, and whether they belong together.
#[derive(serde::Deserialize)]
pub(in crate::photos) struct Case {
    pub(in crate::photos) sidecar: String,
    pub(in crate::photos) photo: String,
    #[serde(rename = "match")]
    pub(in crate::photos) belongs: bool,
}

#[expect(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/drive");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no fixtures in {}", folder.display());
    None
}

/// None: the folder is not there, which was said.
pub(in crate::photos) fn cases() -> Option<Vec<Case>> {
    let cases = std::fs::read(fixtures()?.join("takeout_sidecar_name_pairs.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&cases).unwrap();
    assert!(cases.len() > 20);
    Some(cases)
}

#[test]
fn real_names_are_paired() {
    let Some(cases) = cases() else { return };
    for Case { sidecar, photo, belongs } in &cases {
        let paired = pair(&[photo], &[sidecar]);
        assert_eq!(paired.contains_key(photo), *belongs, "{photo} with {sidecar}");
    }

    // All in one folder, each photo still has its own and no other.
    let mut names: Vec<_> = cases.iter().map(|case| case.photo.as_str()).collect();
    let sidecars: Vec<_> = cases.iter().map(|case| case.sidecar.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let paired = pair(&names, &sidecars);
    for case in &cases {
        let found = paired.get(&case.photo) == Some(&case.sidecar);
        assert_eq!(found, case.belongs, "{} with {}", case.photo, case.sidecar);
    }
}

#[test]
fn real_sidecars_are_read() {
    let Some(folder) = fixtures() else { return };
    let read = |name: &str| parse(&std::fs::read(folder.join(name)).unwrap());
    let whole = read("takeout_PXL_20231006_063000139.jpg.json").unwrap();
    assert_eq!(whole.taken_at.unwrap().to_rfc3339(), "2023-10-06T06:30:00+00:00");
    assert_eq!(whole.place, Some((48.858_373_6, 2.291_901)));
    let no_place = read("takeout_no_geo.supplemental-metadata.json").unwrap();
    assert_eq!(no_place.place, None);
    assert!(no_place.taken_at.is_some());
    assert_eq!(read("takeout_album_metadata.json"), Err(SidecarError::NotAPhoto));
}
