//! The decoded values of one block of camera data.

use exif::{Exif, In, Reader, Tag, Value};

/// Tags by name; empty when the block could not be decoded.
pub(super) struct Tags(Option<Exif>);

impl Tags {
    /// Decodes a block that [`super::directory::collect`] packed.
    pub(super) fn decode(packed: Vec<u8>) -> Self {
        let decoded = Reader::new().continue_on_error(true).read_raw(packed);
        Self(decoded.or_else(|error| error.distill_partial_result(drop)).ok())
    }

    fn value(&self, tag: Tag) -> Option<&Value> {
        Some(&self.0.as_ref()?.get_field(tag, In::PRIMARY)?.value)
    }

    /// A text up to its first NUL; some cameras declare texts as plain bytes.
    pub(super) fn text(&self, tag: Tag) -> Option<&[u8]> {
        let bytes = match self.value(tag)? {
            Value::Ascii(texts) => texts.first()?,
            Value::Byte(bytes) | Value::Undefined(bytes, _) => bytes,
            _ => return None,
        };
        bytes.split(|&byte| byte == 0).next()
    }

    /// A text as people can read it: no control characters, trimmed, at most `cap` characters.
    pub(super) fn readable(&self, tag: Tag, cap: usize) -> Option<String> {
        self.text(tag).map(|text| readable(text, cap)).filter(|text| !text.is_empty())
    }

    /// The first of one or more whole numbers.
    pub(super) fn number(&self, tag: Tag) -> Option<u32> {
        self.value(tag)?.get_uint(0)
    }

    /// All of one or more whole numbers.
    pub(super) fn numbers(&self, tag: Tag) -> impl Iterator<Item = u32> {
        self.value(tag).and_then(Value::iter_uint).into_iter().flatten()
    }

    /// Fractions, signed as some phones write them or not; `None` where the divisor is zero.
    pub(super) fn fractions(&self, tag: Tag) -> Option<Vec<Option<f64>>> {
        let quotient = |num: f64, denom: f64| (denom != 0.0).then_some(num / denom);
        Some(match self.value(tag)? {
            Value::Rational(values) => {
                values.iter().map(|v| quotient(v.num.into(), v.denom.into())).collect()
            }
            Value::SRational(values) => {
                values.iter().map(|v| quotient(v.num.into(), v.denom.into())).collect()
            }
            _ => return None,
        })
    }
}

/// What is safe to show of a text from a file.
pub(super) fn readable(text: &[u8], cap: usize) -> String {
    let text = String::from_utf8_lossy(text);
    let shown = |letter: &char| !letter.is_control() && *letter != char::REPLACEMENT_CHARACTER;
    let text: String = text.chars().filter(shown).collect();
    text.trim().chars().take(cap).collect::<String>().trim_end().to_owned()
}
