//! Times in EXIF: texts like `2008:05:30 15:56:01`, by a clock whose zone is rarely told.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use exif::Tag;

use super::flaw::{Flaw, Flaws};
use super::tags::{Tags, readable};

/// So much of a senseless date is repeated to the user.
const QUOTE: usize = 30;

/// When a picture was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// By the camera's clock: `DateTimeOriginal`, else `DateTimeDigitized`, else `DateTime`.
    pub(crate) local: NaiveDateTime,
    /// The clock's distance from UTC in minutes, east positive, when the camera noted it.
    pub(crate) offset_minutes: Option<i32>,
    /// Milliseconds of the second, when the camera noted them.
    pub(crate) millis: Option<u16>,
}

/// Each time, the zone that belongs to it, and its fraction of a second (Exif 2.32, 4.6.5).
const TIMES: [(Tag, Tag, Tag); 3] = [
    (Tag::DateTimeOriginal, Tag::OffsetTimeOriginal, Tag::SubSecTimeOriginal),
    (Tag::DateTimeDigitized, Tag::OffsetTimeDigitized, Tag::SubSecTimeDigitized),
    (Tag::DateTime, Tag::OffsetTime, Tag::SubSecTime),
];

/// The first time that makes sense.
pub(super) fn taken(tags: &Tags, flaws: &mut Flaws) -> Option<Taken> {
    for (time, zone, fraction) in TIMES {
        let Some(text) = tags.text(time).filter(|text| !blank(text)) else {
            continue;
        };
        let Some(local) = date_time(text) else {
            flaws.add(Flaw::NotADate { text: readable(text, QUOTE) });
            continue;
        };
        let mut zones = [zone].into_iter().chain(TIMES.map(|(_, zone, _)| zone));
        let offset_minutes = zones.find_map(|zone| offset(tags.text(zone)?));
        let millis = tags.text(fraction).and_then(millis);
        return Some(Taken { local, offset_minutes, millis });
    }
    None
}

/// The time of the position, in UTC.
pub(super) fn gps(tags: &Tags) -> Option<NaiveDateTime> {
    let date = tags.text(Tag::GPSDateStamp).and_then(|text| date(&numbers(text)))?;
    let time = tags.fractions(Tag::GPSTimeStamp)?;
    let [Some(hour), Some(minute), Some(second)] = time[..] else {
        return None;
    };
    let seconds = hour * 3600.0 + minute * 60.0 + second;
    let fits = (0.0..86_400.0).contains(&seconds) && minute < 60.0 && second < 61.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    let seconds = fits.then_some(seconds as u32)?;
    Some(date.and_time(NaiveTime::from_num_seconds_from_midnight_opt(seconds, 0)?))
}

/// How cameras say that they do not know: spaces, or zeros.
fn blank(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' ' | b':' | b'-' | b'/' | b'T' | b'0'))
}

/// The numbers in a text, whatever stands between them.
fn numbers(text: &[u8]) -> Vec<u32> {
    let digits = text.split(|byte| !byte.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let digits = digits.map_while(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    digits.take(6).collect()
}

fn date(numbers: &[u32]) -> Option<NaiveDate> {
    let [year, month, day, ..] = *numbers else {
        return None;
    };
    // The first photograph was taken in 1826.
    let year = i32::try_from(year).ok().filter(|year| (1826..=9999).contains(year))?;
    NaiveDate::from_ymd_opt(year, month, day)
}

fn date_time(text: &[u8]) -> Option<NaiveDateTime> {
    let numbers = numbers(text);
    let [_, _, _, hour, minute, second] = numbers[..] else {
        return None;
    };
    // A leap second is a valid time that few programs can store.
    let second = if second == 60 { 59 } else { second };
    Some(date(&numbers)?.and_time(NaiveTime::from_hms_opt(hour, minute, second)?))
}

/// The digits after the decimal point, as many as there are, in milliseconds.
fn millis(text: &[u8]) -> Option<u16> {
    let digits = text.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let first = digits.iter().copied().chain([b'0'; 2]).take(3);
    Some(first.fold(0, |millis, digit| millis * 10 + u16::from(digit - b'0')))
}

/// `+05:30` or `Z` in minutes; zones reach from -12 to +14 hours.
fn offset(text: &[u8]) -> Option<i32> {
    let (sign, rest) = text.trim_ascii().split_first()?;
    let sign = match sign {
        b'Z' if rest.is_empty() => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let [hours, minutes] = numbers(rest)[..] else {
        return None;
    };
    let total = i32::try_from(hours.checked_mul(60)?.checked_add(minutes)?).ok()?;
    (minutes < 60 && total <= 14 * 60).then_some(sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_or_refused() {
        let read = |text: &str| date_time(text.as_bytes()).map(|date| date.to_string());
        assert_eq!(read("2008:05:30 15:56:01").as_deref(), Some("2008-05-30 15:56:01"));
        assert_eq!(read("2004-03-20T14:54:60Z").as_deref(), Some("2004-03-20 14:54:59"));
        for senseless in ["2008:13:30 15:56:01", "2008:05:30", "99999999999:1:1 1:1:1", "noon"] {
            assert_eq!(read(senseless), None, "{senseless}");
        }
        assert!(blank(b"0000:00:00 00:00:00") && blank(b"    :  :     :  :  ") && blank(b""));
    }

    #[test]
    fn fractions_are_read_or_refused() {
        let read = |text: &str| millis(text.as_bytes());
        let read_all = ["5", "05", "123", "123456", "00 "].map(read);
        assert_eq!(read_all, [Some(500), Some(50), Some(123), Some(123), Some(0)]);
        for senseless in ["", "  ", "-1", "1.5", "n/a"] {
            assert_eq!(read(senseless), None, "{senseless}");
        }
    }

    #[test]
    fn zones_are_read_or_refused() {
        let read = |text: &str| offset(text.as_bytes());
        assert_eq!([read("+05:30"), read("-08:00 "), read("Z")], [Some(330), Some(-480), Some(0)]);
        for senseless in ["", "   :  ", "+99:00", "05:30", "+5", "+00:75", "+4294967295:00"] {
            assert_eq!(read(senseless), None, "{senseless}");
        }
    }
}
