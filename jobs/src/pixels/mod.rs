//! What a picture says about itself, and its pixels, without opening anything.
//!
//! The same code serves local files and objects in a bucket, so it never reads: [`probe`] looks
//! at the bytes known so far ([`Head`]) and either answers or names the range it needs next.
//! In the order a file passes through:
//!
//! 1. `head` holds the known bytes and bounds how much may be asked for;
//! 2. `format` decides by content which format it is;
//! 3. `jpeg`, `png`, `webp`, `isobmff`, `tiff`, `gif_bmp` find width, height and camera data;
//! 4. `directory` picks the wanted tags out of the camera data, whatever traps it holds;
//! 5. `tags` decodes their values, and `notes` gives them meaning: `when` for the time, `place` for
//!    the position;
//! 6. `flaw` words what is wrong with the file;
//! 7. `walk` checks a whole local file as it streams by, for what headers cannot tell.
//!
//! A reader may stop anywhere with `?`. Once the size in pixels is known that is a [`Flaw`] of a
//! picture that is catalogued all the same, before that it is a [`Refusal`].
//!
//! Pixels are made of whole files that were probed:
//!
//! 1. `decode` knows what they cost before it begins, and reads every format;
//! 2. `colour` makes sRGB of their colours, `orient` turns them upright, `resize` makes them smaller;
//! 3. `variants` puts these together with `encode` and `placeholder`: one decode, all files for the web.
//! 4. `fingerprint` keeps of them what copies have in common.

mod colour;
mod cursor;
mod decode;
mod directory;
mod encode;
mod fingerprint;
mod flaw;
mod format;
mod gif_bmp;
mod head;
mod isobmff;
mod items;
mod jpeg;
mod notes;
mod orient;
mod picture;
mod place;
mod placeholder;
mod png;
mod resize;
mod tags;
mod tiff;
mod variants;
mod walk;
mod walk_jpeg;
mod webp;
mod when;

#[cfg(test)]
mod tests;

use std::ops::Range;

use chrono::NaiveDateTime;

pub(crate) use decode::{Wanted, cost, decode, decode_luma};
pub(crate) use encode::Encoding;
pub(crate) use fingerprint::{
    FINGERPRINT_VERSION, Fingerprint, SHORT_SIDE, bands, bands_near, spread,
};
pub(crate) use flaw::{Flaw, Refusal};
pub(crate) use format::Format;
pub(crate) use head::Head;
pub(crate) use picture::Luma;
pub(crate) use place::Place;
pub(crate) use variants::{Variant, VariantError, VariantOrder, Variants, variants, variants_cost};
pub(crate) use walk::Walk;
pub(crate) use when::Taken;

use flaw::Flaws;
use head::{Bytes, Stop};
use notes::Notes;

/// What a picture may be at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Width times height; larger claims are refused before anyone decodes them.
    pub(crate) max_pixels: u64,
}

impl Default for Limits {
    /// 16383 × 16383, the largest WebP, which is also what sharp accepts by default.
    fn default() -> Self {
        Self { max_pixels: 268_402_689 }
    }
}

/// What the parser wants next.
#[derive(Debug)]
pub(crate) enum Step {
    /// These bytes: give them to [`Head::insert`] and probe again.
    Need(Range<u64>),
    /// The picture can be catalogued.
    Picture(Box<Probe>),
    /// It cannot.
    Refused(Refusal),
}

/// What a picture says about itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probe {
    /// The true format, by content.
    pub(crate) format: Format,
    /// Pixels per row as stored, before `orientation` is applied.
    pub(crate) width: u32,
    /// Rows as stored, before `orientation` is applied.
    pub(crate) height: u32,
    /// When the picture was taken, by the camera's clock.
    pub(crate) taken: Option<Taken>,
    /// When the position was measured, in UTC: EXIF `GPSDateStamp` and `GPSTimeStamp`.
    pub(crate) gps_at: Option<NaiveDateTime>,
    /// Where the picture was taken.
    pub(crate) place: Option<Place>,
    /// How far off that may be, in metres.
    pub(crate) accuracy: Option<f64>,
    /// EXIF `Orientation`, 1 to 8, when the tag is there and valid.
    pub(crate) orientation: Option<u8>,
    /// How the pixels are stored.
    pub(crate) coding: Coding,
    /// EXIF `Make`.
    pub(crate) camera_make: Option<String>,
    /// EXIF `Model`.
    pub(crate) camera_model: Option<String>,
    /// What is wrong with the file.
    pub(crate) flaws: Vec<Flaw>,
}

