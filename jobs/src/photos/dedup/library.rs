//! The photos that one run looks at, and the links between them.
//!
//! A few new photos are looked up in the catalogue one by one, and so is whatever is linked to them, until
//! nothing is: they are put together as if all photos had been compared. For more new ones, the
//! fingerprints of all photos are read.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::blocking;
use super::groups::{Link, groups};
use super::likeness::{RADIUS, linked, together};
use super::proposals::decided;
use super::shelf::{self, Shelf};
use crate::effects::catalogue::{
    Catalogue, CatalogueError, Content, DuplicateGroup, FileKey, Lookalike,
};

/// New photos that are looked up in the catalogue.
const FEW: usize = 64;
/// With fewer new ones among so many, each is looked up in an index; else all pairs are searched for.
const SHARE: usize = 8;

/// Photos of one user, their groups, and which of them are copies.
#[derive(Debug, Default)]
pub(super) struct Library {
    /// In the order of their keys.
    pub(super) photos: Vec<Lookalike>,
    /// All groups that hold any of them, decided ones included.
    pub(super) known: Vec<DuplicateGroup>,
    links: Vec<Link>,
}

impl Library {
    /// Reads what is needed to group the new photos of a user, or all of them.
    pub(super) async fn read(
        catalogue: &Catalogue,
        user_id: i64,
        all: bool,
    ) -> Result<Self, CatalogueError> {
        if !all {
            let new = catalogue.uncompared(user_id, FEW + 1).await?;
            if new.len() <= FEW {
                return Self::around(new, Source::Catalogue(catalogue), catalogue, user_id).await;
            }
        }
        let photos = catalogue.all_lookalikes(user_id).await?;
        let new: Vec<_> = photos.iter().filter(|photo| !photo.compared).cloned().collect();
        if !all && new.len() * SHARE < photos.len() {
            let shelf = blocking(move || Shelf::of(photos)).await;
            return Self::around(new, Source::Shelf(Box::new(shelf)), catalogue, user_id).await;
        }
        let known = catalogue.all_groups(user_id).await?;
        let library = blocking(move || {
            let mut links = Vec::new();
            shelf::links(&photos, |one, other, distance| links.push(Link { distance, one, other }));
            Self { photos, known, links }
        });
        Ok(library.await)
    }

    /// Photos, all that are linked to them over any number of others, and all members of their groups.
    async fn around(
        photos: Vec<Lookalike>,
        source: Source<'_>,
        catalogue: &Catalogue,
        user_id: i64,
    ) -> Result<Self, CatalogueError> {
        let mut waiting = VecDeque::from(photos);
        let mut reached: BTreeMap<FileKey, Lookalike> = BTreeMap::new();
        let mut links = Vec::new();
        let mut known: BTreeMap<String, DuplicateGroup> = BTreeMap::new();
        let (mut contents, mut grouped) = (HashSet::new(), HashSet::new());
        loop {
            while let Some(photo) = waiting.pop_front() {
                if reached.contains_key(&photo.key) {
                    continue;
                }
                // Copies of the same bytes look like the same others.
                if contents.insert(photo.content.hash.clone()) {
                    for other in source.look_up(user_id, &photo.content).await? {
                        if let Some(distance) = linked(&photo, &other)
                            && other.key != photo.key
                        {
                            links.push((distance, photo.key.clone(), other.key.clone()));
                            waiting.push_back(other);
                        }
                    }
                }
                reached.insert(photo.key.clone(), photo);
            }
            let unseen: Vec<_> =
                reached.keys().filter(|key| !grouped.contains(*key)).cloned().collect();
            let groups = catalogue.groups_with(user_id, &unseen).await?;
            grouped.extend(unseen);
            let members = groups.iter().flat_map(|group| group.members.keys());
            let members: Vec<_> =
                members.filter(|key| !reached.contains_key(key)).cloned().collect();
            known.extend(groups.into_iter().map(|group| (group.id.clone(), group)));
            waiting.extend(source.get(user_id, &members).await?);
            if waiting.is_empty() {
                break;
            }
        }
        let places: HashMap<_, _> = reached.keys().cloned().zip(0..).collect();
        let links = links.iter().map(|(distance, one, other)| {
            let (one, other) = (places[one], places[other]);
            Link { distance: *distance, one: one.min(other), other: one.max(other) }
        });
        let links = links.collect();
        Ok(Self {
            photos: reached.into_values().collect(),
            known: known.into_values().collect(),
            links,
        })
    }

    /// The photos that belong together, by place. What people have decided is left alone.
    pub(super) fn groups(&self) -> Vec<Vec<usize>> {
        let (distinct, left) = decided(&self.photos, &self.known);
        let links = self.links.iter().copied();
        let links = links.filter(|link| !left.contains(&link.one) && !left.contains(&link.other));
        groups(self.photos.len(), links.collect(), |one, other| {
            !distinct.contains(&(one.min(other), one.max(other)))
                && together(&self.photos[one], &self.photos[other])
        })
    }
}

/// Where photos are looked up.
enum Source<'c> {
    /// Where they are.
    Catalogue(&'c Catalogue),
    /// In a copy of all of them.
    Shelf(Box<Shelf>),
}

impl Source<'_> {
    async fn get(&self, user_id: i64, keys: &[FileKey]) -> Result<Vec<Lookalike>, CatalogueError> {
        match self {
            Self::Catalogue(catalogue) => catalogue.lookalikes(user_id, keys).await,
            Self::Shelf(all) => Ok(all.get(keys)),
        }
    }

    async fn look_up(
        &self,
        user_id: i64,
        content: &Content,
    ) -> Result<Vec<Lookalike>, CatalogueError> {
        match self {
            Self::Catalogue(catalogue) => {
                let keys = catalogue.look_up(user_id, content, RADIUS).await?;
                catalogue.lookalikes(user_id, &keys).await
            }
            Self::Shelf(all) => Ok(all.look_up(content)),
        }
    }
}
