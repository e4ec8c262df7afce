//! A JPEG from its first to its last marker (T.81 annex B), in pieces of any length.

use super::flaw::Flaw;

/// Where in the file the walk is.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// Before the 0xFF of a marker.
    #[default]
    Marker,
    /// Behind that 0xFF.
    Code,
    /// Before the two bytes of a segment's length.
    Length(u8),
    /// Between them.
    LengthLow(u8, u8),
    /// In a segment whose content matters: so many bytes of it have gone by.
    Inside { marker: u8, seen: u16, left: u16 },
    /// In a segment whose content does not.
    Skip(u16),
    /// In compressed data.
    Scan,
    /// Behind an 0xFF in compressed data.
    ScanCode,
    /// At the end of the picture; phones append films and further pictures.
    Done,
}

/// See [`super::Walk`].
#[derive(Debug, Default)]
pub(super) struct JpegWalk {
    at: u64,
    state: State,
    /// Whether a scan has begun.
    scanned: bool,
    /// Components in the frame, and those whose only scan has been seen; a progressive picture
    /// may have any number of scans.
    frame: Option<u8>,
    complete: u8,
    restarts: bool,
    flaw: Option<Flaw>,
}

impl JpegWalk {
    /// The next bytes.
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some((&byte, tail)) = rest.split_first() {
            let step = match self.state {
                State::Done => return,
                State::Scan => memchr::memchr(0xFF, rest).map_or(rest.len(), |place| {
                    self.state = State::ScanCode;
                    place + 1
                }),
                State::Skip(left) => {
                    let step = usize::from(left).min(rest.len());
                    let left = left.saturating_sub(u16::try_from(step).unwrap_or(u16::MAX));
                    self.state = if left == 0 { State::Marker } else { State::Skip(left) };
                    step
                }
                _ => {
                    self.byte(byte);
                    1
                }
            };
            self.at += step as u64;
            rest = if step == 1 { tail } else { rest.get(step..).unwrap_or_default() };
        }
    }

    fn byte(&mut self, byte: u8) {
        self.state = match self.state {
            State::Marker if byte == 0xFF => State::Code,
            State::Marker => self.damaged("stray bytes where a header should be"),
            State::Code => self.code(byte),
            State::ScanCode => self.scan_code(byte),
            State::Length(marker) => State::LengthLow(marker, byte),
            State::LengthLow(marker, high) => {
                match u16::from_be_bytes([high, byte]).checked_sub(2) {
                    Some(left) => Self::inside(marker, 0, left),
                    None => self.damaged("a header has no length"),
                }
            }
            State::Inside { marker, seen, left } => {
                self.content(marker, seen, byte);
                Self::inside(marker, seen + 1, left - 1)
            }
            other => other,
        };
    }

    /// A byte of a frame, scan or restart header.
    fn content(&mut self, marker: u8, seen: u16, byte: u8) {
        match (marker, seen) {
            (0xDA, 0) => self.complete = self.complete.saturating_add(byte),
            (0xDD, 0 | 1) => self.restarts = byte != 0 || seen == 1 && self.restarts,
            // The progressive kinds.
            (0xC2 | 0xC6 | 0xCA | 0xCE, 5) => self.frame = Some(u8::MAX),
            (0xC0..=0xCF, 5) => self.frame = Some(byte),
            _ => {}
        }
    }

    /// The state in a segment of which `left` bytes are to come.
    fn inside(marker: u8, seen: u16, left: u16) -> State {
        match (marker, left) {
            (0xDA, 0) => State::Scan,
            (_, 0) => State::Marker,
            // DHT, JPG and DAC stand among the frame headers (table B.1).
            (0xC4 | 0xC8 | 0xCC, _) => State::Skip(left),
            (0xC0..=0xCF | 0xDA | 0xDD, _) => State::Inside { marker, seen, left },
            _ => State::Skip(left),
        }
    }

    /// A marker between segments.
    fn code(&mut self, code: u8) -> State {
        match code {
            0xFF => State::Code,
            // SOI, the first one only.
            0xD8 if self.at == 1 => State::Marker,
            0xD9 if self.scanned => State::Done,
            0x00..=0xBF | 0xD0..=0xD9 => self.misplaced("a mark stands where a header should be"),
            code => {
                self.scanned |= code == 0xDA;
                State::Length(code)
            }
        }
    }

    /// A marker in compressed data: only few may stand there.
    fn scan_code(&mut self, code: u8) -> State {
        // In a sequential picture every component has one scan, so the last one is known. Only
        // the number of lines may follow it (B.2.5).
        let last = self.frame.is_some_and(|frame| self.complete >= frame);
        match code {
            0x00 => State::Scan,
            0xFF => State::ScanCode,
            0xD0..=0xD7 if self.restarts => State::Scan,
            0xD9 => State::Done,
            0xDC => State::Length(code),
            0xC4 | 0xCC | 0xDA | 0xDB | 0xDD | 0xE0..=0xEF | 0xFE if !last => State::Length(code),
            _ => self.misplaced("a mark stands in the middle of the picture"),
        }
    }

    /// The marker whose second byte this is cannot stand here.
    fn misplaced(&mut self, why: &'static str) -> State {
        self.flaw = Some(Flaw::Damaged { at: self.at.saturating_sub(1), why });
        State::Done
    }

    /// Notes the damage at this byte and ends the walk.
    fn damaged(&mut self, why: &'static str) -> State {
        self.flaw = Some(Flaw::Damaged { at: self.at, why });
        State::Done
    }

    /// What is wrong, now that the file has ended.
    pub(super) fn finish(self) -> Option<Flaw> {
        let left = match self.state {
            State::Done => return self.flaw,
            State::Inside { left, .. } | State::Skip(left) => u64::from(left),
            State::Code | State::ScanCode => return Some(self.truncated(1)),
            _ => 0,
        };
        Some(self.truncated(left + 2))
    }

    fn truncated(&self, missing: u64) -> Flaw {
        Flaw::Truncated { have: self.at, need: self.at + missing }
    }
}
