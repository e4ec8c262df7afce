//! Which photos are put together: linked ones, as long as all of a group belong together.

use std::collections::HashSet;

/// Two photos that a search found and a second measure confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    /// How unlike they are; closer ones are put together first.
    pub(super) distance: u32,
    /// The one.
    pub(super) one: usize,
    /// The other.
    pub(super) other: usize,
}

/// Groups of at least two photos, each in the order of its members, by their first members.
///
/// Two groups become one where a link joins them and `together` holds for every two of their members.
/// So a chain of links from one motif to another breaks where its ends are too unlike, and no group
/// is wider than `together` allows.
pub(super) fn groups(
    photos: usize,
    mut links: Vec<Link>,
    together: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<usize>> {
    links.sort_unstable();
    let mut members: Vec<Vec<usize>> = (0..photos).map(|photo| vec![photo]).collect();
    let mut group_of: Vec<usize> = (0..photos).collect();
    // Groups only grow, so two that do not fit never will.
    let mut unfit = HashSet::new();
    for Link { one, other, .. } in links {
        let (one, other) = (group_of[one], group_of[other]);
        let pair = (one.min(other), one.max(other));
        if one == other || unfit.contains(&pair) {
            continue;
        }
        let fits = |&a: &usize| members[other].iter().all(|&b| together(a, b));
        if !members[one].iter().all(fits) {
            unfit.insert(pair);
            continue;
        }
        let (small, large) =
            if members[one].len() < members[other].len() { (one, other) } else { (other, one) };
        let moving = std::mem::take(&mut members[small]);
        for &photo in &moving {
            group_of[photo] = large;
        }
        members[large].extend(moving);
        // What did not fit with either does not fit with both; it is found out anew, once.
    }
    members.retain(|group| group.len() > 1);
    for group in &mut members {
        group.sort_unstable();
    }
    members.sort_unstable();
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(distance: u32, one: usize, other: usize) -> Link {
        Link { distance, one, other }
    }

    #[test]
    fn links_make_groups_and_strangers_stay_alone() {
        let links = vec![link(3, 4, 1), link(0, 2, 5), link(9, 5, 0)];
        assert_eq!(groups(7, links, |_, _| true), [vec![0, 2, 5], vec![1, 4]]);
        assert_eq!(groups(3, Vec::new(), |_, _| true), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn a_chain_breaks_where_its_ends_are_too_unlike() {
        // Each is linked to the next; nothing wider than 3 is one group.
        let links = (0..9).map(|at| link(1, at, at + 1)).collect();
        let found = groups(10, links, |one: usize, other| one.abs_diff(other) <= 3);
        assert_eq!(found, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    }

    #[test]
    fn the_closest_are_put_together_first() {
        // 1 is near both, but 0 and 2 are no copies of each other.
        let apart = |one: usize, other: usize| one.abs_diff(other) < 2;
        assert_eq!(groups(3, vec![link(7, 0, 1), link(2, 2, 1)], apart), [vec![1, 2]]);
        assert_eq!(groups(3, vec![link(2, 0, 1), link(7, 2, 1)], apart), [vec![0, 1]]);
    }
}
