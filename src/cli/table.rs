//! Plain tables for terminals.

/// Aligns columns; numbers (every cell but the head parses) to the right.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let columns = head.len();
    let cell = |row: &[String], i: usize| row.get(i).map(|text| plain(text)).unwrap_or_default();
    let width = |i: usize| {
        rows.iter().map(|row| cell(row, i).chars().count()).chain([head[i].chars().count()]).max()
    };
    let numeric =
        |i: usize| !rows.is_empty() && rows.iter().all(|row| cell(row, i).parse::<f64>().is_ok());
    let line = |cells: Vec<String>| {
        let padded: Vec<String> = (0..columns)
            .map(|i| {
                let width = width(i).unwrap_or(0);
                if numeric(i) {
                    format!("{:>width$}", cells[i])
                } else {
                    format!("{:<width$}", cells[i])
                }
            })
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let head = line(head.iter().map(|&h| h.to_owned()).collect());
    let body = rows.iter().map(|row| line((0..columns).map(|i| cell(row, i)).collect()));
    std::iter::once(head).chain(body).collect::<Vec<_>>().join("\n")
}

/// Text of others, as it may be shown: what would steer the terminal, or turn the line around, is
/// escaped.
pub(super) fn plain(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// `3d 4h`, `12m 5s`, `0.3s`: two units at most.
pub(super) fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 if ms == 0 => "-".to_owned(),
        0..60 => format!("{}.{}s", seconds, ms % 1000 / 100),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Unix milliseconds as `2026-11-20 10:54:03` UTC.
pub(super) fn time(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
}

/// The first characters of a longer text.
pub(super) fn clip(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= most {
        return line.to_owned();
    }
    line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        let rows =
            vec![vec!["a".to_owned(), "5".to_owned()], vec!["long".to_owned(), "12".to_owned()]];
        assert_eq!(table(&["name", "n"], &rows), "name   n\na      5\nlong  12");
    }

    #[test]
    fn nothing_in_a_cell_steers_the_terminal() {
        let rows = vec![vec!["\u{1b}[2Jé\r\nx\u{9b}".to_owned(), "\u{202e}1".to_owned()]];
        let shown = table(&["a", "b"], &rows);
        let (_, row) = shown.split_once('\n').unwrap();
        assert_eq!(row, "\\u{1b}[2Jé\\r\\nx\\u{9b}  \\u{202e}1");
    }

    #[test]
    fn ages() {
        for (ms, shown) in [
            (0, "-"),
            (1_250, "1.2s"),
            (65_000, "1m 5s"),
            (7_260_000, "2h 1m"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(age(ms), shown);
        }
    }
}
