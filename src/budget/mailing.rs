//! No mail server is talked to without a permit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use roadie_jobs::effects::Target;
use roadie_jobs::effects::mail::{
    FolderError, Letter, Offer, Transport, Undelivered, Verdict, judge,
};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Budgets;
use super::permit::{Permit, Report};
use crate::observe::metrics;

/// When Redis may know again whether a mail may be sent.
const UNKNOWN: Duration = Duration::from_secs(5);

/// Sends within the budget, and tells it what came of it.
#[derive(Debug)]
pub struct Mailing {
    inner: Arc<dyn Transport>,
    budgets: Budgets,
}

impl Mailing {
    /// Sends through `inner`.
    pub fn new(inner: Arc<dyn Transport>, budgets: Budgets) -> Self {
        Self { inner, budgets }
    }

    async fn permit(&self, letter: &Letter) -> Result<Permit, Undelivered> {
        // Nobody reads from it whose mail it is.
        let name = hex::encode(&Sha256::digest(&letter.message_id)[..16]);
        match self.budgets.permit(Target::Smtp, &name).await {
            Ok(permit) => permit.map_err(|refusal| Undelivered::Resting {
                why: refusal.why.to_string(),
                after: refusal.after,
            }),
            Err(error) => Err(Undelivered::Resting {
                why: format!("Redis does not say whether it may be: {error}"),
                after: UNKNOWN,
            }),
        }
    }
}

#[async_trait]
impl Transport for Mailing {
    async fn offer(&self, letter: &Letter) -> Result<Box<dyn Offer>, Undelivered> {
        let permit = self.permit(letter).await?;
        let asked = Instant::now();
        match self.inner.offer(letter).await {
            Ok(inner) => Ok(Box::new(Permitted { inner, permit, asked })),
            Err(undelivered) => {
                tell(permit, Err(&undelivered), asked).await;
                Err(undelivered)
            }
        }
    }

    async fn kept(&self, user_id: i64) -> Result<u64, FolderError> {
        self.inner.kept(user_id).await
    }

    async fn forget(&self, user_id: i64) -> Result<(), FolderError> {
        self.inner.forget(user_id).await
    }
}

/// A server that waits for the content of a mail. Dropped, the permit is given back.
struct Permitted {
    inner: Box<dyn Offer>,
    permit: Permit,
    asked: Instant,
}

#[async_trait]
impl Offer for Permitted {
    async fn hand_over(self: Box<Self>) -> Result<String, Undelivered> {
        let Self { inner, permit, asked } = *self;
        let answer = inner.hand_over().await;
        tell(permit, answer.as_ref().map(drop), asked).await;
        answer
    }
}

async fn tell(permit: Permit, answer: Result<(), &Undelivered>, asked: Instant) {
    let (report, result) = report(answer, asked.elapsed());
    metrics::external_request(Target::Smtp, result, asked.elapsed());
    if let Err(error) = permit.report(report).await {
        tracing::debug!(%error, "what became of a mail not told; its permit runs out by itself");
    }
}

/// What the budget has to know of an answer, and what metrics call it: what concerns one mail is an answer.
fn report(answer: Result<(), &Undelivered>, took: Duration) -> (Report, &'static str) {
    let undelivered = match answer {
        Ok(()) => return (Report::Answered(took), "answered"),
        Err(undelivered) => undelivered,
    };
    match undelivered {
        // Of what broke off, the next mail shows whether that is the server, or only where this one goes.
        Undelivered::Resting { .. } | Undelivered::BrokenOff(_) => (Report::Abandoned, "failed"),
        Undelivered::AddressNotTaken => (Report::Answered(took), "rejected"),
        Undelivered::Unreachable(_) => (Report::Failing, "failed"),
        Undelivered::Unanswered(_) => (Report::Failing, "garbled"),
        Undelivered::Misconfigured(_) => (Report::Refused, "refused"),
        Undelivered::Refused(refusal) => match judge(*refusal) {
            Verdict::Later => (Report::Answered(took), "limited"),
            Verdict::BadAddress | Verdict::Mailbox | Verdict::Policy => {
                (Report::Answered(took), "rejected")
            }
            Verdict::Busy => (Report::Limited(None), "limited"),
            Verdict::Failing => (Report::Failing, "failed"),
            Verdict::Misconfigured => (Report::Refused, "refused"),
        },
    }
}
