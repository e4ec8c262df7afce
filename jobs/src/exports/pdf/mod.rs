//! PDF: a book of concerts, typeset.
//!
//! - `words`: what it says beside names; `fonts`, `typesetter`: from text to lines of glyphs;
//! - `book`: from lines to pages.
//!
//! Equal nights, pictures and fonts give equal bytes: nothing in it tells when it was made.

mod book;
mod fonts;
mod typesetter;
mod words;

use std::io::{self, Write};
use std::path::PathBuf;

use self::book::Book;
use self::typesetter::Style;
use self::words::Words;
use super::history::{Night, Pictures, Played, Totals};

const TITLE: Style = Style { size: 34.0, bold: true, colour: (20, 20, 20) };
const YEARS: Style = Style { size: 20.0, bold: false, colour: (90, 90, 90) };
const YEAR: Style = Style { size: 22.0, bold: true, colour: (20, 20, 20) };
const DATE: Style = Style { size: 9.0, bold: false, colour: (110, 110, 110) };
const ARTIST: Style = Style { size: 12.0, bold: true, colour: (20, 20, 20) };
const TEXT: Style = Style { size: 9.0, bold: false, colour: (60, 60, 60) };
const SOURCE: Style = Style { size: 7.5, bold: false, colour: (30, 80, 160) };

/// How a PDF is to be.
#[derive(Clone, Copy, Debug)]
pub(in crate::exports) struct Order<'o> {
    /// What all nights come to.
    pub(in crate::exports) totals: &'o Totals,
    /// What nights have pictures of.
    pub(in crate::exports) pictures: &'o Pictures,
    /// The language of its words and dates.
    pub(in crate::exports) locale: Option<&'o str>,
    /// Folders with fonts.
    pub(in crate::exports) fonts: &'o [PathBuf],
}

/// What there is to tell of a PDF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::exports) struct Typeset {
    pub(in crate::exports) pages: u64,
    /// Characters that no font has, and for which a box stands.
    pub(in crate::exports) missing: u64,
}

/// Writes a cover, and a section for each year with all its nights.
pub(in crate::exports) fn write(
    nights: impl Iterator<Item = io::Result<Night>>,
    order: &Order<'_>,
    out: &mut impl Write,
) -> io::Result<Typeset> {
    let words = Words::of(order.locale);
    let mut book = Book::new(words.title(), &words.language, order.fonts);
    cover(&mut book, &words, order.totals);
    let mut year = None;
    for night in nights {
        let night = night?;
        let of = night.date.get(..4).filter(|year| year.bytes().all(|b| b.is_ascii_digit()));
        let of = of.unwrap_or(words.unknown_year()).to_owned();
        if year.as_ref() != Some(&of) {
            book.section(&of, YEAR);
            year = Some(of);
        }
        entry(&mut book, &words, &night);
        let pictures = night.pictures.iter().map(|picture| order.pictures.read(*picture));
        book.pictures(pictures.collect::<io::Result<_>>()?);
    }
    let (pdf, typeset) = book.finish()?;
    out.write_all(&pdf)?;
    Ok(typeset)
}

fn cover(book: &mut Book, words: &Words, totals: &Totals) {
    book.space(200.0);
    book.text(words.title(), TITLE);
    let year = |date: &Option<String>| {
        date.as_ref().and_then(|date| date.get(..4)).unwrap_or_default().to_owned()
    };
    let (first, last) = (year(&totals.first), year(&totals.last));
    let years = if first == last { first } else { format!("{first}–{last}") };
    book.text(&years, YEARS);
    book.space(24.0);
    if totals.nights == 0 {
        book.text(words.nothing(), TEXT);
    } else {
        let counts =
            [words.concerts(totals.nights), words.shows(totals.shows), words.photos(totals.photos)];
        book.text(&counts.join(" · "), ARTIST);
        book.space(8.0);
        book.text(words.sources(), TEXT);
    }
    book.page();
}

