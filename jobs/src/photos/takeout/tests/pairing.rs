//! The rules of names, in names of our own.

use crate::photos::takeout::pair;

/// Pairs the files of one folder; answers `photo < sidecar` lines in order.
fn paired(photos: &[&str], sidecars: &[&str]) -> Vec<String> {
    let mut lines: Vec<_> = pair(photos, sidecars)
        .into_iter()
        .map(|(photo, sidecar)| format!("{photo} < {sidecar}"))
        .collect();
    lines.sort();
    // The order of the files must not matter.
    let reversed = |names: &[&str]| names.iter().rev().map(|name| (*name).to_owned()).collect();
    let (other_photos, other_sidecars): (Vec<String>, Vec<String>) =
        (reversed(photos), reversed(sidecars));
    let other_photos: Vec<_> = other_photos.iter().map(String::as_str).collect();
    let other_sidecars: Vec<_> = other_sidecars.iter().map(String::as_str).collect();
    assert_eq!(pair(&other_photos, &other_sidecars).len(), lines.len());
    lines
}

/// Every photo with the sidecar that it must get; nothing else may be paired.
fn assert_paired(cases: &[(&str, &str)], sidecars: &[&str]) {
    let photos: Vec<_> = cases.iter().map(|(photo, _)| *photo).collect();
    let mut expected: Vec<_> = cases
        .iter()
        .filter(|(_, sidecar)| !sidecar.is_empty())
        .map(|(photo, sidecar)| format!("{photo} < {sidecar}"))
        .collect();
    expected.sort();
    assert_eq!(paired(&photos, sidecars), expected);
}

/// Rule, photo, sidecar. The long titles have 45 to 51 units; 46 fit into a sidecar's name.
const BELONGING: &str = "\
the older way              | gig.jpg | gig.jpg.json
the newer way              | gig.jpg | gig.jpg.supplemental-metadata.json
a counter after it         | gig(2).jpg | gig.jpg.supplemental-metadata(2).json
a counter, older           | gig(2).jpg | gig.jpg(2).json
a counter of the title     | gig(2).jpg | gig(2).jpg.json
such a title, newer        | gig(2).jpg | gig(2).jpg.supplemental-metadata.json
both counters              | gig(2)(1).jpg | gig(2).jpg(1).json
a cut supplement           | gig.jpg | gig.jpg.supplemental-m.json
one cut to its dot         | festival-main-stage-second-night-encore-0.jpg | festival-main-stage-second-night-encore-0.jpg..json
a cut extension            | festival-main-stage-second-night-encore-0000.jpg | festival-main-stage-second-night-encore-0000.j.json
a cut stem                 | festival-main-stage-second-night-encore-0000001.jpg | festival-main-stage-second-night-encore-000000.json
a cut stem, counted        | festival-main-stage-second-night-encore-0000001(3).jpg | festival-main-stage-second-night-encore-000000(3).json
no extension               | gig.jpg | gig.json
none, newer                | gig.jpg | gig.supplemental-metadata.json
edited                     | gig-edited.jpg | gig.jpg.json
edited, French             | gig-modifié.jpg | gig.jpg.supplemental-metadata.json
edited, German             | gig-bearbeitet.jpg | gig.jpg.supplemental-met.json
edited and counted         | gig-edited(1).jpg | gig.jpg(1).json
counted and edited         | gig(1)-edited.jpg | gig.jpg(1).json
edited into another format | gig-edited.jpg | gig.HEIC.json
edited, the word cut       | festival-main-stage-second-night-encore-0000-ed.jpg | festival-main-stage-second-night-encore-0000.j.json
an upper-case ending       | gig.JPG | gig.JPG.JSON
";

const STRANGERS: &str = "\
another name               | gig1.jpg | gig2.jpg.json
a longer name              | gig1.jpg | gig10.jpg.json
a shorter name             | gig10.jpg | gig1.json
another counter            | gig(1).jpg | gig.jpg(2).json
no counter                 | gig.jpg | gig.jpg(1).json
too much counter           | gig(1).jpg | gig.jpg.json
another extension          | gig.jpg | gig.heic.json
edited, another name       | gig1-edited.jpg | gig2.jpg.json
edited, no word for it     | gig-thing.jpg | gig.jpg.json
a cut word in a short name | gig-ed.jpg | gig.jpg.json
only a word                | -edited.jpg | .jpg.json
the album                  | metadata.jpg | metadata.json
no sidecar                 | gig.jpg | gig.jpg.xml
nothing before the ending  | gig.jpg | .json
cut, but too early         | festival-main-stage.jpg | festival-main-sta.json
";

fn table(text: &str) -> impl Iterator<Item = [&str; 3]> {
    text.lines().map(|line| {
        let cells: Vec<_> = line.split(" | ").map(str::trim).collect();
        cells.try_into().expect("a rule and two names")
    })
}

#[test]
fn a_photo_gets_its_own_sidecar() {
    for [rule, photo, sidecar] in table(BELONGING) {
        assert_eq!(
            pair(&[photo], &[sidecar]).get(photo).map(String::as_str),
            Some(sidecar),
            "{rule}"
        );
    }
    // The accent may be a character of its own.
    assert_eq!(pair(&["gig-modifie\u{301}.jpg"], &["gig.jpg.json"]).len(), 1);
}

