//! Checks a whole file as it streams by, for what its headers cannot tell.

use super::cursor::Cursor;
use super::flaw::Flaw;
use super::format::Format;
use super::walk_jpeg::JpegWalk;

/// Walks a whole file as it streams by and finds out whether the picture in it is complete.
#[derive(Debug)]
pub(crate) struct Walk(Kind);

#[derive(Debug)]
enum Kind {
    Jpeg(JpegWalk),
    Png(PngWalk),
    /// Most other formats tell their length in front, where `probe` checks it.
    Other,
}

impl Walk {
    /// A walk through a file of this format, starting at its first byte.
    pub(crate) fn new(format: Format) -> Self {
        Self(match format {
            Format::Jpeg => Kind::Jpeg(JpegWalk::default()),
            Format::Png => Kind::Png(PngWalk::default()),
            _ => Kind::Other,
        })
    }

    /// The next bytes of the file, cut anywhere.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        match &mut self.0 {
            Kind::Jpeg(walk) => walk.feed(chunk),
            Kind::Png(walk) => walk.feed(chunk),
            Kind::Other => {}
        }
    }

    /// What is wrong, now that the file has ended.
    pub(crate) fn finish(self) -> Option<Flaw> {
        match self.0 {
            Kind::Jpeg(walk) => walk.finish(),
            Kind::Png(walk) => walk.finish(),
            Kind::Other => None,
        }
    }
}

/// From chunk to chunk until `IEND`; what follows that does not belong to the picture.
#[derive(Debug)]
struct PngWalk {
    at: u64,
    skip: u64,
    header: Vec<u8>,
    done: bool,
    flaw: Option<Flaw>,
}

impl Default for PngWalk {
    fn default() -> Self {
        // The signature has been checked by whoever found out the format.
        Self { at: 0, skip: 8, header: Vec::with_capacity(8), done: false, flaw: None }
    }
}

impl PngWalk {
    fn feed(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() && !self.done {
            if self.skip > 0 {
                let step = usize::try_from(self.skip).unwrap_or(usize::MAX).min(chunk.len());
                self.skip -= step as u64;
                self.at += step as u64;
                chunk = chunk.get(step..).unwrap_or_default();
                continue;
            }
            let missing = 8_usize.saturating_sub(self.header.len());
            let (header, rest) = chunk.split_at(missing.min(chunk.len()));
            self.header.extend(header);
            self.at += header.len() as u64;
            chunk = rest;
            if self.header.len() == 8 {
                self.chunk();
                self.header.clear();
            }
        }
    }

    fn chunk(&mut self) {
        let mut header = Cursor::big(&self.header);
        let len = header.number(4).unwrap_or_default();
        let name = header.take(4).unwrap_or_default();
        if !name.iter().all(u8::is_ascii_alphabetic) {
            let why = "what follows is no part of a PNG";
            self.flaw = Some(Flaw::Damaged { at: self.at - 8, why });
            self.done = true;
        }
        self.done |= name == b"IEND";
        self.skip = len + 4;
    }

    fn finish(self) -> Option<Flaw> {
        // What is missing at least: the rest of this chunk, and an empty last one.
        let need = self.at + self.skip + 12 - self.header.len() as u64;
        match self.flaw {
            None if !self.done => Some(Flaw::Truncated { have: self.at, need }),
            flaw => flaw,
        }
    }
}
