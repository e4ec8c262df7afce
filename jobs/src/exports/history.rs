//! Nights as files tell of them.
//!
//! The catalogue is read to its end first, in one short transaction, into a spool file: how many nights there
//! are is known then, and a format takes as long as it takes without holding up the database. Nothing of
//! it is in memory but the page that is read and the night that is written.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;

use serde::{Deserialize, Serialize};

use crate::effects::catalogue::{NightRow, ShowRow};
use crate::matching::SongSet;

/// A night of which a user has photos.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Night {
    /// The day that it began on, `YYYY-MM-DD`.
    pub(super) date: String,
    pub(super) venue: String,
    pub(super) city: Option<String>,
    pub(super) region: Option<String>,
    pub(super) country: Option<String>,
    /// How many of the user's photos are of it.
    pub(super) photos: i64,
    pub(super) link: Link,
    /// By artist.
    pub(super) shows: Vec<Played>,
    /// Starred photos, for a PDF only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pictures: Vec<Picture>,
}

/// Where the bytes of a JPEG are among all [`Pictures`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Picture {
    at: u64,
    bytes: u64,
}

/// Who says that the photos are of the night.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Link {
    /// Their owner, of one at least.
    Confirmed,
    /// Matching.
    #[default]
    Automatic,
}

impl Link {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Automatic => "automatic",
        }
    }
}

/// What one artist played.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Played {
    pub(super) artist: String,
    pub(super) tour: Option<String>,
    /// How many songs are written down.
    pub(super) songs: i64,
    /// `null`: which ones has not been read yet.
    pub(super) sets: Option<Vec<SongSet>>,
    /// The record at setlist.fm, to be linked to wherever it is shown (terms of use).
    pub(super) setlist: String,
}

impl From<NightRow> for Night {
    fn from(row: NightRow) -> Self {
        let played = |show: ShowRow| Played {
            artist: show.artist,
            tour: show.tour,
            songs: show.songs,
            sets: show.sets,
            setlist: show.url,
        };
        Self {
            date: row.date,
            venue: row.venue,
            city: row.city,
            region: row.region,
            country: row.country,
            photos: row.photos,
            link: if row.confirmed { Link::Confirmed } else { Link::Automatic },
            shows: row.shows.into_iter().map(played).collect(),
            pictures: Vec::new(),
        }
    }
}

/// What all nights come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) nights: u64,
    /// Rows of a CSV: one per night and setlist.
    pub(super) shows: u64,
    pub(super) photos: i64,
    /// The date of the first night.
    pub(super) first: Option<String>,
    /// The date of the last night.
    pub(super) last: Option<String>,
}

impl Totals {
    pub(super) fn add(&mut self, night: &Night) {
        self.nights += 1;
        self.shows += night.shows.len() as u64;
        self.photos += night.photos;
        self.first.get_or_insert_with(|| night.date.clone());
        self.last = Some(night.date.clone());
    }
}

/// Nights in a file without a name: a crash leaves nothing of it behind.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    totals: Totals,
    bytes: u64,
}

impl Spool {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, totals: Totals::default(), bytes: 0 })
    }

    pub(super) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// How large it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// One line of JSON each.
    pub(super) fn add(&mut self, nights: &[Night]) -> io::Result<()> {
        let mut lines = Vec::new();
        for night in nights {
            self.totals.add(night);
            serde_json::to_writer(&mut lines, night)?;
            lines.push(b'\n');
        }
        self.bytes += lines.len() as u64;
        self.file.write_all(&lines)
    }

    /// All of them, from the first one on.
    pub(super) fn nights(&mut self) -> io::Result<impl Iterator<Item = io::Result<Night>>> {
        self.file.rewind()?;
        let lines = BufReader::with_capacity(256 * 1024, &mut self.file).lines();
        Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
    }
}

/// JPEGs in a file without a name.
#[derive(Debug)]
pub(super) struct Pictures {
    file: File,
    bytes: u64,
}

impl Pictures {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, bytes: 0 })
    }

    /// Of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn add(&mut self, jpeg: &[u8]) -> io::Result<Picture> {
        self.file.write_all(jpeg)?;
        let picture = Picture { at: self.bytes, bytes: jpeg.len() as u64 };
        self.bytes += picture.bytes;
        Ok(picture)
    }

    pub(super) fn read(&self, picture: Picture) -> io::Result<Vec<u8>> {
        let mut jpeg = vec![0; usize::try_from(picture.bytes).unwrap_or(0)];
        self.file.read_exact_at(&mut jpeg, picture.at)?;
        Ok(jpeg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let mut spool = Spool::new().unwrap();
        let night = |number: i64| Night {
            date: "2019-05-04".into(),
            venue: "Club\n\"Ω\"\u{2028}".into(),
            photos: number,
            shows: vec![Played::default(); 2],
            ..Night::default()
        };
        spool.add(&[night(1), night(2)]).unwrap();
        spool.add(&[]).unwrap();
        spool.add(&[night(3)]).unwrap();
        let totals = spool.totals();
        assert_eq!((totals.nights, totals.shows, totals.photos), (3, 6, 6));
        assert_eq!(totals.first.as_deref(), Some("2019-05-04"));
        for _ in 0..2 {
            let nights: Vec<Night> = spool.nights().unwrap().collect::<io::Result<_>>().unwrap();
            assert_eq!(nights, [night(1), night(2), night(3)]);
        }
    }
}
