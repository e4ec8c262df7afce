//! The photo collection beside the repository: which of its files are copies of one, and whether that is
//! found.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Memory, look};
use crate::effects::PhotoLimits;
use crate::effects::catalogue::{Catalogue, CatalogueOptions, Provider, ScannedFile};
use crate::photos::dedup::{Outcome, run};

const MOST: u64 = 1 << 30;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The group of each file that is one of several copies.
fn truth(csv: &str) -> HashMap<String, String> {
    let rows = csv.lines().skip(1).filter_map(|line| {
        let mut fields = line.splitn(3, ',');
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    });
    rows.collect()
}

fn pairs<'n>(group: &[&'n str]) -> impl Iterator<Item = (&'n str, &'n str)> {
    let mut group = group.to_vec();
    group.sort_unstable();
    (0..group.len()).flat_map(move |one| {
        let group = group.clone();
        (one + 1..group.len()).map(move |other| (group[one], group[other]))
    })
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a skipped test must say so, and figures are of interest")]
async fn copies_are_found_and_nothing_else() {
    let photos = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/photos"));
    let Ok(csv) = std::fs::read_to_string(photos.join("GROUND_TRUTH_DUPLICATES.csv")) else {
        println!("SKIPPED: ../shared/photos is not there");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("catalogue.db").display());
    let catalogue = Catalogue::connect(CatalogueOptions { url, ..CatalogueOptions::default() });
    let catalogue = catalogue.await.unwrap();
    catalogue.migrate().await.unwrap();
    let limits = PhotoLimits { max_pixels: 268_402_689, read_ahead: 1, verify_files: true };
    let memory = Memory { now: MOST, most: MOST };
    let mut page = Vec::new();
    for path in files(photos) {
        let name = path.strip_prefix(photos).unwrap().display().to_string();
        let bytes = std::fs::read(&path).unwrap();
        let Ok((verdict, content)) = look(bytes, &name, None, limits, memory) else {
            panic!("{name} takes more than {MOST} bytes");
        };
        let source_rev = "r1".to_owned();
        page.push(ScannedFile { file_id: name.clone(), name, source_rev, verdict, content });
    }
    catalogue.record_page(1, Provider::Folder, &page, "scan", 0).await.unwrap();
    let Outcome::Proposed(compared, _) = run(&catalogue, 1, false, 0).await.unwrap() else {
        panic!("nobody else is here");
    };
    let found = catalogue.duplicate_groups(1, None, 1_000).await.unwrap();
    let found: BTreeSet<(&str, &str)> = found
        .iter()
        .flat_map(|group| {
            let names: Vec<&str> = group.members.keys().map(|key| key.file_id.as_str()).collect();
            pairs(&names).collect::<Vec<_>>()
        })
        .collect();

    let truth = truth(&csv);
    let mut groups: HashMap<&str, Vec<&str>> = HashMap::new();
    for (file, group) in &truth {
        groups.entry(group).or_default().push(file);
    }
    let expected: BTreeSet<(&str, &str)> = groups.values().flat_map(|group| pairs(group)).collect();
    let missed: Vec<_> = expected.difference(&found).collect();
    // Broken files are copies of good ones, cut or bent, and nobody has told of which; nor that there is
    // one portrait in grey and in colour.
    let told = |name: &str| !name.starts_with("malformed/") && !name.starts_with("other/hopper_");
    let wrong: Vec<_> =
        found.difference(&expected).filter(|(one, other)| told(one) && told(other)).collect();
    println!(
        "{compared} photos, {} pairs of copies, {} missed: {missed:?}, {} wrong: {wrong:?}",
        expected.len(),
        missed.len(),
        wrong.len()
    );
    assert!(missed.len() * 10 <= expected.len(), "{missed:?}");
    assert!(wrong.is_empty(), "{wrong:?}");
}
