//! What is recorded of mails.

use metrics::{counter, describe_counter};
use roadie_jobs::metric::{MAIL_ALERT_REASONS, MAIL_ALERTS, MAIL_OUTCOMES, MAIL_TEMPLATES, MAILS};

pub(super) fn describe() {
    describe_counter!(MAILS, "Mails by what became of them; deferred ones are tried again");
    describe_counter!(
        MAIL_ALERTS,
        "Mails of which somebody should know: we are not wanted (policy), nothing goes out as it is \
         configured (configuration), nobody knows whether it was sent (unknown)"
    );
}

/// Registers all of them at zero.
pub(super) fn register() {
    for (template, outcome) in
        MAIL_TEMPLATES.into_iter().flat_map(|template| MAIL_OUTCOMES.map(|each| (template, each)))
    {
        counter!(MAILS, "template" => template, "outcome" => outcome).absolute(0);
    }
    for reason in MAIL_ALERT_REASONS {
        counter!(MAIL_ALERTS, "reason" => reason).absolute(0);
    }
}
