//! Nothing is asked without a permit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use roadie_jobs::effects::Target;
use roadie_jobs::effects::web::{Ask, Fetch, Judge, Unanswered};
use tokio::time::Instant;

use super::permit::{Permit, Report};
use super::refusal::Refusal;
use super::{Budgets, name};
use crate::observe::metrics;
use crate::queue::QueueError;

/// When Redis may know again what may be asked.
const UNKNOWN: Duration = Duration::from_secs(5);

/// Asks within the budgets, and tells them what came of it.
#[derive(Debug)]
pub struct Budgeted {
    inner: Arc<dyn Fetch>,
    budgets: Budgets,
}

impl Budgeted {
    /// Asks through `inner`.
    pub fn new(inner: Arc<dyn Fetch>, budgets: Budgets) -> Self {
        Self { inner, budgets }
    }

    async fn permit(&self, ask: &Ask) -> Result<Permit, Unanswered> {
        match self.budgets.permit(ask.service, &name(ask)).await {
            Ok(permit) => permit.map_err(|refusal| resting(ask.service, refusal)),
            Err(error) => Err(unknown(ask.service, &error)),
        }
    }
}

#[async_trait]
impl Fetch for Budgeted {
    async fn fetch(&self, ask: &Ask, judge: Judge<'_>) -> Result<(), Unanswered> {
        let permit = self.permit(ask).await?;
        let asked = Instant::now();
        let answer = self.inner.fetch(ask, judge).await;
        let (report, result) = report(&answer, asked.elapsed());
        metrics::external_request(ask.service, result, asked.elapsed());
        match (answer, permit.report(report).await) {
            // It is the service's fault, so the job that came upon it is not blamed.
            (Err(unanswered), Ok(Some(Refusal { after, .. }))) => {
                let (service, why) = (ask.service, format!("{unanswered}"));
                Err(Unanswered::Resting { service, why, after })
            }
            (answer, _) => answer,
        }
    }
}

/// What the budget has to know of an answer, and what metrics call it.
fn report(answer: &Result<(), Unanswered>, took: Duration) -> (Report, &'static str) {
    match answer {
        Ok(()) => (Report::Answered(took), "answered"),
        // What it answers is that the question is wrong.
        Err(Unanswered::Rejected { .. }) => (Report::Answered(took), "rejected"),
        Err(Unanswered::Limited { after, .. }) => (Report::Limited(*after), "limited"),
        Err(Unanswered::Exhausted { .. }) => (Report::Exhausted, "limited"),
        Err(Unanswered::Refused { .. }) => (Report::Refused, "refused"),
        Err(Unanswered::Garbled { .. }) => (Report::Failing, "garbled"),
        Err(Unanswered::Failed { .. }) => (Report::Failing, "failed"),
        // Nobody asked it.
        Err(Unanswered::Resting { .. }) => (Report::Abandoned, "failed"),
    }
}

pub(super) fn resting(service: Target, Refusal { after, why }: Refusal) -> Unanswered {
    Unanswered::Resting { service, why: why.to_string(), after }
}

/// Without Redis nobody knows what may be asked.
pub(super) fn unknown(service: Target, error: &QueueError) -> Unanswered {
    let why = format!("Redis does not say whether it may be: {error}");
    Unanswered::Resting { service, why, after: UNKNOWN }
}
