//! The segments of a JPEG: its colour profile (ICC.1:2022 annex B.4), and what of them a decoder needs.

use super::super::cursor::Cursor;

/// APP2 with this start holds a part of the profile.
const ICC: &[u8] = b"ICC_PROFILE\0";

/// The profile, joined from its parts; `None` when there is none or a part is missing.
pub(super) fn of_jpeg(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<(u8, &[u8])> = Vec::new();
    let mut count = 0;
    for (_, body) in Segments::of(bytes).filter(|(marker, _)| *marker == 0xE2) {
        if let Some([number, of, part @ ..]) = body.strip_prefix(ICC) {
            parts.push((*number, part));
            count = usize::from(*of);
        }
    }
    parts.sort_unstable_by_key(|(number, _)| *number);
    // Numbers begin at 1.
    let whole = !parts.is_empty() && parts.len() == count;
    let joined = || parts.iter().flat_map(|(_, part)| *part).copied().collect();
    whole.then(joined)
}

/// The file without what decoders stumble over: bytes between segments, and all notes but Adobe's,
/// which says how colours are stored.
pub(super) fn tidied(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut tidy = vec![0xFF, 0xD8];
    let mut segments = Segments::of(bytes);
    for (marker, body) in &mut segments {
        if !matches!(marker, 0xE0..=0xED | 0xEF | 0xFE) {
            tidy.extend([0xFF, marker]);
            // As it was read from two bytes.
            tidy.extend(u16::try_from(body.len() + 2).ok()?.to_be_bytes());
            tidy.extend(body);
        }
    }
    let scan = segments.0.rest();
    tidy.extend([0xFF, 0xDA]);
    tidy.extend(scan);
    (!scan.is_empty()).then_some(tidy)
}

/// The segments before the first scan.
struct Segments<'a>(Cursor<'a>);

impl<'a> Segments<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self(Cursor::big(bytes.get(2..).unwrap_or_default()))
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Fill bytes and stray ones lie between segments now and then.
        while self.0.u8()? != 0xFF {}
        let mut marker = self.0.u8()?;
        while marker == 0xFF {
            marker = self.0.u8()?;
        }
        match marker {
            0xD9 | 0xDA => None,
            0x00..=0x01 | 0xD0..=0xD8 => self.next(),
            _ => {
                let len = usize::from(self.0.u16()?).checked_sub(2)?;
                Some((marker, self.0.take(len)?))
            }
        }
    }
}
