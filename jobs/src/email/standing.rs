//! What becomes of a mail that was asked for before, by where the ledger says that it stands. Pure.

use crate::effects::catalogue::MailState;

/// What to do with a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Offer it to the server: it is sure that it was not sent.
    Offer,
    /// Nothing: it was sent, or nobody knows.
    Leave,
    /// Its worker died, or its connection broke, between the content and the answer: nobody knows whether it
    /// was sent, so it never is again by itself.
    GiveUpKnowing,
}

/// At most once: a congratulation that is lost is better than one that comes twice.
pub(super) fn next(state: MailState) -> Next {
    match state {
        // Whoever asks again after it was not sent may have it sent: somebody has changed something.
        MailState::Reserved | MailState::Failed | MailState::Suppressed | MailState::Unwanted => {
            Next::Offer
        }
        MailState::Sent | MailState::Unknown => Next::Leave,
        MailState::Sending => Next::GiveUpKnowing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_that_may_have_been() {
        let offered = MailState::ALL.map(|state| (state.as_str(), next(state)));
        let expected = [
            ("reserved", Next::Offer),
            ("sending", Next::GiveUpKnowing),
            ("sent", Next::Leave),
            ("failed", Next::Offer),
            ("suppressed", Next::Offer),
            ("unwanted", Next::Offer),
            ("unknown", Next::Leave),
        ];
        assert_eq!(offered, expected);
    }
}
