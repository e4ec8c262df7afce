//! What becomes of a mail, by the server's reply. Pure.

use std::fmt;

/// Where in the conversation a reply came (RFC 5321, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Greeting, EHLO, STARTTLS.
    Greeting,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA.
    Data,
    /// The content's end.
    Content,
}

/// An enhanced status code (RFC 3463): class, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enhanced(pub u16, pub u16, pub u16);

impl Enhanced {
    /// The code that the text of a reply begins with.
    pub fn of(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let mut parts = word.split('.').map(|part| part.parse::<u16>().ok().filter(|n| *n < 1_000));
        match (parts.next()??, parts.next()??, parts.next()??, parts.next()) {
            (class @ (2 | 4 | 5), subject, detail, None) => Some(Self(class, subject, detail)),
            _ => None,
        }
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// As an error ends: what the reply was to, and the settings that it is about.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "when greeted",
            Self::Login => "to the login (mail.username, mail.password)",
            Self::Sender => "to the sender (mail.from)",
            Self::Recipient => "to the recipient",
            Self::Data => "when asked to wait for the content",
            Self::Content => "to the content",
        })
    }
}

/// A reply that is no yes. Its text is left out: it may hold the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it came.
    pub stage: Stage,
    /// 400 to 599.
    pub code: u16,
    /// The enhanced status code, where the server has those.
    pub enhanced: Option<Enhanced>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        self.enhanced.map_or(Ok(()), |enhanced| write!(f, " {enhanced}"))
    }
}

/// What becomes of the mail, and what the reply says of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Later, this mail alone: greylisting, a mailbox that is busy or full for now, a recipient's server that fails.
    Later,
    /// Never: there is no such address.
    BadAddress,
    /// Not this time: the mailbox takes nothing, though it is there, or not from here.
    Mailbox,
    /// Not like this: the mail, or we, are not wanted there. Somebody should look.
    Policy,
    /// The connection, or the server, is too busy: all mails later.
    Busy,
    /// The server, or a line behind it, fails: all mails later.
    Failing,
    /// We are not let in as we are configured: all mails later, and somebody has to look.
    Misconfigured,
}

