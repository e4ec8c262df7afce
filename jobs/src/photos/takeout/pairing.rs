//! Which sidecar belongs to which photo.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::names::{
    Counted, counted_photo, cut, is_cut, originals_of_edited, readings, sidecar_readings, split,
    without_supplement,
};

/// How a sidecar's name fits a photo's; closer fits come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The whole name and the whole `.supplemental-metadata`. Beats [`Fit::Plain`], because both
    /// are there when a newer export was unpacked over an older one.
    Supplemented,
    /// The whole name.
    Plain,
    /// Something is cut off.
    Cut,
    /// The title had no extension.
    Stem,
    /// Only for edited copies, which may be saved in another format: another extension.
    OtherExtension,
}

/// Who got a sidecar.
enum Owner<'n> {
    Photo(&'n str),
    /// Several photos fit equally well, and any choice would be a guess.
    Contested,
}

/// The sidecar of each photo of one directory, by name.
///
/// A sidecar belongs to one original, and also to its edited copies. Closer fits win: exact, then
/// cut, then without extension, then edited. A photo with two equally close sidecars, and a
/// sidecar with two equally close originals, stay alone: no answer is better than the time and
/// place of another photo.
pub(crate) fn pair(photos: &[&str], sidecars: &[&str]) -> HashMap<String, String> {
    let mut pairing = Pairing::of(sidecars);
    let photos: BTreeSet<&str> = photos.iter().copied().collect();
    let (edited, originals): (Vec<_>, Vec<_>) =
        photos.into_iter().partition(|photo| !originals_of_edited(photo).is_empty());

    // Somebody may have called a photo "-edited" themselves; then it has a sidecar of its own.
    let everything: Vec<_> = originals.iter().chain(&edited).copied().collect();
    let open = pairing.claim(everything, Fit::Supplemented);
    let open = pairing.claim(open, Fit::Plain);
    let (edited, open): (Vec<_>, Vec<_>) =
        open.into_iter().partition(|photo| edited.binary_search(photo).is_ok());
    let open = pairing.claim(open, Fit::Cut);
    pairing.claim(open, Fit::Stem);

    let own_titles: Vec<_> =
        edited.into_iter().filter(|photo| !pairing.share_with_edited(photo)).collect();
    let open = pairing.claim(own_titles, Fit::Cut);
    pairing.claim(open, Fit::Stem);
    let owned = |(photo, sidecar): (&str, &str)| (photo.to_owned(), sidecar.to_owned());
    pairing.pairs.into_iter().map(owned).collect()
}

#[derive(Default)]
struct Pairing<'n> {
    /// Sidecars by the title in their name.
    titled: HashMap<Counted, Vec<(Fit, &'n str)>>,
    /// The same by the title's stem.
    stems: HashMap<Counted, Vec<&'n str>>,
    /// Sidecars whose name may have been cut, by that name.
    cut: HashMap<Counted, Vec<&'n str>>,
    owners: HashMap<&'n str, Owner<'n>>,
    pairs: HashMap<&'n str, &'n str>,
}

