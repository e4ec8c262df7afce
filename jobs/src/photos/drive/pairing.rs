//! Takeout files, which Drive keeps beside the photos as an export left them.

use std::collections::HashMap;

use super::listing::Lister;
use crate::effects::catalogue::{ItemKind, Named, catalogue_error};
use crate::job::JobError;
use crate::photos::takeout;

impl<F: FnMut(u64) + Send> Lister<'_, F> {
    /// Finds which belongs to which, in every folder where something has changed.
    pub(super) async fn pair(&self) -> Result<(), JobError> {
        let scope = &self.tree.scope;
        loop {
            let folder = self.catalogue.unpaired_folder(scope).await.map_err(catalogue_error)?;
            let Some(folder) = folder else { break };
            let names = self.catalogue.names_in(scope, &folder).await.map_err(catalogue_error)?;
            let recorded = self.catalogue.record_pairs(scope, &folder, &pairs(&names)).await;
            recorded.map_err(catalogue_error)?;
            self.cx.safe_point()?;
        }
        self.catalogue.end_pairing(scope).await.map_err(catalogue_error)
    }
}

/// Drive may have several files of one name in a folder: nobody knows which of them is meant.
pub(super) fn pairs(names: &[Named]) -> Vec<(&Named, &Named)> {
    let of = |kind| {
        let mut unique: HashMap<&str, Option<&Named>> = HashMap::new();
        for named in names.iter().filter(|named| named.kind == kind) {
            let entry = unique.entry(&named.name);
            entry.and_modify(|twice| *twice = None).or_insert(Some(named));
        }
        unique
    };
    let (photos, sidecars) = (of(ItemKind::Photo), of(ItemKind::Sidecar));
    let [photo_names, sidecar_names] =
        [&photos, &sidecars].map(|unique| unique.keys().copied().collect::<Vec<_>>());
    let paired = takeout::pair(&photo_names, &sidecar_names);
    let mut pairs: Vec<(&Named, &Named)> = paired
        .iter()
        .filter_map(|(photo, sidecar)| {
            Some(((*photos.get(photo.as_str())?)?, (*sidecars.get(sidecar.as_str())?)?))
        })
        .collect();
    pairs.sort_by(|a, b| a.0.item_id.cmp(&b.0.item_id));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photos::takeout::tests::fixtures::{Case, cases};

    fn named(number: usize, kind: ItemKind, name: &str) -> Named {
        let (item_id, base_rev) = (number.to_string(), String::new());
        Named { item_id, kind, name: name.to_owned(), base_rev }
    }

    #[test]
    fn takeout_files_are_paired_by_name_and_namesakes_are_left_alone() {
        let (photo, sidecar) = (ItemKind::Photo, ItemKind::Sidecar);
        let names: Vec<Named> = [
            (photo, "a.jpg"),
            (photo, "b(1).jpg"),
            (photo, "twin.jpg"),
            (photo, "twin.jpg"),
            (photo, "alone.jpg"),
            (sidecar, "a.jpg.supplemental-meta.json"),
            (sidecar, "b.jpg.supplemental-metadata(1).json"),
            (sidecar, "twin.jpg.json"),
            (sidecar, "metadata.json"),
        ]
        .into_iter()
        .enumerate()
        .map(|(number, (kind, name))| named(number, kind, name))
        .collect();
        let found: Vec<(&str, &str)> = pairs(&names)
            .into_iter()
            .map(|(photo, sidecar)| (photo.item_id.as_str(), sidecar.item_id.as_str()))
            .collect();
        assert_eq!(found, [("0", "5"), ("1", "6")]);
    }

    #[test]
    fn names_of_real_exports_are_paired_in_one_folder() {
        let Some(cases) = cases() else { return };
        let of = |kind, name: fn(&Case) -> &str| {
            let names: std::collections::BTreeSet<&str> = cases.iter().map(name).collect();
            names.into_iter().map(move |name| named(0, kind, name))
        };
        let photos = of(ItemKind::Photo, |case| &case.photo);
        let names: Vec<Named> = photos.chain(of(ItemKind::Sidecar, |case| &case.sidecar)).collect();
        let found = pairs(&names);
        for Case { sidecar, photo, belongs } in &cases {
            let paired = found.iter().any(|(p, s)| (&p.name, &s.name) == (photo, sidecar));
            assert_eq!(paired, *belongs, "{photo} with {sidecar}");
        }
    }
}
