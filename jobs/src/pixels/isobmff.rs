//! HEIC and AVIF: boxes of ISO/IEC 14496-12, with the picture items of ISO/IEC 23008-12.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::colour::{Cicp, Profile};
use super::cursor::Cursor;
use super::head::{Bytes, Head, MAX_READ, Stop};
use super::items::{self, Boxes, Extent};
use super::{Found, orient};

/// Boxes at the top of a file before `meta`; real files have two or three.
const MAX_BOXES: usize = 32;

/// Finds the primary picture's size, its camera data, and whether all items lie in the file.
pub(super) fn read(head: &Head, found: &mut Found) -> Result<(), Stop> {
    let meta = meta(head)?;
    // `meta` is a full box: version and flags come before its children.
    let children: Vec<_> = Boxes(meta.get(4..).unwrap_or_default()).collect();
    let child = |name: &[u8; 4]| {
        let child = children.iter().flatten().find(|(kind, _)| *kind == name);
        child.map(|(_, body)| *body)
    };
    let damage = children.iter().find_map(|child| child.as_ref().err());
    let damage = damage.map(|damage| Stop::Broken(damage.clone()));
    let primary = child(b"pitm").and_then(items::primary);
    found.size = primary.zip(child(b"iprp")).and_then(|(primary, iprp)| items::size(iprp, primary));
    if let Some(damage) = damage {
        return Err(damage);
    }
    if found.size.is_none() {
        return Err(lost("how large the picture is"));
    }
    let extents = child(b"iloc").and_then(items::extents);
    let extents = extents.ok_or_else(|| lost("where the picture is"))?;
    for extent in extents.iter().filter(|extent| extent.method == 0) {
        let need = extent.at.saturating_add(extent.len);
        if need > head.size() {
            return Err(Stop::End { need });
        }
    }
    let Some(exif) = items::exif_item(child(b"iinf").unwrap_or_default())? else {
        return Ok(());
    };
    let exif = extents.iter().filter(|extent| extent.item == exif);
    let idat = child(b"idat").unwrap_or_default();
    let data = join(head, &idat, exif)?;
    // 23008-12 A.2.1: the distance from behind this number to the TIFF header.
    let mut block = Cursor::big(&data);
    let skip = block.number(4).and_then(|skip| block.take(usize::try_from(skip).ok()?));
    skip.ok_or_else(|| lost("where the camera data begins"))?;
    found.notes.add(block.rest(), &mut found.flaws)
}

/// How the samples of the primary picture are to be shown: what their colours mean, and EXIF's number
/// for how they are to be turned.
pub(super) fn shown(bytes: &[u8]) -> (Option<Profile>, u8) {
    let child = children(&bytes);
    let primary = child(b"pitm").and_then(items::primary).unwrap_or_default();
    let (mut icc, mut cicp, mut orientation) = (None, None, 1);
    for (name, body) in items::properties(child(b"iprp").unwrap_or_default(), primary) {
        let turn = match (name, body) {
            // 23008-12, 6.5.10: quarter turns, anticlockwise.
            (b"irot", [quarters, ..]) => [1, 8, 3, 6][usize::from(quarters & 3)],
            // 6.5.12: 0 exchanges top and bottom, 1 left and right.
            (b"imir", [axis, ..]) => [4, 2][usize::from(axis & 1)],
            (b"colr", [b'n', b'c', b'l', b'x', numbers @ ..]) => {
                let mut numbers = Cursor::big(numbers);
                let both = numbers.u16().zip(numbers.u16());
                cicp = both.map(|(primaries, transfer)| Cicp { primaries, transfer });
                1
            }
            (
                b"colr",
                [b'p', b'r', b'o', b'f', profile @ ..] | [b'r', b'I', b'C', b'C', profile @ ..],
            ) => {
                icc = Some(profile.to_vec());
                1
            }
            _ => 1,
        };
        orientation = orient::then(orientation, turn);
    }
    (icc.map(Profile::Icc).or(cicp.map(Profile::Cicp)), orientation)
}

