//! When two photos are copies of one: two measures that know nothing of each other must agree, and
//! neither their proportions nor their clocks may say otherwise.

use chrono::TimeDelta;

use crate::effects::catalogue::Lookalike;
use crate::pixels::Fingerprint;

/// Bits, of 64, by which the gradients of copies may differ: what is searched for.
pub(super) const RADIUS: u32 = 8;
/// Bits, of 256, by which the frequencies of copies may differ: what confirms it.
const CONFIRMED: u32 = 76;
/// The same of pictures that are little more than one run of light, such as a clear sky: many are alike.
const CONFIRMED_PLAIN: u32 = 48;
/// Bits by which any two members of a group may differ, though they need not be linked themselves.
const WIDEST_GRADIENT: u32 = 16;
const WIDEST_DCT: u32 = 100;
/// Clear gradients, of 64, from which a picture has enough in it to be told from others.
const DETAIL: u8 = 8;
/// Places, of 112, where a gradient turns from its neighbour, below which a picture is plain.
const PLAIN: u32 = 8;
/// Hundredths by which the proportions of copies may differ: from 4:3 to 3:2 it is 12.5.
const PROPORTIONS: u64 = 13;

/// How far two copies are apart in bits of 256, where they are copies.
pub(super) fn linked(one: &Lookalike, other: &Lookalike) -> Option<u32> {
    if same_bytes(one, other) {
        return Some(0);
    }
    let (look, other_look) = telling(one).zip(telling(other))?;
    let distance = look.dct_distance(&other_look);
    let confirmed = if plain(&look) || plain(&other_look) { CONFIRMED_PLAIN } else { CONFIRMED };
    let near = look.gradient_distance(&other_look) <= RADIUS && distance <= confirmed;
    (near && !tell_apart(one, other)).then_some(distance)
}

/// Whether two photos may be in one group.
pub(super) fn together(one: &Lookalike, other: &Lookalike) -> bool {
    same_bytes(one, other)
        || telling(one).zip(telling(other)).is_some_and(|(look, other_look)| {
            look.gradient_distance(&other_look) <= WIDEST_GRADIENT
                && look.dct_distance(&other_look) <= WIDEST_DCT
                && !tell_apart(one, other)
        })
}

pub(super) fn same_bytes(one: &Lookalike, other: &Lookalike) -> bool {
    one.content.hash == other.content.hash
}

/// What a photo looks like, if that tells it from others: a flat one is like every flat one.
pub(super) fn telling(photo: &Lookalike) -> Option<Fingerprint> {
    photo.content.look.filter(|look| look.detail >= DETAIL)
}

/// Whether the gradients of a picture turn hardly anywhere, from column to column or from row to row.
fn plain(look: &Fingerprint) -> bool {
    const NOT_THE_LAST_COLUMN: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    const NOT_THE_LAST_ROW: u64 = u64::MAX >> 8;
    let bits = look.gradient;
    let across = (bits ^ (bits >> 1)) & NOT_THE_LAST_COLUMN;
    let down = (bits ^ (bits >> 8)) & NOT_THE_LAST_ROW;
    across.count_ones() + down.count_ones() < PLAIN
}

fn tell_apart(one: &Lookalike, other: &Lookalike) -> bool {
    other_moments(one, other) || !same_proportions(one.size, other.size)
}

/// Whether the clocks say that these are two pictures: the frames of a burst, or a motif that was taken
/// again. A copy has the time of its original, or none.
fn other_moments(one: &Lookalike, other: &Lookalike) -> bool {
    let apart = match (one.taken_at.zip(other.taken_at), one.taken_local.zip(other.taken_local)) {
        (Some((one, other)), _) => one - other,
        (None, Some((one, other))) => one - other,
        (None, None) => return false,
    };
    let millis = one.content.taken_millis.zip(other.content.taken_millis);
    apart.abs() >= TimeDelta::seconds(1) || millis.is_some_and(|(one, other)| one != other)
}

fn same_proportions(one: (u32, u32), other: (u32, u32)) -> bool {
    let across = u64::from(one.0) * u64::from(other.1);
    let down = u64::from(one.1) * u64::from(other.0);
    across.max(down) * 100 <= across.min(down) * (100 + PROPORTIONS)
}
