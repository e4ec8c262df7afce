//! TIFF files: the camera data's own structure, with the picture in it (TIFF 6.0).

use exif::Tag;

use super::directory;
use super::head::{Bytes, Head, Stop};
use super::tags::Tags;
use super::{Coding, Found};

/// Finds size and camera data in the first directory, and whether all its strips are there.
pub(super) fn read(head: &Head, found: &mut Found) -> Result<(), Stop> {
    let tags = Tags::decode(directory::collect(head, &mut found.flaws)?);
    found.size = tags.number(Tag::ImageWidth).zip(tags.number(Tag::ImageLength));
    let least = |tag, value: u32| tags.number(tag).unwrap_or(value).clamp(1, 64);
    found.coding = Coding {
        channels: u8::try_from(least(Tag::SamplesPerPixel, 1)).unwrap_or(4),
        bits: u8::try_from(least(Tag::BitsPerSample, 8).max(8)).unwrap_or(8),
        held: 0,
    };
    found.notes.merge(&tags, &mut found.flaws);
    let parts =
        [(Tag::StripOffsets, Tag::StripByteCounts), (Tag::TileOffsets, Tag::TileByteCounts)];
    for (offsets, counts) in parts {
        let ends = tags.numbers(offsets).zip(tags.numbers(counts));
        let ends = ends.map(|(offset, count)| u64::from(offset) + u64::from(count));
        if let Some(need) = ends.max().filter(|&need| need > head.size()) {
            return Err(Stop::End { need });
        }
    }
    Ok(())
}
