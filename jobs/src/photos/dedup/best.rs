//! Which photo of a group is proposed to be kept, and why.

/// What is known of a photo of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its owner has marked it.
    pub(super) starred: bool,
    /// Width and height.
    pub(super) size: (u32, u32),
    /// See [`Fingerprint::sharpness`](crate::pixels::Fingerprint::sharpness); unknown where the pixels
    /// could not be read.
    pub(super) sharpness: Option<u32>,
    /// See [`Fingerprint::exposure`](crate::pixels::Fingerprint::exposure).
    pub(super) exposure: Option<u16>,
    /// When it was taken is known.
    pub(super) has_time: bool,
    /// Where it was taken is known.
    pub(super) has_place: bool,
    /// Size of the file.
    pub(super) bytes: u64,
}

impl Candidate {
    fn pixels(&self) -> u64 {
        u64::from(self.size.0) * u64::from(self.size.1)
    }

    fn metadata(&self) -> u64 {
        u64::from(self.has_time) * 2 + u64::from(self.has_place)
    }
}

/// One after the other sets the better ones apart: those that reach the photo that sets the bar, but for the
/// tolerance in hundredths.
struct Criterion {
    of: fn(&Candidate) -> u64,
    /// Who has most of this sets the bar.
    bar: fn(&Candidate) -> (u64, u64),
    tolerance: u64,
    reason: fn(&Candidate) -> String,
}

/// A star is its owner's word. Copies are made smaller more often than larger, and blurred or clipped
/// more often than the other way round; a copy that lost its metadata was made of one that had it.
/// The edges that compression draws look crisp, so the largest file says how sharp the picture is.
const CRITERIA: [Criterion; 6] = [
    Criterion {
        of: |photo| u64::from(photo.starred),
        bar: |photo| (u64::from(photo.starred), 0),
        tolerance: 0,
        reason: |_| "it is starred".to_owned(),
    },
    Criterion {
        of: Candidate::pixels,
        bar: |photo| (photo.pixels(), 0),
        tolerance: 5,
        reason: |photo| format!("it has the most pixels ({} × {})", photo.size.0, photo.size.1),
    },
    Criterion {
        of: |photo| u64::from(photo.sharpness.unwrap_or(0)),
        bar: |photo| (photo.bytes, u64::from(photo.sharpness.unwrap_or(0))),
        tolerance: 20,
        reason: |_| "it is the sharpest".to_owned(),
    },
    Criterion {
        of: |photo| u64::from(photo.exposure.unwrap_or(0)),
        bar: |photo| (u64::from(photo.exposure.unwrap_or(0)), 0),
        tolerance: 5,
        reason: |_| "the least of it is under- or overexposed".to_owned(),
    },
    Criterion {
        of: Candidate::metadata,
        bar: |photo| (photo.metadata(), 0),
        tolerance: 0,
        reason: |photo| {
            let known = match (photo.has_time, photo.has_place) {
                (true, true) => "when and where it was taken",
                (true, false) => "when it was taken",
                _ => "where it was taken",
            };
            format!("only it tells {known}")
        },
    },
    Criterion {
        of: |photo| photo.bytes,
        bar: |photo| (photo.bytes, 0),
        tolerance: 0,
        reason: |photo| format!("its file is the largest ({} bytes)", photo.bytes),
    },
];

/// The best of at least one photo, and why. Equals are decided by their order.
pub(super) fn best(photos: &[Candidate]) -> (usize, String) {
    let mut left: Vec<usize> = (0..photos.len()).collect();
    for criterion in &CRITERIA {
        let value = |at: &usize| (criterion.of)(&photos[*at]);
        let highest = left.iter().max_by_key(|at| (criterion.bar)(&photos[**at]));
        let most = highest.map_or(0, value);
        left.retain(|at| value(at) * 100 >= most * (100 - criterion.tolerance));
        if let [one] = left[..] {
            return (one, (criterion.reason)(&photos[one]));
        }
    }
    (left.first().copied().unwrap_or(0), "all are equal, and it is the first by name".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_told_with_the_reason() {
        let plain = Candidate {
            size: (1_000, 750),
            sharpness: Some(100),
            exposure: Some(900),
            bytes: 50_000,
            ..Candidate::default()
        };
        let better: [(Candidate, &str); 7] = [
            (Candidate { starred: true, size: (10, 10), ..plain.clone() }, "starred"),
            (Candidate { size: (4_000, 3_000), ..plain.clone() }, "most pixels (4000 × 3000)"),
            (Candidate { sharpness: Some(150), exposure: Some(800), ..plain.clone() }, "sharpest"),
            (Candidate { exposure: Some(999), bytes: 1, ..plain.clone() }, "overexposed"),
            (Candidate { has_time: true, bytes: 1, ..plain.clone() }, "tells when it was taken"),
            (
                Candidate { has_time: true, has_place: true, ..plain.clone() },
                "tells when and where",
            ),
            (Candidate { bytes: 50_001, ..plain.clone() }, "largest (50001 bytes)"),
        ];
        for (one, reason) in better {
            let (at, told) = best(&[plain.clone(), one, plain.clone()]);
            assert_eq!(at, 1, "{told}");
            assert!(told.contains(reason), "{told}");
        }
        assert_eq!(best(&[plain.clone(), plain.clone()]).0, 0);
    }

    #[test]
    fn what_compression_has_drawn_is_not_sharp() {
        let original = Candidate {
            sharpness: Some(100),
            bytes: 90_000,
            has_time: true,
            ..Candidate::default()
        };
        let compressed = Candidate { sharpness: Some(300), bytes: 20_000, ..Candidate::default() };
        let blurred = Candidate { sharpness: Some(50), bytes: 30_000, ..Candidate::default() };
        assert_eq!(best(&[compressed, blurred, original]).0, 2);
    }

    #[test]
    fn little_differences_decide_nothing() {
        let one = Candidate {
            size: (1_000, 1_000),
            sharpness: Some(100),
            exposure: Some(990),
            has_time: true,
            ..Candidate::default()
        };
        let brighter = Candidate {
            size: (1_000, 1_010),
            sharpness: Some(110),
            exposure: Some(1_000),
            has_time: false,
            bytes: 1_000,
            ..Candidate::default()
        };
        assert_eq!(best(&[brighter, one]).0, 1);
    }
}
