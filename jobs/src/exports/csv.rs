//! CSV: one row per event night and setlist, for spreadsheets.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{QuoteStyle, Terminator, WriterBuilder};

use super::history::{Night, Played};
use crate::matching::SongSet;

/// The first row.
const HEAD: [&str; 12] = [
    "date", "artist", "venue", "city", "region", "country", "tour", "songs", "setlist", "photos",
    "link", "source",
];
/// Between two songs of a cell.
const BETWEEN_SONGS: &str = " | ";

/// What a spreadsheet takes for the beginning of a formula, and its full-width and small forms.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
const FORMULA: [char; 13] =
    ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '\u{2212}'];

/// Writes RFC 4180: UTF-8, lines end with CRLF, every cell is quoted, so that no other separator splits one.
///
/// A cell that could be taken for a formula begins with `'`; control characters are blanks. [JSON](super::json)
/// has everything as it is.
pub(super) fn write(
    nights: impl Iterator<Item = io::Result<Night>>,
    bom: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    if bom {
        out.write_all("\u{feff}".as_bytes())?;
    }
    let mut table = WriterBuilder::new();
    table.terminator(Terminator::CRLF).quote_style(QuoteStyle::Always);
    let mut table = table.from_writer(out);
    table.write_record(HEAD)?;
    for night in nights {
        let night = night?;
        for show in &night.shows {
            row(&mut table, &night, show)?;
        }
    }
    table.flush()
}

fn row(table: &mut csv::Writer<impl Write>, night: &Night, show: &Played) -> io::Result<()> {
    let (songs, photos) = (show.songs.to_string(), night.photos.to_string());
    let setlist = show.sets.as_deref().map(setlist);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [
        &night.date,
        &show.artist,
        &night.venue,
        &text(&night.city),
        &text(&night.region),
        &text(&night.country),
        &text(&show.tour),
        &songs,
        &setlist.unwrap_or_default(),
        &photos,
        night.link.name(),
        &show.setlist,
    ];
    table.write_record(cells.map(|text| cell(text).into_owned()))?;
    Ok(())
}

/// All songs in a line, with the names of sets that have one: `A | B | Encore: C`.
fn setlist(sets: &[SongSet]) -> String {
    let mut songs = Vec::new();
    for set in sets {
        let mut name = set.name.as_ref();
        for song in &set.songs {
            // Nobody knows what it was.
            let song = if song.trim().is_empty() { "?" } else { song };
            songs.push(match name.take() {
                Some(name) => format!("{name}: {song}"),
                None => song.to_owned(),
            });
        }
    }
    songs.join(BETWEEN_SONGS)
}

/// Text as no spreadsheet takes it for anything but text.
fn cell(text: &str) -> Cow<'_, str> {
    let broken = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let plain: Cow<'_, str> =
        if text.contains(broken) { text.replace(broken, " ").into() } else { text.into() };
    // Some skip blanks and what cannot be seen before they look.
    let first = text.chars().find(|c| !(c.is_whitespace() || broken(*c) || is_invisible(*c)));
    let begins = text.chars().next().is_some_and(|c| matches!(c, '\t' | '\r' | '\n'));
    if begins || first.is_some_and(|c| FORMULA.contains(&c)) {
        return format!("'{plain}").into();
    }
    plain
}

/// Marks of direction and order, joiners, and blanks without width.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_for_a_formula() {
        for (text, expected) in [
            ("ABBA", "ABBA"),
            ("", ""),
            ("=LOVE", "'=LOVE"),
            ("+44", "'+44"),
            ("-M-", "'-M-"),
            ("@onefive", "'@onefive"),
            ("＝1+1", "'＝1+1"),
            ("  =1+1", "'  =1+1"),
            ("\u{a0}=1+1", "'\u{a0}=1+1"),
            ("\u{feff}=1+1", "'\u{feff}=1+1"),
            ("\u{200b}\u{202e}@x", "'\u{200b}\u{202e}@x"),
            ("\t=1", "' =1"),
            ("\tplain", "' plain"),
            ("\r\nplain", "'  plain"),
            ("\u{0}=1", "' =1"),
            ("a\nb\u{2028}c\u{7f}", "a b c "),
            ("1+1=2", "1+1=2"),
            ("'=1", "'=1"),
            ("AC/DC; =1", "AC/DC; =1"),
            ("\u{2212}5", "'\u{2212}5"),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_row_is_as_rfc_4180_says() {
        let show = Played {
            artist: "Guns \"N\" Roses".into(),
            songs: 3,
            sets: Some(vec![
                SongSet { name: None, songs: vec!["A, B".into(), String::new()] },
                SongSet { name: Some("Encore".into()), songs: vec!["=C".into()] },
            ]),
            setlist: "https://www.setlist.fm/1".into(),
            ..Played::default()
        };
        let other = Played {
            artist: "-M-".into(),
            setlist: "https://www.setlist.fm/2".into(),
            ..Played::default()
        };
        let night = Night {
            date: "2019-05-04".into(),
            venue: "Club".into(),
            city: Some("Köln".into()),
            photos: 12,
            shows: vec![show, other],
            ..Night::default()
        };
        let mut out = Vec::new();
        write([Ok(night)].into_iter(), false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "\"date\",\"artist\",\"venue\",\"city\",\"region\",\"country\",\"tour\",\"songs\",\
             \"setlist\",\"photos\",\"link\",\"source\"\r\n\
             \"2019-05-04\",\"Guns \"\"N\"\" Roses\",\"Club\",\"Köln\",\"\",\"\",\"\",\"3\",\
             \"A, B | ? | Encore: =C\",\"12\",\"automatic\",\"https://www.setlist.fm/1\"\r\n\
             \"2019-05-04\",\"'-M-\",\"Club\",\"Köln\",\"\",\"\",\"\",\"0\",\"\",\"12\",\
             \"automatic\",\"https://www.setlist.fm/2\"\r\n"
        );
        let mut out = Vec::new();
        write(std::iter::empty(), true, &mut out).unwrap();
        assert!(out.starts_with(b"\xef\xbb\xbf\"date\""));
    }
}
