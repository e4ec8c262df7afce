//! JSON: what the catalogue knows, as it is.

use std::io::{self, Write};

use super::history::{Night, Totals};

/// Writes `{"format": "roadie-concert-history", "version": 1, "user": 7, "nights": [Night, …],
/// "totals": {"nights", "shows", "photos", "first", "last"}}`, a night on each line. Without `totals` it is not complete.
///
/// Equal nights give equal bytes: nothing tells when it was written.
pub(super) fn write(
    user_id: i64,
    nights: impl Iterator<Item = io::Result<Night>>,
    out: &mut impl Write,
) -> io::Result<()> {
    write!(
        out,
        "{{\"format\":\"roadie-concert-history\",\"version\":1,\"user\":{user_id},\"nights\":["
    )?;
    let mut totals = Totals::default();
    for night in nights {
        let night = night?;
        let comma = if totals.nights == 0 { "\n" } else { ",\n" };
        out.write_all(comma.as_bytes())?;
        serde_json::to_writer(&mut *out, &night)?;
        totals.add(&night);
    }
    out.write_all(b"\n],\"totals\":")?;
    serde_json::to_writer(&mut *out, &totals)?;
    out.write_all(b"}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(nights: Vec<Night>) -> String {
        let mut out = Vec::new();
        write(7, nights.into_iter().map(Ok), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_are_as_they_are() {
        let night = |venue: &str| Night {
            date: "2019-05-04".into(),
            venue: venue.into(),
            photos: 2,
            ..Night::default()
        };
        let names = ["=LOVE", "\u{202e}evil\0\u{1}\r\n", "🤘🏽", "a\"b\\c"];
        let text = written(names.map(night).into());
        let read: Value = serde_json::from_str(&text).unwrap();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(read["nights"][at]["venue"], *name);
        }
        assert_eq!(
            read["totals"],
            json!({ "nights": 4, "shows": 0, "photos": 8, "first": "2019-05-04", "last": "2019-05-04" })
        );
        assert_eq!((&read["version"], &read["user"]), (&json!(1), &json!(7)));
        assert_eq!(text.lines().count(), 6);
        assert_eq!(text, written(names.map(night).into()));
    }

    #[test]
    fn without_nights_it_is_complete_as_well() {
        let read: Value = serde_json::from_str(&written(Vec::new())).unwrap();
        assert_eq!(read["nights"], json!([]));
    }
}
