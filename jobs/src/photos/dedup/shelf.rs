//! All photos of a user, in memory.

use std::collections::HashMap;

use super::index::{Index, Words};
use super::likeness::{RADIUS, linked, telling};
use crate::effects::catalogue::{Content, FileKey, Lookalike};

/// So many copies of the same bytes are linked with each other; further ones with the first one only.
const COPIES: usize = 32;

/// Photos that can be asked for those like another one.
#[derive(Debug)]
pub(super) struct Shelf {
    photos: Vec<Lookalike>,
    places: HashMap<FileKey, usize>,
    contents: HashMap<String, Vec<usize>>,
    /// What the words of `index` belong to.
    drawn: Vec<usize>,
    index: Index,
}

impl Shelf {
    pub(super) fn of(photos: Vec<Lookalike>) -> Self {
        let (drawn, words) = words(&photos);
        let places = photos.iter().enumerate().map(|(at, photo)| (photo.key.clone(), at)).collect();
        let contents = contents(&photos);
        Self { places, contents, drawn, index: words.index(RADIUS), photos }
    }

    /// The photos with these keys, as far as they are there.
    pub(super) fn get(&self, keys: &[FileKey]) -> Vec<Lookalike> {
        let places = keys.iter().filter_map(|key| self.places.get(key));
        places.map(|&at| self.photos[at].clone()).collect()
    }

    /// The photos with the same content, and those whose gradient is within [`RADIUS`].
    pub(super) fn look_up(&self, content: &Content) -> Vec<Lookalike> {
        let same = self.contents.get(&content.hash).into_iter().flatten().copied();
        let near = content.look.map(|look| self.index.within(look.gradient)).unwrap_or_default();
        let near = near.into_iter().map(|word| self.drawn[word as usize]);
        same.chain(near).map(|at| self.photos[at].clone()).collect()
    }
}

/// Tells every two photos that are linked, by place, and how far they are apart.
pub(super) fn links(photos: &[Lookalike], mut found: impl FnMut(usize, usize, u32)) {
    for same in contents(photos).values() {
        for (at, &one) in same.iter().enumerate().take(COPIES) {
            let others = if at == 0 { &same[1..] } else { &same[at + 1..same.len().min(COPIES)] };
            for &other in others {
                found(one, other, 0);
            }
        }
    }
    let (drawn, words) = words(photos);
    words.pairs(RADIUS, |one, other| {
        let (one, other) = (drawn[one as usize], drawn[other as usize]);
        if let Some(distance) = linked(&photos[one], &photos[other]) {
            found(one, other, distance);
        }
    });
}

fn contents(photos: &[Lookalike]) -> HashMap<String, Vec<usize>> {
    let mut contents: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, photo) in photos.iter().enumerate() {
        contents.entry(photo.content.hash.clone()).or_default().push(at);
    }
    contents
}

/// The gradients of all photos that have something to compare, and whose they are.
fn words(photos: &[Lookalike]) -> (Vec<usize>, Words) {
    let drawn =
        photos.iter().enumerate().filter_map(|(at, photo)| Some((at, telling(photo)?.gradient)));
    let (drawn, gradients): (Vec<_>, Vec<_>) = drawn.unzip();
    (drawn, Words::new(gradients))
}