#[test]
fn a_photo_does_not_get_the_sidecar_of_another() {
    for [rule, photo, sidecar] in table(STRANGERS) {
        assert!(pair(&[photo], &[sidecar]).is_empty(), "{rule}");
    }
}

#[test]
fn closer_fits_win() {
    assert_paired(
        &[
            ("gig.jpg", "gig.jpg.supplemental-metadata.json"),
            ("gig-edited.jpg", "gig-edited.jpg.json"),
            ("late.jpg", "late.jpg.json"),
            ("late-edited.jpg", "late.jpg.json"),
            ("late-bearbeitet.jpg", "late.jpg.json"),
            ("odd.jpg", "odd.jpg.json"),
            ("odd.jpg.png", ""),
        ],
        &[
            "gig.jpg.json",
            "gig.jpg.supplemental-metadata.json",
            "gig-edited.jpg.json",
            "late.jpg.json",
            "odd.jpg.json",
            "metadata.json",
        ],
    );
}

#[test]
fn counters_keep_photos_of_one_name_apart() {
    assert_paired(
        &[
            ("gig.jpg", "gig.jpg.supplemental-metadata.json"),
            ("gig(1).jpg", "gig.jpg.supplemental-metadata(1).json"),
            ("gig(2).jpg", "gig.jpg.supplemental-metadata(2).json"),
            ("gig-edited.jpg", "gig.jpg.supplemental-metadata.json"),
            ("gig-edited(2).jpg", "gig.jpg.supplemental-metadata(2).json"),
            ("gig(3).jpg", ""),
        ],
        &[
            "gig.jpg.supplemental-metadata.json",
            "gig.jpg.supplemental-metadata(1).json",
            "gig.jpg.supplemental-metadata(2).json",
        ],
    );
}

#[test]
fn nothing_is_guessed() {
    let long = "festival-main-stage-second-night-encore-000000";
    assert_eq!(long.len(), 46);
    // Two photos whose cut names are the same, one sidecar: whose is it?
    let (one, two) = (format!("{long}1.jpg"), format!("{long}2.jpg"));
    let (sidecar, counted) = (format!("{long}.json"), format!("{long}(1).json"));
    assert_paired(&[(&one, ""), (&two, "")], &[&sidecar, &counted]);
    // Alone it is clear, and a whole name settles it for both.
    assert_paired(&[(&one, &sidecar)], &[&sidecar, &counted]);
    let whole = format!("{two}.json");
    assert_paired(&[(&one, &sidecar), (&two, &whole)], &[&sidecar, &whole]);
    // An edited copy does not take what belongs to a neighbour.
    let edited = format!("{long}2-edited.jpg");
    assert_paired(&[(&one, &sidecar), (&edited, "")], &[&sidecar]);
    // The title's counter and Takeout's own look the same.
    assert_paired(&[("gig(1).jpg", "")], &["gig.jpg(1).json", "gig(1).jpg.json"]);
    // Two originals for one edited copy of another format.
    assert_paired(
        &[("gig.heic", "gig.heic.json"), ("gig.png", "gig.png.json"), ("gig-edited.jpg", "")],
        &["gig.heic.json", "gig.png.json"],
    );
}

#[test]
fn cut_edited_copies_share_with_their_original() {
    let long = "festival-main-stage-second-night-encore-000000";
    let (original, edited) = (format!("{long}.jpg"), format!("{long}-.jpg"));
    let sidecar = format!("{long}.json");
    assert_eq!(edited.len(), 51);
    assert_paired(&[(&original, &sidecar), (&edited, &sidecar)], &[&sidecar]);
    // Without an original it may be a title that ends so; the sidecar fits all the same.
    assert_paired(&[(&edited, &sidecar)], &[&sidecar]);
}

#[test]
fn names_are_cut_in_utf_16() {
    // Two units each; 23 of them fill the sidecar's name, a 24th would not fit.
    let notes = "🎸".repeat(24);
    let sidecar = format!("{}.json", "🎸".repeat(23));
    assert_paired(&[(&format!("{notes}.jpg"), &sidecar)], &[&sidecar]);
    // One unit is left over, too little for the next.
    let photo = format!("x{notes}.jpg");
    let sidecar = format!("x{}.json", "🎸".repeat(22));
    assert_paired(&[(&photo, &sidecar)], &[&sidecar]);
}

#[test]
fn odd_lists_are_survived() {
    assert!(pair(&[], &[]).is_empty());
    assert!(
        pair(&["", ".", "(1)", "(1).jpg", "-edited", "()"], &["", ".json", "(1).json"]).len() < 9
    );
    assert_eq!(paired(&["a.jpg", "a.jpg"], &["a.jpg.json", "a.jpg.json"]).len(), 1);
    // A folder of ten thousand takes no quadratic time.
    let photos: Vec<_> = (0..10_000).map(|number| format!("IMG_{number}.jpg")).collect();
    let sidecars: Vec<_> = photos.iter().map(|photo| format!("{photo}.suppl.json")).collect();
    let photos: Vec<_> = photos.iter().map(String::as_str).collect();
    let sidecars: Vec<_> = sidecars.iter().map(String::as_str).collect();
    assert_eq!(pair(&photos, &sidecars).len(), 10_000);
}
