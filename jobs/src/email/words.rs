//! Dates and numbers in the languages that there are.

use chrono::{Datelike as _, NaiveDate};

/// A language that mails are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    German,
}

impl Language {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::English, Self::German];

    /// Of a locale such as `de-AT`, as far as there is one: English else (RFC 4647, section 3.4).
    pub(super) fn of(locale: Option<&str>) -> Self {
        let language = locale.unwrap_or_default().split(['-', '_']).next().unwrap_or_default();
        let named = |known: &Self| known.tag().eq_ignore_ascii_case(language);
        Self::ALL.into_iter().find(named).unwrap_or(Self::English)
    }

    /// For `lang` in HTML, and the folder of its templates.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// A day in words.
    pub(super) fn date(self, date: NaiveDate) -> String {
        let months = match self {
            Self::English => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
            Self::German => [
                "Januar",
                "Februar",
                "März",
                "April",
                "Mai",
                "Juni",
                "Juli",
                "August",
                "September",
                "Oktober",
                "November",
                "Dezember",
            ],
        };
        let (day, month, year) = (date.day(), months[date.month0() as usize], date.year());
        match self {
            Self::English => format!("{day} {month} {year}"),
            Self::German => format!("{day}. {month} {year}"),
        }
    }

    /// The place in a row: `21st`.
    pub(super) fn ordinal(self, number: i32) -> String {
        match (self, number % 10, number % 100) {
            (Self::German, ..) => format!("{}.", self.number(i64::from(number))),
            (Self::English, 1, tens) if tens != 11 => format!("{number}st"),
            (Self::English, 2, tens) if tens != 12 => format!("{number}nd"),
            (Self::English, 3, tens) if tens != 13 => format!("{number}rd"),
            (Self::English, ..) => format!("{}th", self.number(i64::from(number))),
        }
    }

    /// With a mark between thousands.
    pub(super) fn number(self, number: i64) -> String {
        let mark = match self {
            Self::English => ',',
            Self::German => '.',
        };
        let digits = number.unsigned_abs().to_string();
        let mut written = String::from(if number < 0 { "-" } else { "" });
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                written.push(mark);
            }
            written.push(digit);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_found_by_their_locales() {
        for (locale, language) in [
            (Some("de-AT"), Language::German),
            (Some("de_CH"), Language::German),
            (Some("DE"), Language::German),
            (Some("en-GB"), Language::English),
            (Some("ja"), Language::English),
            (Some("deu"), Language::English),
            (Some(""), Language::English),
            (None, Language::English),
        ] {
            assert_eq!(Language::of(locale), language, "{locale:?}");
        }
    }

    #[test]
    fn dates_and_numbers_are_written_as_people_do() {
        let day = NaiveDate::from_ymd_opt(2019, 3, 14).unwrap();
        let (english, german) = (Language::English, Language::German);
        assert_eq!(
            (english.date(day), german.date(day)),
            ("14 March 2019".into(), "14. März 2019".into())
        );
        for (number, written) in
            [(1, "1st"), (2, "2nd"), (11, "11th"), (23, "23rd"), (1_000, "1,000th")]
        {
            assert_eq!(english.ordinal(number), written);
        }
        assert_eq!(
            (german.ordinal(1_050), german.number(-1_234_567)),
            ("1.050.".into(), "-1.234.567".into())
        );
    }
}
