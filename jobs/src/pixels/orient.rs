//! Turns stored rows into upright ones (EXIF 2.32, 4.6.4, `Orientation`).

/// How upright rows are found among the stored ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    /// Rows become columns.
    transpose: bool,
    /// Read stored rows from right to left.
    mirror_x: bool,
    /// Read stored rows from the last one on.
    mirror_y: bool,
}

impl Turn {
    /// What a value of the tag asks for; unknown ones ask for nothing.
    fn of(orientation: u8) -> Self {
        let (transpose, mirror_x, mirror_y) = match orientation {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => (false, false, false),
        };
        Self { transpose, mirror_x, mirror_y }
    }

    /// Where a corner of the upright picture lies in the stored one; right and bottom are true.
    fn corner(self, (right, bottom): (bool, bool)) -> (bool, bool) {
        let (x, y) = if self.transpose { (bottom, right) } else { (right, bottom) };
        (x ^ self.mirror_x, y ^ self.mirror_y)
    }
}

/// The one value that does what these two do, one after the other.
pub(super) fn then(first: u8, second: u8) -> u8 {
    let both = |corner| Turn::of(first).corner(Turn::of(second).corner(corner));
    let corners = [(false, false), (true, false), (false, true)];
    let same = |value: &u8| corners.iter().all(|&at| Turn::of(*value).corner(at) == both(at));
    (1..=8).find(same).unwrap_or(1)
}

/// Whether upright width and height are the stored ones swapped.
pub(super) fn swaps(orientation: u8) -> bool {
    Turn::of(orientation).transpose
}

/// Width and height of the upright picture.
pub(super) fn size(orientation: u8, width: u32, height: u32) -> (u32, u32) {
    if swaps(orientation) { (height, width) } else { (width, height) }
}

/// Side of the squares in which rows become columns: source and target stay in the cache.
const TILE: usize = 32;

/// The upright picture of `N` bytes a pixel.
pub(super) fn upright<const N: usize>(
    samples: Vec<u8>,
    width: u32,
    height: u32,
    orientation: u8,
) -> Vec<u8> {
    let turn = Turn::of(orientation);
    let (width, height) = (width as usize, height as usize);
    let (source, _) = samples.as_chunks::<N>();
    if turn == Turn::of(1) || source.len() != width * height || source.is_empty() {
        return samples;
    }
    let mut upright = vec![0; samples.len()];
    let (target, _) = upright.as_chunks_mut::<N>();
    if turn.transpose {
        // Upright rows are as long as the stored picture is high.
        for top in (0..width).step_by(TILE) {
            for left in (0..height).step_by(TILE) {
                for y in top..(top + TILE).min(width) {
                    let from = if turn.mirror_x { width - 1 - y } else { y };
                    let row = &mut target[y * height..][..height];
                    for (x, pixel) in row.iter_mut().enumerate().skip(left).take(TILE) {
                        let line = if turn.mirror_y { height - 1 - x } else { x };
                        *pixel = source[line * width + from];
                    }
                }
            }
        }
    } else {
        for (y, row) in target.chunks_exact_mut(width).enumerate() {
            let line = if turn.mirror_y { height - 1 - y } else { y };
            row.copy_from_slice(&source[line * width..][..width]);
            if turn.mirror_x {
                row.reverse();
            }
        }
    }
    upright
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the tag says in words: which visual side row 0 and column 0 of the stored picture are.
    fn reference(stored: &[&str], orientation: u8) -> Vec<String> {
        let (height, width) = (stored.len(), stored[0].len());
        let (rows, columns) = if orientation > 4 { (width, height) } else { (height, width) };
        let at = |row: usize, column: usize| {
            let (row, column) = match orientation {
                // Row 0 top, column 0 left.
                1 => (row, column),
                // Top, right.
                2 => (row, width - 1 - column),
                // Bottom, right.
                3 => (height - 1 - row, width - 1 - column),
                // Bottom, left.
                4 => (height - 1 - row, column),
                // Row 0 left, column 0 top.
                5 => (column, row),
                // Right, top.
                6 => (height - 1 - column, row),
                // Right, bottom.
                7 => (height - 1 - column, width - 1 - row),
                // Left, bottom.
                _ => (column, width - 1 - row),
            };
            stored[row].as_bytes()[column] as char
        };
        (0..rows).map(|row| (0..columns).map(|column| at(row, column)).collect()).collect()
    }

    #[test]
    fn all_eight_orientations() {
        let stored = ["abc", "def"];
        let expected = [
            ["abc", "def"].as_slice(),
            &["cba", "fed"],
            &["fed", "cba"],
            &["def", "abc"],
            &["ad", "be", "cf"],
            &["da", "eb", "fc"],
            &["fc", "eb", "da"],
            &["cf", "be", "ad"],
        ];
        for (orientation, expected) in (1..).zip(expected) {
            assert_eq!(reference(&stored, orientation), expected, "the reference itself");
            let samples: Vec<u8> = stored.concat().bytes().flat_map(|b| [b, 0, b]).collect();
            let upright = upright::<3>(samples, 3, 2, orientation);
            let letters: Vec<u8> = upright.chunks(3).map(|pixel| pixel[0]).collect();
            assert_eq!(letters, expected.concat().as_bytes(), "orientation {orientation}");
            assert!(upright.chunks(3).all(|pixel| pixel[1] == 0 && pixel[0] == pixel[2]));
        }
    }

    #[test]
    fn two_turns_are_one() {
        let stored: Vec<u8> = (0..6).collect();
        for first in 1..=8 {
            for second in 1..=8 {
                let (width, height) = size(first, 3, 2);
                let once = upright::<1>(stored.clone(), 3, 2, first);
                let twice = upright::<1>(once, width, height, second);
                let both = upright::<1>(stored.clone(), 3, 2, then(first, second));
                assert_eq!(twice, both, "{first}, then {second}");
            }
        }
    }

    #[test]
    fn larger_than_a_tile() {
        let (width, height) = (TILE * 2 + 5, TILE + 3);
        let letter = |place: usize| char::from(b'0' + u8::try_from(place % 71).unwrap());
        let rows: Vec<String> =
            (0..height).map(|y| (0..width).map(|x| letter(y * width + x)).collect()).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let [w, h] = [width, height].map(|side| u32::try_from(side).unwrap());
        for orientation in 1..=8 {
            let upright = upright::<1>(rows.concat().into_bytes(), w, h, orientation);
            let expected = reference(&rows, orientation).concat();
            assert_eq!(String::from_utf8(upright).unwrap(), expected, "orientation {orientation}");
        }
    }
}
