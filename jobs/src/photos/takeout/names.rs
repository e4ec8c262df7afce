//! How Takeout builds file names.
//!
//! - A sidecar is called as the photo's title, then `.supplemental-metadata` (since 2024; nothing
//!   before), cut to 46 UTF-16 units, then perhaps a counter, then `.json`:
//!   `IMG_1.jpg.supplemental-metadata(2).json`.
//! - The photo keeps its extension at the end, the counter stands before it, and name and extension
//!   are cut to 51 units without the counter: `IMG_1(2).jpg`.
//! - A title without an extension gets one in the photo's name only.
//! - A copy edited in Google Photos has a word in the exporting user's language at the end of its
//!   stem, and no sidecar of its own: `IMG_1-edited(2).jpg`.

/// UTF-16 units of a sidecar's name before counter and `.json`.
pub(super) const SIDECAR_UNITS: usize = 46;

/// UTF-16 units of a photo's name without its counter.
const PHOTO_UNITS: usize = 51;

/// What newer exports append to the title in a sidecar's name, after a dot.
const SUPPLEMENT: &str = "supplemental-metadata";

/// Letters of a cut [`SUPPLEMENT`] by which it is recognised in a name that is not at its limit,
/// as exports with other limits might have: no file extension begins like that.
const UNMISTAKABLE: usize = 4;

/// The ends of edited copies' stems; the accent may be a character of its own.
const EDITED: [&str; 21] = [
    "-edited",
    "-effects",
    "-smile",
    "-mix",
    "-bearbeitet",
    "-bewerkt",
    "-düzenlendi",
    "-editada",
    "-editado",
    "-ha editado",
    "-editat",
    "-edytowane",
    "-modificato",
    "-modifié",
    "-modifie\u{301}",
    "-muokattu",
    "-redigerad",
    "-redigeret",
    "-redigert",
    "-изменено",
    "-編集済み",
];

/// A name without its counter, and the counter; 0 stands for none (Takeout begins with 1).
pub(super) type Counted = (String, u32);

/// Stem and extension, which includes its dot; a leading dot begins no extension.
pub(super) fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 => name.split_at(dot),
        _ => (name, ""),
    }
}

/// `name(7)` → `name` and 7.
fn split_counter(name: &str) -> Option<(&str, u32)> {
    let (rest, digits) = name.strip_suffix(')')?.rsplit_once('(')?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    (plain && !rest.is_empty()).then_some((rest, digits.parse().ok()?))
}

/// A photo's name with its counter taken for one.
pub(super) fn counted_photo(name: &str) -> Option<Counted> {
    let (stem, extension) = split(name);
    let (stem, counter) = split_counter(stem)?;
    Some((format!("{stem}{extension}"), counter))
}

/// Every way to read a photo's name: its counter may also be a part of the title.
pub(super) fn readings(name: &str) -> Vec<Counted> {
    std::iter::once((name.to_owned(), 0)).chain(counted_photo(name)).collect()
}

/// The original's name in every reading, if this is the name of an edited copy.
pub(super) fn originals_of_edited(name: &str) -> Vec<Counted> {
    let mut originals = Vec::new();
    for (name, counter) in readings(name) {
        let (stem, extension) = split(&name);
        for original in without_edited(stem, extension) {
            if counter == 0 {
                originals.extend(readings(&original));
            } else {
                originals.push((original, counter));
            }
        }
    }
    originals
}

fn without_edited(stem: &str, extension: &str) -> Vec<String> {
    let at_limit = units(stem) + units(extension) == PHOTO_UNITS;
    let mut originals: Vec<_> = EDITED
        .iter()
        .flat_map(|word| {
            // At the limit the word may have been cut, down to its dash.
            let shortest = if at_limit { 1 } else { word.len() };
            let ends = (shortest..=word.len()).filter_map(|end| word.get(..end));
            ends.filter_map(|end| stem.strip_suffix(end))
        })
        .filter(|stem| !stem.is_empty())
        .map(|stem| format!("{stem}{extension}"))
        .collect();
    originals.sort();
    originals.dedup();
    originals
}

/// A sidecar's name without `.json`, in every reading; nothing for other files.
pub(super) fn sidecar_readings(name: &str) -> Vec<Counted> {
    let (base, extension) = split(name);
    if !extension.eq_ignore_ascii_case(".json") {
        return Vec::new();
    }
    let counted = split_counter(base).map(|(rest, counter)| (rest.to_owned(), counter));
    std::iter::once((base.to_owned(), 0)).chain(counted).collect()
}

/// The title in a sidecar's name that ends with [`SUPPLEMENT`], and whether that is whole.
pub(super) fn without_supplement(base: &str) -> Option<(&str, bool)> {
    let (title, end) = base.rsplit_once('.')?;
    let known = SUPPLEMENT.starts_with(end) && !title.is_empty();
    (known && (is_cut(base) || end.len() >= UNMISTAKABLE)).then_some((title, end == SUPPLEMENT))
}

/// Whether a sidecar's name is as long as a cut one: one unit less where the cut would have split
/// a character of two.
pub(super) fn is_cut(base: &str) -> bool {
    (SIDECAR_UNITS - 1..=SIDECAR_UNITS).contains(&units(base))
}

/// The beginning of a name that a sidecar has room for, if that is not all of it.
pub(super) fn cut(name: &str) -> Option<&str> {
    let mut room = SIDECAR_UNITS;
    let end = name.char_indices().find_map(|(at, character)| {
        let Some(left) = room.checked_sub(character.len_utf16()) else {
            return Some(at);
        };
        room = left;
        None
    })?;
    Some(&name[..end])
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}