/// How pixels are stored, as far as it decides what a decoder needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coding {
    /// Samples per pixel: 1 is grey, 2 has alpha, 3 are colours, 4 are colours with alpha or CMYK.
    pub(crate) channels: u8,
    /// Bits per sample.
    pub(crate) bits: u8,
    /// Bytes that a decoder must hold of the whole picture before it can give the first row; 0 where
    /// rows come one by one.
    pub(crate) held: u64,
}

impl Default for Coding {
    /// The most that common formats have; what a reader does not find out is not underestimated.
    fn default() -> Self {
        Self { channels: 4, bits: 8, held: 0 }
    }
}

impl Probe {
    /// Adds what a [`Walk`] found, unless the headers have already told as much.
    pub(crate) fn walked(&mut self, flaw: Option<Flaw>) {
        let known = |flaw: &Flaw| self.flaws.iter().any(|known| known.same_kind(flaw));
        let flaw = flaw.filter(|flaw| !known(flaw));
        self.flaws.extend(flaw);
    }
}

/// What a format's reader has found so far.
#[derive(Debug, Default)]
struct Found {
    size: Option<(u32, u32)>,
    coding: Coding,
    notes: Notes,
    flaws: Flaws,
}

/// Looks at what is known of a file. Every answered [`Step::Need`] counts, so a caller that
/// repeats insert and probe comes to an end after [`head::MAX_READS`] rounds.
pub(crate) fn probe(head: &Head, name: &str, limits: Limits) -> Step {
    if head.size() == 0 {
        return Step::Refused(Refusal::Empty);
    }
    let format = match head.upto(0, format::SNIFF).map(format::sniff) {
        Ok(Ok(format)) => format,
        Ok(Err(looks)) => return Step::Refused(Refusal::NotAPicture { looks }),
        Err(Stop::Need(range)) => return Step::Need(range),
        Err(_) => return Step::Refused(Refusal::Unreadable),
    };
    let mut found = Found::default();
    let end = match format {
        Format::Jpeg => jpeg::read(head, &mut found),
        Format::Png => png::read(head, &mut found),
        Format::WebP => webp::read(head, &mut found),
        Format::Heic | Format::Avif => isobmff::read(head, &mut found),
        Format::Tiff => tiff::read(head, &mut found),
        Format::Gif => gif_bmp::gif(head, &mut found),
        Format::Bmp => gif_bmp::bmp(head, &mut found),
    };
    if let Some(refusal) = unfit(&found, limits) {
        return Step::Refused(refusal);
    }
    if let Err(Stop::Need(range)) = end {
        return Step::Need(range);
    }
    let Some((width, height)) = found.size else {
        return Step::Refused(refuse(end.err(), format, head));
    };
    if let Some(flaw) = end.err().and_then(|stop| forgive(stop, head)) {
        found.flaws.add(flaw);
    }
    let promised = Format::promised(name).filter(|&promised| promised != format);
    // `.heif` names the container, which AVIF shares.
    match promised.map(|promised| (promised, format)) {
        None | Some((Format::Heic, Format::Avif)) => {}
        Some((promised, actual)) => found.flaws.add(Flaw::Misnamed { promised, actual }),
    }
    let Found { coding, notes, flaws, .. } = found;
    Step::Picture(Box::new(Probe {
        format,
        width,
        height,
        taken: notes.taken,
        gps_at: notes.gps_at,
        accuracy: notes.accuracy,
        place: notes.place,
        orientation: notes.orientation,
        coding,
        camera_make: notes.make,
        camera_model: notes.model,
        flaws: flaws.into_vec(),
    }))
}

/// Claims that must not reach a decoder, even when more is to be read.
fn unfit(found: &Found, limits: Limits) -> Option<Refusal> {
    let (width, height) = found.size?;
    if width == 0 || height == 0 {
        return Some(Refusal::NoPixels { width, height });
    }
    let limit = limits.max_pixels;
    let large = u64::from(width) * u64::from(height) > limit;
    large.then_some(Refusal::TooLarge { width, height, limit })
}

fn refuse(stop: Option<Stop>, format: Format, head: &Head) -> Refusal {
    match stop {
        Some(Stop::End { need }) => Refusal::Cut { format, have: head.size(), need },
        Some(Stop::Broken(why)) => Refusal::Broken { format, why },
        Some(Stop::Spent | Stop::Need(_)) => Refusal::Scattered { format, reads: head.reads() },
        None => Refusal::Broken { format, why: "its width and height are missing".to_owned() },
    }
}

fn forgive(stop: Stop, head: &Head) -> Option<Flaw> {
    match stop {
        Stop::End { need } => Some(Flaw::Truncated { have: head.size(), need }),
        Stop::Broken(why) => Some(Flaw::Structure { why }),
        Stop::Spent => Some(Flaw::Scattered { reads: head.reads() }),
        Stop::Need(_) => None,
    }
}
