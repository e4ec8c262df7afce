//! Drive's query language, as far as it is used: `and`, `or`, parentheses, `in parents`, `trashed`, and
//! names and media types that are or hold something.

use super::world::{DriveWorld, Stored};

/// Whether a file fits; none: the query is not understood.
pub(super) fn fits(q: &str, world: &DriveWorld, stored: &Stored) -> Option<bool> {
    let mut rest = q.trim();
    let fits = either(&mut rest, world, stored)?;
    rest.trim().is_empty().then_some(fits)
}

/// The folder that a query asks for, if it begins with one: nothing else has to be looked at.
pub(super) fn parent(q: &str) -> Option<&str> {
    let (id, rest) = q.strip_prefix('\'')?.split_once('\'')?;
    rest.trim_start().starts_with("in parents and").then_some(id)
}

fn either(rest: &mut &str, world: &DriveWorld, stored: &Stored) -> Option<bool> {
    let mut fits = both(rest, world, stored)?;
    while word(rest, "or ") {
        fits |= both(rest, world, stored)?;
    }
    Some(fits)
}

fn both(rest: &mut &str, world: &DriveWorld, stored: &Stored) -> Option<bool> {
    let mut fits = term(rest, world, stored)?;
    while word(rest, "and ") {
        fits &= term(rest, world, stored)?;
    }
    Some(fits)
}

fn term(rest: &mut &str, world: &DriveWorld, stored: &Stored) -> Option<bool> {
    *rest = rest.trim_start();
    if word(rest, "(") {
        let fits = either(rest, world, stored)?;
        return word(rest, ")").then_some(fits);
    }
    if rest.starts_with('\'') {
        let id = quoted(rest)?;
        return word(rest, "in parents").then_some(stored.file.parent == id);
    }
    for (field, value) in [("mimeType", &stored.file.mime), ("name", &stored.file.name)] {
        if word(rest, field) {
            if word(rest, "contains") {
                let part = quoted(rest)?;
                return Some(value.contains(part));
            }
            return word(rest, "=").then(|| quoted(rest)).flatten().map(|text| value == text);
        }
    }
    if word(rest, "trashed") && word(rest, "=") {
        let wanted = if word(rest, "false") { false } else { word(rest, "true") };
        return Some(world.is_trashed(stored) == wanted);
    }
    None
}

fn word(rest: &mut &str, word: &str) -> bool {
    let found = rest.trim_start().strip_prefix(word);
    found.inspect(|after| *rest = after).is_some()
}

fn quoted<'q>(rest: &mut &'q str) -> Option<&'q str> {
    let (text, after) = rest.trim_start().strip_prefix('\'')?.split_once('\'')?;
    *rest = after;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::drive::NewFile;

    #[test]
    fn what_is_asked_is_understood() {
        let mut world = DriveWorld::default();
        let id = world.make(NewFile::of("a.jpg", "root-7", "image/jpeg", "x"));
        let stored = world.files[&id].clone();
        for (q, expected) in [
            ("trashed = false", Some(true)),
            ("trashed=true or name = 'a.jpg'", Some(true)),
            ("'root-7' in parents and trashed = false", Some(true)),
            ("'root-8' in parents and trashed = false", Some(false)),
            ("mimeType contains 'image/' and (name = 'b' or name contains '.jpg')", Some(true)),
            ("mimeType = 'image/png' or mimeType = 'image/gif'", Some(false)),
            ("starred = true", None),
            ("trashed = false and", None),
            ("(trashed = false", None),
        ] {
            assert_eq!(fits(q, &world, &stored), expected, "{q}");
        }
        assert_eq!(parent("'root-7' in parents and trashed = false"), Some("root-7"));
        assert_eq!(parent("trashed = false"), None);
    }
}
