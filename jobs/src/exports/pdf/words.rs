//! What a PDF says beside names, in the language of whoever asked for it.

use icu_calendar::{Date, Gregorian};
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::YMDE;
use icu_locale_core::Locale;

type Dates = FixedCalendarDateTimeFormatter<Gregorian, YMDE>;

const ENGLISH: Locale = icu_locale_core::locale!("en");

/// None for a language that CLDR has no words of: its dates would be as those of no language ("2019 M05 4").
fn formatter(locale: &Locale) -> Option<Dates> {
    let of = |locale: &Locale| Dates::try_new(locale.into(), YMDE::long()).ok();
    let day = Date::try_new_gregorian(2019, 5, 4).ok()?;
    let written = |dates: &Dates| dates.format(&day).to_string();
    let dates = of(locale)?;
    let nobodys = of(&Locale::UNKNOWN)?;
    (written(&dates) != written(&nobodys)).then_some(dates)
}

/// Words and dates.
pub(super) struct Words {
    german: bool,
    /// A BCP 47 tag.
    pub(super) language: String,
    dates: Option<Dates>,
}

impl Words {
    /// Words in English or German, dates in the words of the locale; one that is unknown is English.
    pub(super) fn of(locale: Option<&str>) -> Self {
        let asked = locale.and_then(|locale| locale.replace('_', "-").parse::<Locale>().ok());
        let asked = asked.and_then(|locale| Some((formatter(&locale)?, locale)));
        let (dates, locale) = match asked {
            Some((dates, locale)) => (Some(dates), locale),
            None => (formatter(&ENGLISH), ENGLISH),
        };
        Self {
            german: locale.id.language == icu_locale_core::subtags::language!("de"),
            language: locale.to_string(),
            dates,
        }
    }

    fn either<'w>(&self, english: &'w str, german: &'w str) -> &'w str {
        if self.german { german } else { english }
    }

    pub(super) fn title(&self) -> &str {
        self.either("Concert history", "Konzertchronik")
    }

    pub(super) fn concerts(&self, count: u64) -> String {
        let one = count == 1;
        let word = match (self.german, one) {
            (false, true) => "concert",
            (false, false) => "concerts",
            (true, true) => "Konzert",
            (true, false) => "Konzerte",
        };
        format!("{count} {word}")
    }

    pub(super) fn shows(&self, count: u64) -> String {
        let one = count == 1;
        let word = match (self.german, one) {
            (false, true) => "show",
            (false, false) => "shows",
            (true, true) => "Auftritt",
            (true, false) => "Auftritte",
        };
        format!("{count} {word}")
    }

    pub(super) fn photos(&self, count: i64) -> String {
        let one = count == 1;
        let word = match (self.german, one) {
            (false, true) => "photo",
            (false, false) => "photos",
            (true, true) => "Foto",
            (true, false) => "Fotos",
        };
        format!("{count} {word}")
    }

    pub(super) fn nothing(&self) -> &str {
        self.either("No concerts yet.", "Noch keine Konzerte.")
    }

    pub(super) fn unknown_year(&self) -> &str {
        self.either("Without a date", "Ohne Datum")
    }

    /// Names the source of setlists, as its terms of use ask.
    pub(super) fn source(&self) -> &str {
        self.either("Setlist on setlist.fm", "Setlist auf setlist.fm")
    }

    pub(super) fn sources(&self) -> &str {
        self.either(
            "Concerts and setlists are from setlist.fm, to which each entry links.",
            "Konzerte und Setlists sind von setlist.fm, wohin jeder Eintrag verweist.",
        )
    }

    /// `YYYY-MM-DD` in words; what is none stays as it is.
    pub(super) fn date(&self, date: &str) -> String {
        let mut parts = date.splitn(3, '-').map(|part| part.parse::<u16>().ok());
        let mut part = || parts.next().flatten();
        let (Some(year), Some(month), Some(day)) = (part(), part(), part()) else {
            return date.to_owned();
        };
        let (Ok(month), Ok(day)) = (u8::try_from(month), u8::try_from(day)) else {
            return date.to_owned();
        };
        match (&self.dates, Date::try_new_gregorian(i32::from(year), month, day)) {
            (Some(dates), Ok(day)) => dates.format(&day).to_string(),
            _ => date.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_in_the_words_of_its_locale() {
        for (locale, date, expected) in [
            (None, "2019-05-04", "Saturday, May 4, 2019"),
            (Some("en-GB"), "2019-05-04", "Saturday, 4 May 2019"),
            (Some("de"), "2019-05-04", "Samstag, 4. Mai 2019"),
            (Some("de_AT"), "2019-01-04", "Freitag, 4. Jänner 2019"),
            (Some("ja"), "2019-05-04", "2019年5月4日土曜日"),
            (Some("en-x-private"), "2019-05-04", "Saturday, May 4, 2019"),
            (Some("no"), "2019-05-04", "lørdag 4. mai 2019"),
            (Some("tlh-nonsense-locale"), "2019-05-04", "Saturday, May 4, 2019"),
            (Some(""), "2019-02-30", "2019-02-30"),
            (None, "some day", "some day"),
        ] {
            assert_eq!(Words::of(locale).date(date), expected, "{locale:?}");
        }
    }
}
