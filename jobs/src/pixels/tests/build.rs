//! Writes minimal files of each format.

/// A value of a tag.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Short(u16),
    Long(u32),
    Ratio(&'a [(u32, u32)]),
    SignedRatio(&'a [(i32, i32)]),
}

pub(super) type Tags<'a> = &'a [(u16, Value<'a>)];

/// A TIFF block with three directories, in either byte order.
pub(super) struct Tiff<'a> {
    pub(super) little: bool,
    pub(super) main: Tags<'a>,
    pub(super) exif: Tags<'a>,
    pub(super) gps: Tags<'a>,
}

impl Tiff<'_> {
    fn long(&self, out: &mut Vec<u8>, value: u32) {
        out.extend(if self.little { value.to_le_bytes() } else { value.to_be_bytes() });
    }

    fn short(&self, out: &mut Vec<u8>, value: u16) {
        out.extend(if self.little { value.to_le_bytes() } else { value.to_be_bytes() });
    }

    fn value(&self, value: &Value<'_>) -> (u16, u32, Vec<u8>) {
        let mut out = Vec::new();
        let (kind, count) = match value {
            Value::Text(text) => {
                out.extend(text.as_bytes());
                out.push(0);
                (2, out.len())
            }
            Value::Short(number) => {
                self.short(&mut out, *number);
                (3, 1)
            }
            Value::Long(number) => {
                self.long(&mut out, *number);
                (4, 1)
            }
            Value::Ratio(parts) => {
                let parts = parts.iter().flat_map(|&(a, b)| [a, b]);
                parts.for_each(|part| self.long(&mut out, part));
                (5, out.len() / 8)
            }
            Value::SignedRatio(parts) => {
                let parts = parts.iter().flat_map(|&(a, b)| [a, b]);
                parts.for_each(|part| self.long(&mut out, part.cast_unsigned()));
                (10, out.len() / 8)
            }
        };
        (kind, u32::try_from(count).unwrap(), out)
    }

    /// Header, main directory at byte 8, EXIF, GPS, and each one's values behind it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = if self.little { b"II\x2A\0".to_vec() } else { b"MM\0\x2A".to_vec() };
        self.long(&mut out, 8);
        let exif_at = 8 + self.directory(self.main, &[(0x8769, 0), (0x8825, 0)], 8).len();
        let gps_at = exif_at + self.directory(self.exif, &[], exif_at).len();
        out.extend(self.directory(self.main, &[(0x8769, exif_at), (0x8825, gps_at)], 8));
        out.extend(self.directory(self.exif, &[], exif_at));
        out.extend(self.directory(self.gps, &[], gps_at));
        out
    }

    fn directory(&self, tags: Tags<'_>, pointers: &[(u16, usize)], at: usize) -> Vec<u8> {
        let rows = tags.len() + pointers.len();
        let mut heap = Vec::new();
        let heap_at = at + 2 + 12 * rows + 4;
        let mut out = Vec::new();
        self.short(&mut out, u16::try_from(rows).unwrap());
        for (tag, value) in tags {
            let (kind, count, mut bytes) = self.value(value);
            self.short(&mut out, *tag);
            self.short(&mut out, kind);
            self.long(&mut out, count);
            if bytes.len() <= 4 {
                bytes.resize(4, 0);
                out.extend(bytes);
            } else {
                self.long(&mut out, u32::try_from(heap_at + heap.len()).unwrap());
                heap.extend(bytes);
            }
        }
        for &(tag, at) in pointers {
            self.short(&mut out, tag);
            self.short(&mut out, 4);
            self.long(&mut out, 1);
            self.long(&mut out, u32::try_from(at).unwrap());
        }
        self.long(&mut out, 0);
        out.extend(heap);
        out
    }
}

/// A JPEG of these segments, a frame, and a scan with these bytes.
pub(super) fn jpeg(segments: &[(u8, &[u8])], (width, height): (u16, u16), scan: &[u8]) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8];
    let segment = |out: &mut Vec<u8>, marker: u8, data: &[u8]| {
        out.extend([0xFF, marker]);
        out.extend(u16::try_from(data.len() + 2).unwrap().to_be_bytes());
        out.extend(data);
    };
    for (marker, data) in segments {
        segment(&mut out, *marker, data);
    }
    let ([h1, h2], [w1, w2]) = (height.to_be_bytes(), width.to_be_bytes());
    segment(&mut out, 0xC0, &[8, h1, h2, w1, w2, 1, 1, 0x11, 0]);
    segment(&mut out, 0xDA, &[1, 1, 0, 0, 63, 0]);
    out.extend(scan);
    out.extend([0xFF, 0xD9]);
    out
}

/// A JPEG whose only segment is this EXIF block.
pub(super) fn exif_jpeg(block: &[u8]) -> Vec<u8> {
    jpeg(&[(0xE1, &[b"Exif\0\0", block].concat())], (40, 30), &[1, 2, 3])
}

/// A PNG of a header, these chunks, and an end. Checksums are not looked at.
pub(super) fn png((width, height): (u32, u32), chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1A\n".to_vec();
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let all = [(b"IHDR", &header[..])].into_iter().chain(chunks.iter().copied());
    for (name, data) in all.chain([(b"IEND", &[][..])]) {
        out.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        out.extend(name);
        out.extend(data);
        out.extend([0; 4]);
    }
    out
}

/// A WebP of these chunks.
pub(super) fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in chunks {
        body.extend(*name);
        body.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        body.extend(*data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

/// A box of ISO-BMFF.
pub(super) fn boxed(name: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let len = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&len[..], &name, &body].concat()
}

/// A HEIC of one picture item at byte 400 (8 bytes) and an EXIF item behind it.
pub(super) fn heic(brand: [u8; 4], (width, height): (u32, u32), exif: &[u8]) -> Vec<u8> {
    let full = &[0, 0, 0, 0][..];
    let item = |id: u8, kind: &[u8; 4]| boxed(*b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind, &[0]]);
    let exif_len = u32::try_from(exif.len() + 4).unwrap().to_be_bytes();
    let ispe = boxed(*b"ispe", &[full, &width.to_be_bytes(), &height.to_be_bytes()]);
    let meta = [
        boxed(*b"pitm", &[full, &[0, 1]]),
        boxed(*b"iinf", &[full, &[0, 2], &item(1, b"hvc1"), &item(2, b"Exif")]),
        boxed(
            *b"iloc",
            &[
                full,
                &[0x44, 0x00, 0, 2],
                &[0, 1, 0, 0, 0, 1, 0, 0, 1, 0x90, 0, 0, 0, 8],
                &[0, 2, 0, 0, 0, 1, 0, 0, 1, 0x98],
                &exif_len,
            ],
        ),
        boxed(
            *b"iprp",
            &[
                &boxed(*b"ipco", &[&boxed(*b"free", &[]), &ispe]),
                &boxed(*b"ipma", &[full, &[0, 0, 0, 1, 0, 1, 2, 0x81, 2]]),
            ],
        ),
    ];
    let mut out = boxed(*b"ftyp", &[&brand, &[0; 4], b"miaf"]);
    out.extend(boxed(*b"meta", &[full, &meta.concat()]));
    assert!(out.len() <= 392, "{}", out.len());
    out.resize(392, 0);
    out.extend(boxed(*b"mdat", &[&[7; 8], &[0; 4], exif]));
    out
}
