//! What the whole fleet may ask of services of others, and what they have answered already.
//!
//! In the order in which a question passes through:
//!
//! 1. [`cached`]: answers that are kept, and one asker at a time for one question;
//! 2. [`budgeted`]: nothing is asked without a permit, and whoever gives them out is told what came of it;
//! 3. [`permit`]: rate, concurrency, a day's quota, the breaker and the line of those that wait, decided in
//!    Redis by its clock (`scripts/permit.lua`, `scripts/report.lua`); [`refusal`]: why a question has to wait;
//! 4. the network (`roadie_jobs::effects::web`).
//!
//! [`mailing`]: the same for mails, which are no questions; [`urgency`]: whether somebody waits for a job; [`operate`]: what operators see and change.

pub mod budgeted;
pub mod cached;
pub mod mailing;
pub mod operate;
pub mod permit;
pub mod refusal;
pub(crate) mod urgency;

use std::sync::Arc;

use roadie_jobs::effects::Clock;
use roadie_jobs::effects::web::{Ask, Fetch};
use sha2::{Digest as _, Sha256};

use crate::config;
use crate::queue::Queues;
use budgeted::Budgeted;
use cached::Cached;
pub use permit::Budgets;

/// Asks through `inner` what is not known yet, within the budgets.
pub fn frugal(
    inner: Arc<dyn Fetch>,
    queues: &Queues,
    budgets: Budgets,
    cache: config::Cache,
    clock: Clock,
) -> Arc<dyn Fetch> {
    let budgeted = Arc::new(Budgeted::new(inner, budgets));
    Arc::new(Cached::new(budgeted, queues.clone(), cache, clock))
}

/// A question's name, from which nobody reads a place: 32 hexadecimal digits. Headers are no part of it:
/// all askers send the same, and one of them is a key.
fn name(ask: &Ask) -> String {
    let mut digest = Sha256::new();
    let form = ask.form.iter().map(|(_, value)| value.as_str());
    for part in [ask.service.label(), &ask.url, &ask.edition].into_iter().chain(form) {
        digest.update(part);
        digest.update([0]);
    }
    hex::encode(&digest.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use roadie_jobs::effects::Target;

    use super::*;

    #[test]
    fn another_question_has_another_name() {
        let ask = |url: &str| Ask::get(Target::Overpass, url.to_owned());
        let form =
            |data: &str| Ask { form: vec![("data", data.to_owned())], ..ask("http://o/api") };
        let edition = Ask { edition: "a".to_owned(), ..ask("http://o/api") };
        let other = Ask { service: Target::Nominatim, ..ask("http://o/api") };
        let names: std::collections::BTreeSet<String> =
            [ask("http://o/api"), ask("http://o/apia"), form("a"), form("b"), edition, other]
                .iter()
                .map(name)
                .collect();
        assert_eq!(names.len(), 6);
        let header = Ask { headers: vec![("x-api-key", "s".to_owned())], ..ask("http://o/api") };
        assert!(names.contains(&name(&header)));
        assert!(names.iter().all(|name| name.len() == 32));
    }
}
