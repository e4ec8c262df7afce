//! Walks the directories of a TIFF structure (TIFF 6.0, section 2) and keeps the wanted tags.
//!
//! `kamadak-exif` decodes the values, but is not let near the file: it follows every pointer to
//! a sub-directory, three levels deep, so that a hostile block of 14 KiB becomes 64 million
//! fields, and it wants a whole TIFF file in memory. So the walk is done here, with bounds, and
//! what is wanted goes to the decoder in a small block of its own. That also tells which value
//! was lost, where a decoder can only say that something was.

use super::cursor::Cursor;
use super::flaw::{Flaw, Flaws};
use super::head::{Bytes, Stop};

/// More entries than any camera writes into one directory.
const MAX_ENTRIES: u64 = 512;
/// A wanted value is a short text or a few numbers; strip tables of TIFF files are the longest.
const MAX_VALUE: u64 = 64 * 1024;

/// Tag numbers of the pointers to the two sub-directories (Exif 2.32, 4.6.3).
const EXIF_POINTER: u16 = 0x8769;
const GPS_POINTER: u16 = 0x8825;
const LONG: u16 = 4;

/// A directory: where its entries go in the small block.
#[derive(Clone, Copy, PartialEq)]
enum Dir {
    Main,
    Exif,
    Gps,
}

/// What is wanted of it, by tag number, and what to call it when it is lost.
fn wanted(dir: Dir, tag: u16) -> Option<&'static str> {
    Some(match (dir, tag) {
        (Dir::Main, 0x0100 | 0x0101) => "the size",
        (Dir::Main, 0x0102 | 0x0115) => "the depth of the pixels",
        (Dir::Main, 0x010F | 0x0110) => "the camera's name",
        (Dir::Main, 0x0111 | 0x0117 | 0x0144 | 0x0145) => "the place of the pixels",
        (Dir::Main, 0x0112) => "the orientation",
        (Dir::Main, 0x0132) => "the time of the last change",
        (Dir::Exif, 0x9003 | 0x9004 | 0x9290..=0x9292) => "the capture time",
        (Dir::Exif, 0x9010..=0x9012) => "the time zone",
        (Dir::Gps, 1..=4) => "the GPS position",
        (Dir::Gps, 31) => "how exact the GPS position is",
        (Dir::Gps, 7 | 29) => "the GPS time",
        _ => return None,
    })
}

struct Entry {
    dir: Dir,
    tag: u16,
    kind: u16,
    count: u32,
    value: Vec<u8>,
}

struct Walk<'a, S> {
    source: &'a S,
    little: bool,
    /// Directories walked; each kind once, so two at most point on from the first.
    seen: Vec<(Dir, u64)>,
    entries: Vec<Entry>,
    flaws: &'a mut Flaws,
}

/// A small TIFF block with the wanted tags of `source`. What is lost on the way becomes a flaw;
/// only missing bytes stop the walk.
pub(super) fn collect(source: &impl Bytes, flaws: &mut Flaws) -> Result<Vec<u8>, Stop> {
    let head = match source.bytes(0, 8) {
        Ok(head) => head,
        Err(Stop::End { .. }) => &[],
        Err(stop) => return Err(stop),
    };
    let little = match head {
        [b'I', b'I', 42, 0, ..] => true,
        [b'M', b'M', 0, 42, ..] => false,
        _ => {
            let why = if head.is_empty() { "it is cut off" } else { "its first bytes are wrong" };
            flaws.add(Flaw::Exif { why: why.to_owned() });
            return Ok(Vec::new());
        }
    };
    let mut walk = Walk { source, little, seen: Vec::new(), entries: Vec::new(), flaws };
    let first = walk.cursor(head.get(4..).unwrap_or_default()).number(4).unwrap_or_default();
    walk.directory(Dir::Main, first)?;
    Ok(pack(&walk.entries, little))
}