impl<'n> Pairing<'n> {
    fn of(sidecars: &[&'n str]) -> Self {
        let mut pairing = Self::default();
        for sidecar in sidecars.iter().copied().collect::<BTreeSet<_>>() {
            for (base, counter) in sidecar_readings(sidecar) {
                // The album's own file, not that of a photo called "metadata".
                if base == "metadata" {
                    continue;
                }
                if let Some((title, whole)) = without_supplement(&base) {
                    let fit = if whole { Fit::Supplemented } else { Fit::Cut };
                    pairing.add_title(title, counter, fit, sidecar);
                }
                if is_cut(&base) {
                    pairing.cut.entry((base.clone(), counter)).or_default().push(sidecar);
                }
                pairing.add_title(&base, counter, Fit::Plain, sidecar);
            }
        }
        pairing
    }

    fn add_title(&mut self, title: &str, counter: u32, fit: Fit, sidecar: &'n str) {
        let (stem, extension) = split(title);
        if !extension.is_empty() {
            self.stems.entry((stem.to_owned(), counter)).or_default().push(sidecar);
        }
        self.titled.entry((title.to_owned(), counter)).or_default().push((fit, sidecar));
    }

    /// Gives each of these photos the one sidecar that fits so and has no owner yet. Answers the
    /// photos for which there was none.
    fn claim(&mut self, photos: Vec<&'n str>, fit: Fit) -> Vec<&'n str> {
        let mut open = Vec::new();
        let mut claims: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for photo in photos {
            let mut candidates = self.candidates(&readings(photo), fit);
            if fit == Fit::Cut {
                // With a counter, the name without it is what was cut.
                let name = counted_photo(photo).unwrap_or_else(|| (photo.to_owned(), 0));
                candidates.extend(self.cut_to_fit(&name));
            }
            candidates.retain(|sidecar| !self.owners.contains_key(sidecar));
            match (candidates.pop_first(), candidates.is_empty()) {
                (None, _) => open.push(photo),
                (Some(sidecar), true) => claims.entry(sidecar).or_default().push(photo),
                (Some(_), false) => {}
            }
        }
        for (sidecar, claimants) in claims {
            let owner = if let [photo] = claimants[..] {
                self.pairs.insert(photo, sidecar);
                Owner::Photo(photo)
            } else {
                Owner::Contested
            };
            self.owners.insert(sidecar, owner);
        }
        open
    }

    /// Gives an edited copy its original's sidecar. Answers whether it did, or must not.
    fn share_with_edited(&mut self, photo: &'n str) -> bool {
        let originals = originals_of_edited(photo);
        let fits = [Fit::Supplemented, Fit::Plain, Fit::Cut, Fit::Stem, Fit::OtherExtension];
        for fit in fits {
            let mut candidates = self.candidates(&originals, fit);
            if fit == Fit::Cut {
                candidates.extend(originals.iter().flat_map(|name| self.cut_to_fit(name)));
            }
            candidates.retain(|sidecar| self.may_share(sidecar, &originals));
            match (candidates.pop_first(), candidates.is_empty()) {
                (None, _) => {}
                (Some(sidecar), true) => {
                    self.pairs.insert(photo, sidecar);
                    return true;
                }
                (Some(_), false) => return true,
            }
        }
        false
    }

    /// Whether a sidecar is free, or its owner differs from the original at most in the extension.
    fn may_share(&self, sidecar: &str, originals: &[Counted]) -> bool {
        match self.owners.get(sidecar) {
            None => true,
            Some(Owner::Contested) => false,
            Some(Owner::Photo(owner)) => readings(owner).iter().any(|(owner, counter)| {
                let same = |name: &str| split(name).0 == split(owner).0;
                originals.iter().any(|(name, other)| counter == other && same(name))
            }),
        }
    }

    fn candidates(&self, names: &[Counted], fit: Fit) -> BTreeSet<&'n str> {
        let mut found = BTreeSet::new();
        for (name, counter) in names {
            let (stem, extension) = split(name);
            match fit {
                Fit::Supplemented | Fit::Plain | Fit::Cut => {
                    let titled = self.titled.get(&(name.clone(), *counter)).into_iter().flatten();
                    found.extend(titled.filter(|(has, _)| *has == fit).map(|(_, sidecar)| sidecar));
                }
                Fit::Stem if extension.is_empty() => {}
                Fit::Stem => {
                    let titled = self.titled.get(&(stem.to_owned(), *counter));
                    found.extend(titled.into_iter().flatten().map(|(_, sidecar)| sidecar));
                }
                Fit::OtherExtension => {
                    let titled = self.stems.get(&(stem.to_owned(), *counter));
                    found.extend(titled.into_iter().flatten());
                }
            }
        }
        found
    }

    fn cut_to_fit(&self, (name, counter): &Counted) -> impl Iterator<Item = &'n str> {
        let sidecars = cut(name).and_then(|cut| self.cut.get(&(cut.to_owned(), *counter)));
        sidecars.into_iter().flatten().copied()
    }
}
