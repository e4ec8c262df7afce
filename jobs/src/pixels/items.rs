//! What the boxes in `meta` say about the items of a HEIC or AVIF file.

use super::cursor::Cursor;
use super::head::Stop;

/// Extents of all items together; a 200-megapixel phone picture has some hundred tiles.
const MAX_EXTENTS: usize = 16 * 1024;

/// One part of an item's data.
pub(super) struct Extent {
    pub(super) item: u64,
    /// 0: offset in the file, 1: offset in the `idat` box, 2: in another item.
    pub(super) method: u64,
    pub(super) at: u64,
    /// 0 means up to the end of the file.
    pub(super) len: u64,
}

/// The boxes in a box; one that does not fit ends the list with its description.
pub(super) struct Boxes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = Cursor::big(self.0);
        let all = self.0;
        let (len, name) = rest.number(4).zip(rest.take(4))?;
        let (start, len) = match len {
            0 => (8, all.len() as u64),
            1 => (16, rest.number(8)?),
            len => (8, len),
        };
        let end = usize::try_from(len).ok().filter(|&end| end >= start && end <= all.len());
        let Some((whole, after)) = end.and_then(|end| all.split_at_checked(end)) else {
            self.0 = &[];
            return Some(Err(format!("a part claims {len} bytes where {} are left", all.len())));
        };
        self.0 = after;
        Some(Ok((name, whole.get(start..).unwrap_or_default())))
    }
}

/// Version and flags of a full box.
fn version(body: &mut Cursor<'_>) -> Option<(u8, u32)> {
    body.u8().zip(body.u24())
}

/// The number of the item to show.
pub(super) fn primary(pitm: &[u8]) -> Option<u64> {
    let mut body = Cursor::big(pitm);
    let (version, _) = version(&mut body)?;
    body.number(if version == 0 { 2 } else { 4 })
}

/// Width and height: `ispe` among the properties of one item. A grid of tiles has its own, of the
/// whole picture.
pub(super) fn size(iprp: &[u8], item: u64) -> Option<(u32, u32)> {
    let own = properties(iprp, item);
    let (_, ispe) = own.iter().find(|(name, _)| *name == b"ispe")?;
    let mut body = Cursor::big(ispe);
    version(&mut body)?;
    body.u32().zip(body.u32())
}

/// Names and bodies of what is said about one item, in the order in which it applies.
pub(super) fn properties(iprp: &[u8], item: u64) -> Vec<(&[u8], &[u8])> {
    let mut shelf: &[u8] = &[];
    let mut indices = Vec::new();
    for (name, body) in Boxes(iprp).flatten() {
        match name {
            b"ipco" => shelf = body,
            b"ipma" => associations(body, item, &mut indices).unwrap_or_default(),
            _ => {}
        }
    }
    let all: Vec<_> = Boxes(shelf).flatten().collect();
    indices.iter().filter_map(|index| all.get(index.checked_sub(1)?).copied()).collect()
}

/// Items that an item refers to in one way, such as a grid to its tiles (14496-12, 8.11.12).
pub(super) fn referred(iref: &[u8], kind: [u8; 4], from: u64) -> Vec<u64> {
    references(iref, kind).filter(|(item, _)| *item == from).flat_map(|(_, to)| to).collect()
}

/// Items that refer to an item in one way, such as an alpha plane to its picture.
pub(super) fn referring(iref: &[u8], kind: [u8; 4], to: u64) -> Vec<u64> {
    let all = references(iref, kind);
    all.filter(|(_, items)| items.contains(&to)).map(|(item, _)| item).collect()
}

fn references(iref: &[u8], kind: [u8; 4]) -> impl Iterator<Item = (u64, Vec<u64>)> {
    let mut body = Cursor::big(iref);
    let width = version(&mut body).map_or(2, |(version, _)| if version == 0 { 2 } else { 4 });
    let lists = Boxes(body.rest()).flatten().filter(move |(name, _)| *name == kind);
    lists.filter_map(move |(_, list)| {
        let mut list = Cursor::big(list);
        let from = list.number(width)?;
        let count = list.u16()?;
        Some((from, (0..count).map_while(|_| list.number(width)).collect()))
    })
}

fn associations(ipma: &[u8], item: u64, indices: &mut Vec<usize>) -> Option<()> {
    let mut body = Cursor::big(ipma);
    let (version, flags) = version(&mut body)?;
    for _ in 0..body.u32()? {
        let id = body.number(if version == 0 { 2 } else { 4 })?;
        for _ in 0..body.u8()? {
            // The highest bit says that the property is essential.
            let index = match flags & 1 {
                0 => body.u8()? as usize & 0x7F,
                _ => body.u16()? as usize & 0x7FFF,
            };
            if id == item {
                indices.push(index);
            }
        }
    }
    Some(())
}

/// Where every item's data is (14496-12, 8.11.3); how wide each number is stands in front.
pub(super) fn extents(iloc: &[u8]) -> Option<Vec<Extent>> {
    let mut extents = Vec::new();
    let mut body = Cursor::big(iloc);
    let (version, _) = version(&mut body)?;
    let widths = body.u16()?;
    let width = |shift: u16| usize::from((widths >> shift) & 15).min(8);
    let wide = if version < 2 { 2 } else { 4 };
    for _ in 0..body.number(wide)? {
        let item = body.number(wide)?;
        let method = match version {
            0 => 0,
            _ => body.number(2)? & 15,
        };
        body.u16()?;
        let base = body.number(width(4))?;
        for _ in 0..body.u16()? {
            if version > 0 {
                body.number(width(0))?;
            }
            let at = base.saturating_add(body.number(width(12))?);
            let len = body.number(width(8))?;
            // An extent may take no bytes in this table, so the table's end is no bound.
            if extents.len() == MAX_EXTENTS {
                return None;
            }
            extents.push(Extent { item, method, at, len });
        }
    }
    Some(extents)
}

/// The number of the item that holds the camera data.
pub(super) fn exif_item(iinf: &[u8]) -> Result<Option<u64>, Stop> {
    let mut body = Cursor::big(iinf);
    let count = version(&mut body).map(|(version, _)| if version == 0 { 2 } else { 4 });
    body.take(count.unwrap_or_default());
    for entry in Boxes(body.rest()) {
        let (_, infe) = entry.map_err(Stop::Broken)?;
        let mut body = Cursor::big(infe);
        let id = version(&mut body).and_then(|(version, _)| {
            body.number(if version == 2 { 2 } else { 4 }).filter(|_| version >= 2)
        });
        body.u16();
        if let (Some(id), Some(b"Exif")) = (id, body.take(4)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