impl<S: Bytes> Walk<'_, S> {
    fn cursor<'b>(&self, bytes: &'b [u8]) -> Cursor<'b> {
        Cursor::ordered(bytes, self.little)
    }

    fn flaw(&mut self, why: String) {
        self.flaws.add(Flaw::Exif { why });
    }

    fn directory(&mut self, dir: Dir, at: u64) -> Result<(), Stop> {
        if self.seen.iter().any(|&(kind, place)| kind == dir || place == at) {
            self.flaw("a directory points back at another".to_owned());
            return Ok(());
        }
        self.seen.push((dir, at));
        let source = self.source;
        let Some(count) = within(source.bytes(at, 2))? else {
            self.flaw(format!("a directory lies at byte {at} of {}", source.size()));
            return Ok(());
        };
        let count = self.cursor(count).number(2).unwrap_or_default();
        let fit = (source.size() - at - 2) / 12;
        if count > fit || count > MAX_ENTRIES {
            self.flaw(format!("a directory claims {count} entries, {fit} have room"));
        }
        let table = source.bytes(at + 2, count.min(fit).min(MAX_ENTRIES) * 12)?;
        for row in table.chunks_exact(12) {
            self.entry(dir, row)?;
        }
        let next = at + 2 + count * 12;
        if let (Dir::Main, Some(next)) = (dir, within(source.bytes(next, 4))?) {
            let next = self.cursor(next).number(4).unwrap_or_default();
            if self.seen.iter().any(|&(_, place)| place == next) {
                self.flaw("a directory points back at another".to_owned());
            }
        }
        Ok(())
    }

    fn entry(&mut self, dir: Dir, row: &[u8]) -> Result<(), Stop> {
        let mut row = self.cursor(row);
        let (Some(tag), Some(kind), Some(count)) = (row.u16(), row.u16(), row.u32()) else {
            return Ok(());
        };
        let place = row.rest();
        let pointer = row.number(4).unwrap_or_default();
        match (dir, tag) {
            // How some programs say that there is nothing.
            (Dir::Main, EXIF_POINTER | GPS_POINTER) if count == 0 || pointer == 0 => return Ok(()),
            (Dir::Main, EXIF_POINTER) => return self.directory(Dir::Exif, pointer),
            (Dir::Main, GPS_POINTER) => return self.directory(Dir::Gps, pointer),
            _ => {}
        }
        // TIFF 6.0, section 2: bytes per value of the types 1 to 12.
        let unit = match kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 => 4,
            5 | 10 | 12 => 8,
            _ => return Ok(()),
        };
        let Some(name) = wanted(dir, tag) else {
            return Ok(());
        };
        if self.entries.iter().any(|entry| (entry.dir, entry.tag) == (dir, tag)) {
            return Ok(());
        }
        let len = unit * u64::from(count);
        let source = self.source;
        let value = match usize::try_from(len) {
            Ok(len @ 0..=4) => place.get(..len),
            _ if len > MAX_VALUE => None,
            _ => within(source.bytes(pointer, len))?,
        };
        match value.map(<[u8]>::to_vec) {
            Some(value) => self.entries.push(Entry { dir, tag, kind, count, value }),
            None => self.flaw(format!("{name} ({len} bytes at byte {pointer}) lies outside it")),
        }
        Ok(())
    }
}

/// `None` for what lies outside the source.
fn within<T>(bytes: Result<T, Stop>) -> Result<Option<T>, Stop> {
    match bytes {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Stop::End { .. }) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Writes header, three directories and their values, in the byte order the values came in.
fn pack(entries: &[Entry], little: bool) -> Vec<u8> {
    let number = |out: &mut Vec<u8>, number: usize, width: usize| {
        let bytes = number.to_le_bytes();
        let bytes = bytes.get(..width).unwrap_or_default();
        if little {
            out.extend(bytes);
        } else {
            out.extend(bytes.iter().rev());
        }
    };
    let rows = |dir| entries.iter().filter(move |entry| entry.dir == dir);
    let table = |rows: usize| 2 + 12 * rows + 4;
    let exif = 8 + table(rows(Dir::Main).count() + 2);
    let gps = exif + table(rows(Dir::Exif).count());
    let mut heap_at = gps + table(rows(Dir::Gps).count());
    let mut out = if little { b"II\x2A\0".to_vec() } else { b"MM\0\x2A".to_vec() };
    let mut heap = Vec::new();
    number(&mut out, 8, 4);
    for dir in [Dir::Main, Dir::Exif, Dir::Gps] {
        let pointers: &[_] = match dir {
            Dir::Main => &[(EXIF_POINTER, exif), (GPS_POINTER, gps)],
            _ => &[],
        };
        number(&mut out, rows(dir).count() + pointers.len(), 2);
        for entry in rows(dir) {
            number(&mut out, entry.tag.into(), 2);
            number(&mut out, entry.kind.into(), 2);
            number(&mut out, entry.count as usize, 4);
            if entry.value.len() <= 4 {
                out.extend(&entry.value);
                out.resize(out.len() + 4 - entry.value.len(), 0);
            } else {
                number(&mut out, heap_at, 4);
                heap.extend(&entry.value);
                heap_at += entry.value.len();
            }
        }
        for &(tag, at) in pointers {
            number(&mut out, tag.into(), 2);
            number(&mut out, LONG.into(), 2);
            number(&mut out, 1, 4);
            number(&mut out, at, 4);
        }
        number(&mut out, 0, 4);
    }
    out.append(&mut heap);
    out
}
