//! The colour profile in a JPEG, and Adobe's mark (ICC.1:2022 annex B.4; Adobe TN 5116).

use super::super::cursor::Cursor;

/// APP2 with this start holds a part of the profile.
const ICC: &[u8] = b"ICC_PROFILE\0";
/// APP14 with this start is Adobe's.
const ADOBE: &[u8] = b"Adobe";

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

/// Whether Adobe's mark is there, which says that CMYK is stored upside down.
pub(super) fn adobe(bytes: &[u8]) -> bool {
    Segments::of(bytes).any(|(marker, body)| marker == 0xEE && body.starts_with(ADOBE))
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