/// How to decode the pictures that are shown: a list for the primary picture and one for each alpha plane and
/// each picture that it is predicted from, of the bodies of `name` of all tiles.
pub(super) fn configurations<'a>(bytes: &'a &[u8], name: [u8; 4]) -> Vec<Vec<&'a [u8]>> {
    let child = children(bytes);
    let primary = child(b"pitm").and_then(items::primary).unwrap_or_default();
    let (iprp, iref) = (child(b"iprp").unwrap_or_default(), child(b"iref").unwrap_or_default());
    let mut pictures = vec![primary];
    pictures.extend(items::referring(iref, *b"auxl", primary));
    pictures.extend(items::referred(iref, *b"pred", primary));
    let own = |item: u64| {
        let own = items::properties(iprp, item).into_iter();
        own.filter(move |(kind, _)| *kind == name).map(|(_, body)| body)
    };
    let all = pictures.into_iter().map(|picture| {
        let tiles = items::referred(iref, *b"dimg", picture);
        tiles.into_iter().chain([picture]).flat_map(own).collect()
    });
    all.collect()
}

/// The data of every item of a whole file; `None` when items share their bytes, as no honest ones do,
/// and would be longer than the file together.
pub(super) fn data(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let child = children(&bytes);
    let idat = child(b"idat").unwrap_or_default();
    let mut items: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut total = 0;
    for Extent { item, method, at, len } in
        child(b"iloc").and_then(items::extents).unwrap_or_default()
    {
        let source = if method == 0 { bytes } else { idat };
        let len = if len == 0 { source.size().saturating_sub(at) } else { len };
        let part = source.bytes(at, len).unwrap_or_default();
        total += part.len();
        if total > bytes.len() {
            return None;
        }
        items.entry(item).or_default().extend(part);
    }
    Some(items.into_values().collect())
}

/// What finds the boxes in the `meta` box of a whole file by their names.
fn children<'a>(bytes: &'a &[u8]) -> impl Fn(&[u8; 4]) -> Option<&'a [u8]> {
    let meta = meta(bytes).unwrap_or_default();
    let children: Vec<_> = Boxes(meta.get(4..).unwrap_or_default()).flatten().collect();
    move |name| children.iter().find(|(kind, _)| *kind == name).map(|(_, body)| *body)
}

/// The data of one item; it may lie in the file or in the `idat` box.
fn join<'a>(
    head: &'a Head,
    idat: &'a &'a [u8],
    extents: impl Iterator<Item = &'a Extent>,
) -> Result<Cow<'a, [u8]>, Stop> {
    let mut data = Cow::Borrowed(&[][..]);
    for &Extent { method, at, len, .. } in extents {
        let source: &dyn Bytes = if method == 0 { head } else { idat };
        let len = if len == 0 { source.size().saturating_sub(at) } else { len };
        if data.len() as u64 + len > MAX_READ {
            return Err(Stop::Spent);
        }
        let part = source.bytes(at, len).map_err(|stop| match stop {
            Stop::End { .. } => lost("where the camera data is"),
            stop => stop,
        })?;
        if data.is_empty() {
            data = Cow::Borrowed(part);
        } else {
            data.to_mut().extend_from_slice(part);
        }
    }
    Ok(data)
}

fn lost(what: &str) -> Stop {
    Stop::Broken(format!("it does not say {what}"))
}

/// The body of the `meta` box.
fn meta<B: Bytes>(head: &B) -> Result<&[u8], Stop> {
    let mut at = 0_u64;
    for _ in 0..MAX_BOXES {
        let mut header = Cursor::big(head.bytes(at, 8)?);
        let (len, name) =
            (header.number(4).unwrap_or_default(), header.take(4).unwrap_or_default());
        let (start, len) = match len {
            0 => (8, head.size() - at),
            1 => (16, Cursor::big(head.bytes(at + 8, 8)?).number(8).unwrap_or_default()),
            len => (8, len),
        };
        if len < start {
            return Err(Stop::Broken(format!("a part of {len} bytes at byte {at}")));
        }
        if name == b"meta" {
            if len > MAX_READ {
                return Err(Stop::Broken(format!("its table of contents claims {len} bytes")));
            }
            return head.bytes(at + start, len - start);
        }
        at = at.saturating_add(len);
    }
    Err(lost("what it contains"))
}
