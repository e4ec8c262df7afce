//! What groups change in the catalogue.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::best::{Candidate, best};
use super::likeness::same_bytes;
use crate::effects::catalogue::{
    Decision, DuplicateGroup, DuplicateMember, FileKey, Likeness, Lookalike, Proposals, sha256_hex,
};

/// What becomes of the groups that are there, when `groups` of `photos` (by place) are to be there. A
/// group goes on as the one that shares most photos with it; members that are not among `photos` stay.
/// `seed` makes names of new groups differ from all others.
pub(super) fn proposals(
    photos: &[Lookalike],
    groups: &[Vec<usize>],
    known: &[DuplicateGroup],
    seed: &str,
) -> Proposals {
    let open: Vec<_> = known.iter().filter(|group| group.decision.is_none()).collect();
    let successors = successors(photos, groups, &open);
    let present: HashSet<_> = photos.iter().map(|photo| &photo.key).collect();
    let mut proposals = Proposals::default();
    for (at, group) in groups.iter().enumerate() {
        let mut proposal = proposal(photos, group);
        match successors.get(&at).map(|&old| open[old]) {
            None => {
                proposal.id = name(seed, &proposal);
                proposals.made.push(proposal);
            }
            Some(old) => {
                let absent = old.members.iter().filter(|(key, _)| !present.contains(key));
                proposal.members.extend(absent.map(|(key, member)| (key.clone(), member.clone())));
                if proposal.members.values().any(|member| member.distance > 0) {
                    proposal.likeness = Likeness::Near;
                }
                (proposal.id, proposal.revision) = (old.id.clone(), old.revision);
                if proposal != *old {
                    proposals.changed.push(proposal);
                }
            }
        }
    }
    let going_on: HashSet<_> = successors.values().copied().collect();
    let gone = open.iter().enumerate().filter(|(at, _)| !going_on.contains(at));
    proposals.gone = gone.map(|(_, group)| (group.id.clone(), group.revision)).collect();
    proposals
}

/// Which of `open` each group goes on as: those that share most come first.
fn successors(
    photos: &[Lookalike],
    groups: &[Vec<usize>],
    open: &[&DuplicateGroup],
) -> HashMap<usize, usize> {
    let holders: HashMap<&FileKey, usize> = (0..)
        .zip(open)
        .flat_map(|(at, group)| group.members.keys().map(move |key| (key, at)))
        .collect();
    let mut shared: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (at, group) in groups.iter().enumerate() {
        for &photo in group {
            if let Some(&old) = holders.get(&photos[photo].key) {
                *shared.entry((at, old)).or_default() += 1;
            }
        }
    }
    let mut shared: Vec<_> = shared.into_iter().collect();
    shared.sort_by_key(|&((at, old), count)| (Reverse(count), &open[old].id, at));
    let (mut successors, mut taken) = (HashMap::new(), HashSet::new());
    for ((at, old), _) in shared {
        if !successors.contains_key(&at) && taken.insert(old) {
            successors.insert(at, old);
        }
    }
    successors
}

fn proposal(photos: &[Lookalike], group: &[usize]) -> DuplicateGroup {
    let members: Vec<&Lookalike> = group.iter().map(|&photo| &photos[photo]).collect();
    let candidates: Vec<Candidate> = members.iter().map(|photo| candidate(photo)).collect();
    let (at, best_reason) = best(&candidates);
    let best = members[at];
    let exact = members.iter().all(|photo| same_bytes(photo, best));
    let member = |photo: &Lookalike| {
        let content_hash = photo.content.hash.clone();
        DuplicateMember { content_hash, distance: distance(photo, best) }
    };
    DuplicateGroup {
        id: String::new(),
        likeness: if exact { Likeness::Exact } else { Likeness::Near },
        best: best.key.clone(),
        best_reason,
        members: members.iter().map(|photo| (photo.key.clone(), member(photo))).collect(),
        revision: 1,
        decision: None,
    }
}

fn candidate(photo: &Lookalike) -> Candidate {
    Candidate {
        starred: photo.starred,
        size: photo.size,
        sharpness: photo.content.look.map(|look| look.sharpness),
        exposure: photo.content.look.map(|look| look.exposure),
        has_time: photo.taken_local.is_some() || photo.taken_at.is_some(),
        has_place: photo.has_place,
        bytes: photo.bytes,
    }
}

fn distance(photo: &Lookalike, best: &Lookalike) -> u32 {
    let looks = photo.content.look.zip(best.content.look);
    let differ = looks.map_or(0, |(look, best)| look.dct_distance(&best));
    // Other bytes are never told as the same ones.
    if same_bytes(photo, best) { 0 } else { differ.max(1) }
}

fn name(seed: &str, group: &DuplicateGroup) -> String {
    let members = group.members.iter();
    let mut parts: Vec<&str> =
        members.flat_map(|(key, _)| [key.provider.as_str(), &key.file_id]).collect();
    parts.push(seed);
    sha256_hex(&parts)[..16].to_owned()
}

/// Pairs, by place, that a person has told apart, and photos that a person has left for a better one.
/// What was said of a photo holds as long as its content does.
pub(super) fn decided(
    photos: &[Lookalike],
    known: &[DuplicateGroup],
) -> (HashSet<(usize, usize)>, HashSet<usize>) {
    let places: HashMap<_, _> =
        photos.iter().enumerate().map(|(at, photo)| (&photo.key, at)).collect();
    let (mut distinct, mut left) = (HashSet::new(), HashSet::new());
    for group in known {
        let unchanged = group.members.iter().filter_map(|(key, member)| {
            let at = *places.get(key)?;
            (photos[at].content.hash == member.content_hash).then_some((key, at))
        });
        let members: Vec<_> = unchanged.collect();
        match group.decision {
            None => {}
            Some(Decision::Duplicates) => {
                left.extend(
                    members.iter().filter(|(key, _)| **key != group.best).map(|(_, at)| at),
                );
            }
            Some(Decision::Distinct) => {
                let all = members
                    .iter()
                    .flat_map(|one| members.iter().map(move |other| (one.1, other.1)));
                distinct.extend(all.filter(|(one, other)| one < other));
            }
        }
    }
    (distinct, left)
}
