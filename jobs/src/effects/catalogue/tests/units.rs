//! Pure parts: text, placeholders, words.

use super::*;
use crate::effects::catalogue::scanned::OutcomeStatus;
use crate::effects::catalogue::{batch, text};

#[test]
fn text_is_cut_between_characters() {
    assert_eq!(text::capped("Größe", 3), "Grö");
    assert_eq!(text::capped("Größe", 5), "Größe");
    assert_eq!(text::capped("a\0b\0", 9), "ab");
    assert_eq!(text::capped("", 0), "");
    assert_eq!(text::capped_option(None, 3), None);
}

#[test]
fn keys_are_short_and_distinct() {
    assert_eq!(text::key("a/b.jpg"), "a/b.jpg");
    let exact = "k".repeat(1_024);
    assert_eq!(text::key(&exact), exact);
    let (one, other) = ("ü".repeat(2_000) + "1", "ü".repeat(2_000) + "2");
    assert!(text::key(&one).starts_with("üüü") && text::key(&one).len() <= 1_024);
    assert_ne!(text::key(&one), text::key(&other));
    assert_eq!(text::key(&one), text::key(&one));
    assert_ne!(text::sha256_hex(&["ab", "c"]), text::sha256_hex(&["a", "bc"]));
}

#[test]
fn placeholders_are_numbered_through() {
    assert_eq!(batch::list(3, 3), "$3, $4, $5");
    assert_eq!(batch::rows(2, 3, 2, "$1, ", ", $2"), "($1, $3, $4, $2), ($1, $5, $6, $2)");
}

#[test]
fn words_are_read_as_they_are_written() {
    for provider in [Provider::Folder, Provider::S3, Provider::Drive] {
        assert_eq!(Provider::parse(provider.as_str()).unwrap(), provider);
    }
    for status in [OutcomeStatus::Flawed, OutcomeStatus::Refused, OutcomeStatus::Failed] {
        assert_eq!(OutcomeStatus::parse(&status.to_string()).unwrap(), status);
    }
    assert_eq!(Provider::parse("ftp").unwrap_err().to_string(), "unknown provider \"ftp\"");
}