/// A night: when and where, then who played what.
fn entry(book: &mut Book, words: &Words, night: &Night) {
    // The head never stands alone at the foot of a page.
    book.keep(DATE.size * 2.0 + ARTIST.size + TEXT.size * 3.0 + 14.0);
    book.space(12.0);
    book.text(&format!("{} · {}", words.date(&night.date), words.photos(night.photos)), DATE);
    let place = [&night.city, &night.region, &night.country];
    let place: Vec<&str> =
        place.into_iter().flatten().map(String::as_str).filter(|name| !name.is_empty()).collect();
    book.text(&night.venue, TEXT);
    if !place.is_empty() {
        book.text(&place.join(", "), DATE);
    }
    for show in &night.shows {
        played(book, words, show);
    }
}

fn played(book: &mut Book, words: &Words, show: &Played) {
    book.keep(ARTIST.size + TEXT.size * 2.0 + SOURCE.size + 6.0);
    book.space(4.0);
    book.text(&show.artist, ARTIST);
    if let Some(tour) = show.tour.as_ref().filter(|tour| !tour.is_empty()) {
        book.text(tour, DATE);
    }
    for set in show.sets.iter().flatten().filter(|set| !set.songs.is_empty()) {
        let songs: Vec<&str> = set
            .songs
            .iter()
            .map(|song| if song.trim().is_empty() { "?" } else { song.as_str() })
            .collect();
        let songs = songs.join(" · ");
        match &set.name {
            Some(name) => book.text(&format!("{name}: {songs}"), TEXT),
            None => book.text(&songs, TEXT),
        }
    }
    // What a service answers is no reason to run anything.
    if show.setlist.starts_with("https://") {
        book.link(words.source(), SOURCE, &show.setlist);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::SongSet;

    fn nights() -> Vec<Night> {
        let show = |artist: &str| Played {
            artist: artist.into(),
            tour: Some("Tour".into()),
            songs: 2,
            sets: Some(vec![SongSet {
                name: Some("Encore".into()),
                songs: vec!["A".into(), String::new()],
            }]),
            setlist: "https://www.setlist.fm/1.html".into(),
        };
        let night = |year: u16| Night {
            date: format!("{year}-05-04"),
            venue: "Club".into(),
            city: Some("Köln".into()),
            photos: 1,
            shows: vec![show("Motörhead"), show("فيروز"), show("🎸 \u{e999}")],
            ..Night::default()
        };
        (1990..2020).map(night).collect()
    }

    fn typeset(nights: Vec<Night>) -> (Vec<u8>, Typeset) {
        let mut totals = Totals::default();
        for night in &nights {
            totals.add(night);
        }
        let mut out = Vec::new();
        let nights = nights.into_iter().map(Ok);
        let pictures = Pictures::new().unwrap();
        let order = Order { totals: &totals, pictures: &pictures, locale: Some("de"), fonts: &[] };
        let typeset = write(nights, &order, &mut out).unwrap();
        (out, typeset)
    }

    #[test]
    fn equal_nights_are_equal_bytes_and_missing_characters_are_counted() {
        let (pdf, told) = typeset(nights());
        assert!(pdf.starts_with(b"%PDF-1."), "{:?}", &pdf[..8]);
        assert_eq!(told.missing, 30);
        assert!(told.pages > 3, "{told:?}");
        assert_eq!(typeset(nights()).0, pdf);
    }

    #[test]
    fn links_lead_to_pages_only() {
        let mut nights = nights();
        nights.truncate(1);
        nights[0].shows[1].setlist = "javascript:app.alert(1)".into();
        let (pdf, _) = typeset(nights);
        let links = |to: &[u8]| pdf.windows(to.len()).filter(|part| *part == to).count();
        assert_eq!((links(b"(https://www.setlist.fm/1.html)"), links(b"javascript:")), (2, 0));
    }

    #[test]
    fn without_nights_there_is_a_cover() {
        let (pdf, told) = typeset(Vec::new());
        assert!(pdf.starts_with(b"%PDF-1."));
        assert_eq!(told, Typeset { pages: 1, missing: 0 });
    }
}
