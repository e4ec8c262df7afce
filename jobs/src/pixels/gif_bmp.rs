//! GIF and BMP: the size stands at a fixed place, and neither carries camera data.

use super::Found;
use super::cursor::Cursor;
use super::head::{Bytes, Head, Stop};

/// Reads the screen size, and checks the frames in the first read against it (GIF 89a, 18 to 20).
pub(super) fn gif(head: &Head, found: &mut Found) -> Result<(), Stop> {
    let mut screen = Cursor::little(head.bytes(6, 7)?);
    let size = screen.u16().map(u64::from).zip(screen.u16().map(u64::from));
    let Some(((width, height), flags)) = size.zip(screen.u8()) else {
        return Ok(());
    };
    found.size = u32::try_from(width).ok().zip(u32::try_from(height).ok());
    let mut rest = Cursor::little(head.known(13));
    match frames(&mut rest, flags, width, height) {
        Some(end) => end,
        // More may follow what is known, but not what is all there is.
        None if head.known(0).len() as u64 == head.size() => {
            Err(Stop::End { need: head.size() + 1 })
        }
        None => Ok(()),
    }
}

/// Goes through all blocks; `None` where the bytes end before the file's own end mark.
fn frames(rest: &mut Cursor<'_>, flags: u8, width: u64, height: u64) -> Option<Result<(), Stop>> {
    palette(rest, flags)?;
    loop {
        match rest.u8()? {
            b',' => {
                let (left, top, w, h) = (rest.u16()?, rest.u16()?, rest.u16()?, rest.u16()?);
                let [left, top, w, h] = [left, top, w, h].map(u64::from);
                if left + w > width || top + h > height {
                    return Some(Err(Stop::Broken(format!(
                        "a frame of {w} × {h} pixels at {left}, {top} leaves the {width} × {height} \
                         screen"
                    ))));
                }
                let flags = rest.u8()?;
                palette(rest, flags)?;
            }
            b'!' => {}
            b';' => return Some(Ok(())),
            _ => return Some(Err(Stop::Broken("its parts are not in order".to_owned()))),
        }
        // Behind either comes one byte, then blocks of up to 255, ended by an empty one.
        rest.u8()?;
        loop {
            let len = rest.u8()?;
            if rest.take(len.into())?.is_empty() {
                break;
            }
        }
    }
}

/// Skips a colour table of 2, 4, … 256 entries, if there is one.
fn palette(rest: &mut Cursor<'_>, flags: u8) -> Option<()> {
    let len = if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    rest.take(len).map(drop)
}

/// Reads the size from either kind of header, and whether the rows are all there.
pub(super) fn bmp(head: &Head, found: &mut Found) -> Result<(), Stop> {
    let mut fields = Cursor::little(head.upto(10, 24)?);
    let cut = || Stop::End { need: 34 };
    let pixels = fields.number(4).ok_or_else(cut)?;
    let kind = fields.u32().ok_or_else(cut)?;
    if kind == 12 {
        let (width, height) = fields.u16().zip(fields.u16()).ok_or_else(cut)?;
        found.size = Some((width.into(), height.into()));
        return Ok(());
    }
    let (width, height) = fields.u32().zip(fields.u32()).ok_or_else(cut)?;
    fields.u16();
    let (depth, packing) = fields.u16().zip(fields.u32()).ok_or_else(cut)?;
    // A negative height means that rows run from top to bottom.
    let (width, height) = (width.cast_signed().unsigned_abs(), height.cast_signed().unsigned_abs());
    found.size = Some((width, height));
    let row = (u64::from(width) * u64::from(depth)).div_ceil(32) * 4;
    let need = pixels.saturating_add(row.saturating_mul(height.into()));
    if packing == 0 && need > head.size() {
        return Err(Stop::End { need });
    }
    Ok(())
}
