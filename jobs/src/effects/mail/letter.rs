//! A message as it goes over the wire.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};
use lettre::{Address, Message};

pub use lettre::message::Mailbox;

use crate::effects::catalogue::MailKey;
use crate::effects::catalogue::sha256_hex;

/// Characters of a subject, or a name, that are kept: more is none of either.
const LONGEST: usize = 150;

/// A message, ready to be sent.
#[derive(Clone)]
pub struct Letter {
    /// To whom, as the catalogue knows them.
    pub user_id: i64,
    /// Its Message-ID, in angle brackets: the same whenever it is made.
    pub message_id: String,
    /// Unix milliseconds.
    pub at: i64,
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) bytes: Vec<u8>,
}

impl Letter {
    /// All of it, as it goes over the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Without what says who it is.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// Why no message can be made. No address is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LetterError {
    /// It is no address.
    #[error("the user's address is none that mail can be sent to")]
    Address,
    /// A header or the body cannot be written.
    #[error("the message cannot be written")]
    Unwritable,
}

/// What ends a subscription at once (RFC 8058).
#[derive(Clone, Debug)]
pub(crate) struct OneClick {
    /// https, with a token.
    pub(crate) url: String,
    /// An address, if there is one, and the token as its subject.
    pub(crate) mailto: Option<String>,
}

/// What a message is made of.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) key: &'a MailKey,
    pub(crate) from: &'a Mailbox,
    pub(crate) address: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) subject: &'a str,
    pub(crate) text: String,
    pub(crate) html: String,
    pub(crate) one_click: Option<OneClick>,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
}

impl Draft<'_> {
    /// The message.
    pub(crate) fn letter(self) -> Result<Letter, LetterError> {
        let to = address(self.address)?;
        let name = self.name.map(one_line).filter(|name| !name.is_empty());
        let hash = self.hash();
        let message_id = format!("<m.{hash}@{}>", self.from.email.domain());
        let sent = UNIX_EPOCH + Duration::from_millis(u64::try_from(self.now_ms).unwrap_or(0));
        // By itself it would read it out of the headers, and not understand every quoted name there.
        let envelope = Envelope::new(Some(self.from.email.clone()), vec![to.clone()]);
        let mut message = Message::builder()
            .envelope(envelope.map_err(|_| LetterError::Unwritable)?)
            .from(self.from.clone())
            .to(Mailbox::new(name, to.clone()))
            .subject(one_line(self.subject))
            .date(sent)
            .message_id(Some(message_id.clone()))
            .raw_header(header("Auto-Submitted", "auto-generated".to_owned()));
        if let Some(OneClick { url, mailto }) = &self.one_click {
            let mailto = mailto.as_ref().map(|mailto| format!(", <{mailto}>")).unwrap_or_default();
            message = message
                .raw_header(header("List-Unsubscribe", format!("<{url}>{mailto}")))
                .raw_header(header(
                    "List-Unsubscribe-Post",
                    "List-Unsubscribe=One-Click".to_owned(),
                ));
        }
        let parts = MultiPart::alternative()
            .boundary(format!("={hash}"))
            .singlepart(SinglePart::plain(self.text))
            .singlepart(SinglePart::html(self.html));
        let message = message.multipart(parts).map_err(|_| LetterError::Unwritable)?;
        Ok(Letter {
            user_id: self.key.user_id,
            message_id,
            at: self.now_ms,
            from: self.from.email.clone(),
            to,
            bytes: message.formatted(),
        })
    }

    /// Which mail it is, and nothing else.
    fn hash(&self) -> String {
        let MailKey { user_id, template, value } = self.key;
        let mut hash = sha256_hex(&[&user_id.to_string(), template, value]);
        hash.truncate(32);
        hash
    }
}

/// An address, as every server takes its domain.
///
/// # Errors
/// [`LetterError::Address`].
pub(super) fn address(text: &str) -> Result<Address, LetterError> {
    with_plain_domain(text.trim().parse().map_err(|_| LetterError::Address)?)
}

/// Whom mails are from, as every server takes its domain.
///
/// # Errors
/// [`LetterError::Address`].
pub fn mailbox(text: &str) -> Result<Mailbox, LetterError> {
    let Mailbox { name, email } = text.parse().map_err(|_| LetterError::Address)?;
    Ok(Mailbox::new(name, with_plain_domain(email)?))
}

/// Letters beyond ASCII as IDNA writes them (RFC 5891): only those before the `@` ask for SMTPUTF8.
fn with_plain_domain(address: Address) -> Result<Address, LetterError> {
    if address.domain().is_ascii() {
        return Ok(address);
    }
    let domain = idna::domain_to_ascii(address.domain()).map_err(|_| LetterError::Address)?;
    Address::new(address.user(), domain).map_err(|_| LetterError::Address)
}

fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

/// Text of others as a header may hold it: one line, no longer than anybody reads, and nothing in it that turns what
/// follows around (UAX #9, section 2).
pub(crate) fn one_line(text: &str) -> String {
    let turns = |letter| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text = text.replace(turns, "");
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft<'a>(
        key: &'a MailKey,
        from: &'a Mailbox,
        name: &'a str,
        subject: &'a str,
    ) -> Draft<'a> {
        Draft {
            key,
            from,
            address: "ann@example.org",
            name: Some(name),
            subject,
            text: "one\ntwo ♥".to_owned(),
            html: "<p>one</p>".to_owned(),
            one_click: Some(OneClick { url: "https://e.org/u/k1.x".to_owned(), mailto: None }),
            now_ms: 1_700_000_000_000,
        }
    }

    fn written(name: &str, subject: &str) -> String {
        let key = MailKey { user_id: 7, template: "milestone", value: "nights-100".to_owned() };
        let from: Mailbox = "Concerts <mail@example.com>".parse().unwrap();
        let letter = draft(&key, &from, name, subject).letter().unwrap();
        assert_eq!(
            letter.message_id,
            "<m.0b0f5c2b43c9a5cd0a0b4f5d6d3e0c6a@example.com>".replace(
                "0b0f5c2b43c9a5cd0a0b4f5d6d3e0c6a",
                &sha256_hex(&["7", "milestone", "nights-100"])[..32],
            )
        );
        String::from_utf8(letter.bytes).unwrap()
    }

    #[test]
    fn no_name_and_no_subject_adds_a_header_or_a_line_that_is_too_long() {
        let endless = "x".repeat(5_000);
        for text in ["Ann\r\nBcc: eve@example.net", "\u{85}\u{2028}Bcc: x", "梶浦由記 🎸", &endless]
        {
            let message = written(text, text);
            let (head, _) = message.split_once("\r\n\r\n").unwrap();
            assert!(!head.to_lowercase().contains("\nbcc"), "{head}");
            assert!(message.is_ascii() && message.lines().all(|line| line.len() <= 998), "{head}");
        }
    }

    #[test]
    fn no_name_turns_what_follows_around() {
        for (text, line) in [
            ("\u{202e}Ann\u{2066} B", "Ann B"),
            ("فيروز \u{200f}و", "فيروز \u{200f}و"),
            (" \t\u{202e}\r\n", ""),
        ] {
            assert_eq!(one_line(text), line);
        }
    }

    #[test]
    fn an_equal_mail_is_made_of_equal_bytes() {
        assert_eq!(written("Ann", "Hello"), written("Ann", "Hello"));
    }

    #[test]
    fn what_is_no_address_is_said_without_naming_it() {
        let key = MailKey { user_id: 7, template: "milestone", value: "1".to_owned() };
        let from: Mailbox = "mail@example.com".parse().unwrap();
        #[rustfmt::skip]
        let none = [
            "", "ann", "ann@", "a@b\r\nRCPT TO:<c@d>", "a b@c.d", "<a@b.c>", "a@b>c.d", "\"a\"b@c.d", "\"a@c.d",
            "\"a\r\n b\"@c.d", "\"a\nRCPT TO:<x@y>\"@c.d", "\"a\0\"@c.d", "\u{202e}@c.d\r\n", "a@b.c, d@e.f",
        ];
        for address in none {
            let draft = Draft { address, ..draft(&key, &from, "", "") };
            assert_eq!(draft.letter().unwrap_err(), LetterError::Address, "{address}");
        }
    }

    #[test]
    fn domains_are_written_as_every_server_takes_them() {
        for (given, sent) in [
            (" ann@example.org ", "ann@example.org"),
            ("ann@bücher.example", "ann@xn--bcher-kva.example"),
            ("ann@例え.テスト", "ann@xn--r8jz45g.xn--zckzah"),
            ("jürgen@BÜCHER.example", "jürgen@xn--bcher-kva.example"),
            ("\"ann of @ the > rain\"@example.org", "\"ann of @ the > rain\"@example.org"),
        ] {
            let key = MailKey { user_id: 7, template: "milestone", value: "1".to_owned() };
            let from: Mailbox = "mail@example.com".parse().unwrap();
            let letter =
                Draft { address: given, ..draft(&key, &from, "Ann", "") }.letter().unwrap();
            assert_eq!(AsRef::<str>::as_ref(&letter.to), sent);
        }
    }
}