/// The one place where a reply becomes a decision. The enhanced code counts before the basic one.
///
/// What a server says once it has taken the sender is about this mail: one recipient's domain that fails stops no
/// others. Where it says so to all, each waits for itself, and `budgets.smtp` is how often it is asked.
#[expect(clippy::match_same_arms, reason = "their order decides")]
pub fn judge(refusal: Refusal) -> Verdict {
    let Refusal { stage, code, enhanced } = refusal;
    // "2.0.0" behind a refusal tells nothing.
    let enhanced = enhanced.filter(|Enhanced(class, ..)| *class != 2);
    let passes = enhanced.map_or(code < 500, |Enhanced(class, ..)| class == 4);
    let detail = enhanced.map(|Enhanced(_, subject, detail)| (subject, detail));
    if code == 421 {
        return Verdict::Busy;
    }
    if passes {
        return match (stage, code, detail) {
            (Stage::Greeting | Stage::Login, ..) => Verdict::Failing,
            (Stage::Sender, _, Some((3 | 4, _))) | (Stage::Sender, 452, None) => Verdict::Failing,
            (Stage::Sender, ..) => Verdict::Busy,
            (Stage::Recipient | Stage::Data | Stage::Content, ..) => Verdict::Later,
        };
    }
    match (stage, code, detail) {
        // "Authentication required", "mechanism too weak", "credentials invalid" (RFC 4954, section 6).
        (_, 530 | 534 | 535 | 538, _) | (_, _, Some((7, 8))) => Verdict::Misconfigured,
        // Its address has letters that are not taken there (RFC 6531, section 3.5).
        (_, _, Some((6, 7 | 9))) => Verdict::Mailbox,
        (Stage::Greeting | Stage::Login | Stage::Sender, ..) => Verdict::Misconfigured,
        // The sender's address, not the recipient's.
        (_, _, Some((1, 7 | 8))) => Verdict::Policy,
        // 5.2.1: the mailbox was closed.
        (_, _, Some((1, _) | (2, 1))) => Verdict::BadAddress,
        (_, _, Some((2, _))) | (_, 552, None) => Verdict::Mailbox,
        (Stage::Recipient, 550 | 551 | 553, None) => Verdict::BadAddress,
        _ => Verdict::Policy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_one_verdict() {
        use Stage::{Content, Data, Greeting, Login, Recipient, Sender};
        #[rustfmt::skip]
        let table = [
            // where, reply → what becomes of it
            (Recipient, "450 4.2.0 greylisted", Verdict::Later),
            (Recipient, "451 4.7.1 try again in 5 minutes", Verdict::Later),
            (Recipient, "451 try again", Verdict::Later),
            (Recipient, "450 4.1.2 domain not found just now", Verdict::Later),
            (Recipient, "452 4.2.2 mailbox full for now", Verdict::Later),
            (Recipient, "452 4.5.3 too many recipients", Verdict::Later),
            (Content, "450 4.7.0 later", Verdict::Later),
            (Recipient, "421 4.7.0 too many connections", Verdict::Busy),
            (Content, "421 closing", Verdict::Busy),
            (Sender, "451 4.7.1 too fast", Verdict::Busy),
            (Greeting, "450 busy", Verdict::Failing),
            (Login, "454 4.7.0 temporary failure of authentication", Verdict::Failing),
            (Sender, "452 4.3.1 insufficient storage", Verdict::Failing),
            (Sender, "452 insufficient storage", Verdict::Failing),
            (Recipient, "451 4.3.0 look-up failed", Verdict::Later),
            (Recipient, "451 4.4.1 no answer from host", Verdict::Later),
            (Content, "452 insufficient storage", Verdict::Later),
            // The enhanced code counts.
            (Recipient, "550 4.2.1 greylisted", Verdict::Later),
            (Recipient, "450 5.1.1 no such user", Verdict::BadAddress),
            (Login, "535 4.7.8 try again", Verdict::Failing),
            (Recipient, "550 2.1.5 ok", Verdict::BadAddress),
            (Sender, "550 5.6.7 no SMTPUTF8 here", Verdict::Mailbox),
            (Recipient, "553 5.6.7 no SMTPUTF8 there", Verdict::Mailbox),
            (Recipient, "550 5.1.1 no such user", Verdict::BadAddress),
            (Recipient, "550 5.1.2 no such domain", Verdict::BadAddress),
            (Recipient, "501 5.1.3 bad address", Verdict::BadAddress),
            (Recipient, "550 5.1.10 null MX", Verdict::BadAddress),
            (Recipient, "550 5.2.1 closed", Verdict::BadAddress),
            (Content, "550 5.1.1 no such user", Verdict::BadAddress),
            (Recipient, "550 no such user", Verdict::BadAddress),
            (Recipient, "553 mailbox name not allowed", Verdict::BadAddress),
            (Recipient, "552 5.2.2 full", Verdict::Mailbox),
            (Recipient, "550 5.2.2 full", Verdict::Mailbox),
            (Content, "552 full", Verdict::Mailbox),
            (Recipient, "550 5.7.1 not allowed", Verdict::Policy),
            (Recipient, "550 5.1.8 bad sender", Verdict::Policy),
            (Content, "554 5.7.1 spam", Verdict::Policy),
            (Content, "554 transaction failed", Verdict::Policy),
            (Content, "550 rejected", Verdict::Policy),
            (Content, "550 5.6.0 bad content", Verdict::Policy),
            (Data, "503 5.5.1 bad sequence", Verdict::Policy),
            (Login, "535 5.7.8 bad credentials", Verdict::Misconfigured),
            (Sender, "530 5.7.0 authentication required", Verdict::Misconfigured),
            (Login, "534 5.7.9 too weak", Verdict::Misconfigured),
            (Greeting, "554 5.7.1 you are blocked", Verdict::Misconfigured),
            (Sender, "553 5.7.1 sender not owned", Verdict::Misconfigured),
            (Recipient, "530 5.7.0 must issue STARTTLS", Verdict::Misconfigured),
        ];
        for (stage, reply, verdict) in table {
            let (code, text) = reply.split_once(' ').unwrap();
            let enhanced = Enhanced::of(text);
            let refusal = Refusal { stage, code: code.parse().unwrap(), enhanced };
            assert_eq!(judge(refusal), verdict, "{stage:?} {reply}");
        }
    }

    #[test]
    fn enhanced_codes_are_three_numbers() {
        for (text, code) in [
            ("5.1.1 <a@b>: no such user", Some(Enhanced(5, 1, 1))),
            ("4.7.0", Some(Enhanced(4, 7, 0))),
            ("2.0.0 queued as 7", Some(Enhanced(2, 0, 0))),
            ("192.168.0.1 is blocked", None),
            ("5.1 no", None),
            ("3.1.1 no", None),
            ("5.1.1.1 no", None),
            ("", None),
        ] {
            assert_eq!(Enhanced::of(text), code, "{text}");
        }
    }
}
