//! The day in a file's name, as phones and messengers write it.

use chrono::NaiveDate;

/// The first eight digits that are a date: `IMG_20190614_213000.jpg`, `IMG-20190614-WA0007.jpg`,
/// `2019-06-14 21.30.00.jpg`, `Screenshot_2019.06.14.png`. Longer numbers are none.
pub(crate) fn day_in_name(name: &str) -> Option<NaiveDate> {
    let bytes = name.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    (0..bytes.len()).filter(|at| digit(*at) && (*at == 0 || !digit(at - 1))).find_map(|start| {
        let number = |from: usize, digits: usize| {
            let text = name.get(from..from + digits)?;
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?
        };
        let year = number(start, 4)?;
        let gap = usize::from(matches!(bytes.get(start + 4), Some(b'-' | b'_' | b'.')));
        let (month, day) = (number(start + 4 + gap, 2)?, number(start + 6 + 2 * gap, 2)?);
        let even = gap == 0 || bytes.get(start + 4) == bytes.get(start + 7);
        let ends = !digit(start + 8 + 2 * gap);
        (even && ends).then(|| NaiveDate::from_ymd_opt(year.try_into().ok()?, month, day))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_or_not() {
        let found = |name: &str| day_in_name(name).map(|day| day.to_string());
        let day = [
            "IMG_20190614_213000.jpg",
            "IMG-20190614-WA0007.jpg",
            "2019-06-14 21.30.00.jpg",
            "Screenshot_2019.06.14-1.png",
            "PXL_20190614_013000123.jpg",
            "20190614.heic",
            "x1_20190614.jpg",
        ];
        for name in day {
            assert_eq!(found(name).as_deref(), Some("2019-06-14"), "{name}");
        }
        let none = [
            "DSC_0001.JPG",
            "",
            "IMG_20191314.jpg",
            "201906141530.jpg",
            "2019-06.jpg",
            "2019-06_14.jpg",
            "äöü2019061.jpg",
        ];
        for name in none {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
