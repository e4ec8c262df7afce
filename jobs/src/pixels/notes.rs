//! What the camera noted about a picture (EXIF), gathered from one or more blocks.

use chrono::NaiveDateTime;
use exif::Tag;

use super::directory;
use super::flaw::Flaws;
use super::head::Stop;
use super::place::{self, Place};
use super::tags::Tags;
use super::when::{self, Taken};

/// Names of cameras are shorter; the rest of a longer text is somebody's joke.
const NAME: usize = 80;

/// A picture has one block, or two when a program added its own.
const MAX_BLOCKS: usize = 8;

/// The camera's notes; where blocks disagree the first one counts.
#[derive(Debug, Default)]
pub(super) struct Notes {
    blocks: usize,
    pub(super) taken: Option<Taken>,
    pub(super) gps_at: Option<NaiveDateTime>,
    pub(super) place: Option<Place>,
    pub(super) accuracy: Option<f64>,
    pub(super) orientation: Option<u8>,
    pub(super) make: Option<String>,
    pub(super) model: Option<String>,
}

impl Notes {
    /// Adds what a block of EXIF says. Some programs keep the JPEG prefix where it is wrong.
    pub(super) fn add(&mut self, block: &[u8], flaws: &mut Flaws) -> Result<(), Stop> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return Ok(());
        }
        let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        let tags = Tags::decode(directory::collect(&block, flaws)?);
        self.merge(&tags, flaws);
        Ok(())
    }

    /// Adds what decoded tags say.
    pub(super) fn merge(&mut self, tags: &Tags, flaws: &mut Flaws) {
        self.taken = self.taken.take().or_else(|| when::taken(tags, flaws));
        self.gps_at = self.gps_at.or_else(|| when::gps(tags));
        if self.place.is_none() {
            self.place = place::read(tags, flaws);
            self.accuracy = self.place.and_then(|_| place::accuracy(tags));
        }
        let valid = |number| u8::try_from(number).ok().filter(|number| (1..=8).contains(number));
        self.orientation = self.orientation.or_else(|| valid(tags.number(Tag::Orientation)?));
        self.make = self.make.take().or_else(|| tags.readable(Tag::Make, NAME));
        self.model = self.model.take().or_else(|| tags.readable(Tag::Model, NAME));
    }
}
