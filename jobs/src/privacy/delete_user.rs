//! `delete-user`

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::context::{FollowUp, JobContext, Progress, Traces};
use crate::effects::catalogue::{
    CatalogueError, Erasure, Pass, Provider, Receipt, Store, catalogue_error,
};
use crate::effects::google::{DriveError, Revoked};
use crate::job::{Decision, Job, JobError, Timeout};
use crate::photos::{object_error, progress_key};
use crate::schema::describe;

/// How soon it is looked whether the user's jobs have ended that were asked to.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How soon a token is tried to be revoked again.
const REVOKE_AGAIN: Duration = Duration::from_secs(15);
/// Characters of a request's id.
const REQUEST_ID: usize = 200;

/// Erases a user: everything of theirs, and nothing of anybody else's.
///
/// Effects: a tombstone, after which the catalogue takes no row of the user; their jobs removed from all
/// queues, running ones asked to stop, with events, schedules and keys; Google's token revoked; objects,
/// mails in a folder, rows and dead letters removed; a receipt with counts, which is also returned; after a day a second
/// look for what late writers have left.
/// Safe to repeat because: each step finds only what is still there and is passed once; rows are counted as
/// they go, what is elsewhere before it goes. A request that was done answers its receipt.
/// Gives up when: the request was about another user; a store refuses for good. Jobs that do not stop and
/// tokens that cannot be revoked are waited for as `[privacy]` says, and told of.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("examples" = [{ "requestId": "r-2f9c", "userId": 7 }]))]
pub(crate) struct DeleteUser {
    /// Names the receipt; says nothing about the user.
    request_id: String,
    user_id: i64,
    /// The second look, which follows by itself.
    #[serde(default)]
    sweep: bool,
}

/// How far it has come.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reached {
    step: Step,
    /// Since when this step waits, in Unix milliseconds.
    waits_since: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Step {
    #[default]
    Queues,
    Accounts,
    Objects,
    Rows,
}

impl Job for DeleteUser {
    const KIND: &'static str = "delete-user";
    const QUEUE: &'static str = "privacy";
    /// With the usual pauses for about two hours.
    const ATTEMPTS: u32 = 30;
    const TIMEOUT: Timeout = Timeout::Silence(Duration::from_mins(5));
    const FOR_ERASED: bool = true;
    type Output = Receipt;

    fn payload() -> Schema {
        describe::<Self>()
    }

    async fn run(self, cx: JobContext) -> Result<Receipt, JobError> {
        let id = &self.request_id;
        if id.trim().is_empty() || id.chars().count() > REQUEST_ID {
            let why = anyhow!("requestId must have 1 to {REQUEST_ID} characters");
            return Err(JobError::discard(why));
        }
        if let Some(receipt) = self.begin(&cx).await? {
            return Ok(receipt);
        }
        let mut reached: Reached = cx.resume().await?.unwrap_or_default();
        loop {
            cx.safe_point()?;
            let next = match reached.step {
                Step::Queues => {
                    self.queues(&cx, &mut reached).await?;
                    Step::Accounts
                }
                Step::Accounts => {
                    self.account(&cx, &mut reached).await?;
                    Step::Objects
                }
                Step::Objects => {
                    self.objects(&cx).await?;
                    Step::Rows
                }
                Step::Rows => break,
            };
            reached = Reached { step: next, waits_since: None };
            cx.checkpoint(&reached).await?;
        }
        self.mails(&cx).await?;
        self.rows(&cx).await?;
        // Jobs that were added since, and have ended.
        self.forget(&cx).await?;
        cx.end_forgetting(&self.traces().request_id).await?;
        self.end(&cx).await
    }
}

impl DeleteUser {
    fn pass(&self) -> Pass<'_> {
        Pass { request_id: &self.request_id, number: if self.sweep { 2 } else { 1 } }
    }

    /// The tombstone; or the receipt, where there is nothing to do.
    async fn begin(&self, cx: &JobContext) -> Result<Option<Receipt>, JobError> {
        let catalogue = &cx.effects().catalogue;
        if self.sweep {
            let about = catalogue.is_about(&self.request_id, self.user_id).await;
            if about.map_err(catalogue_error)? {
                return Ok(None);
            }
            // The user was let in again: what is there now is meant to be.
            let receipt = catalogue.receipt(&self.request_id).await.map_err(catalogue_error)?;
            return receipt.map(Some).ok_or_else(|| self.unknown());
        }
        let now = cx.effects().clock.now_ms();
        let begun = catalogue.begin_erasure(&self.request_id, self.user_id, now).await;
        match begun.map_err(overtaken)? {
            Erasure::UnderWay => Ok(None),
            Erasure::Done(receipt) => Ok(Some(receipt)),
            Erasure::AnotherUser => {
                let id = &self.request_id;
                Err(JobError::discard(anyhow!("request {id} was about another user; use a new id")))
            }
        }
    }

    fn unknown(&self) -> JobError {
        JobError::discard(anyhow!("there is no receipt of request {}", self.request_id))
    }

    fn traces(&self) -> Traces {
        let user_id = self.user_id;
        let named = |words: &[&str]| words.iter().map(|word| format!("{word}:{user_id}")).collect();
        Traces {
            user_id,
            request_id: format!("{}:{}", self.request_id, self.pass().number),
            spared: Self::KIND,
            spared_ended: !self.sweep,
            job_ids: named(&["scan", "dedup", "mail", "celebrate"]),
            claims: named(&["scan", "dedup"]),
            keys: vec![progress_key(user_id)],
        }
    }

    /// Nothing of the user waits, runs or is remembered in a queue.
    async fn queues(&self, cx: &JobContext, reached: &mut Reached) -> Result<(), JobError> {
        let running = self.forget(cx).await?;
        if running > 0 && self.may_wait(cx, reached, cx.effects().erasing.wait).await? {
            let why = anyhow!("{running} jobs of the user were asked to stop and still run");
            return Err(JobError::postpone(LOOK_AGAIN, why));
        }
        if running > 0 {
            tracing::warn!(jobs = running, "erasing a user whose jobs do not stop");
        }
        Ok(())
    }

    /// Removes what is in the queues; answers how many jobs still run.
    async fn forget(&self, cx: &JobContext) -> Result<u64, JobError> {
        report(cx, "queues");
        let found = cx.forget_user(&self.traces()).await?;
        let jobs = found.jobs.iter().map(|counted| (Store::Queues, counted));
        for (store, (name, items)) in jobs.chain(found.others.iter().map(|c| (Store::Redis, c))) {
            note(cx, self.pass(), store, name, *items).await?;
        }
        Ok(found.running)
    }

    /// Whether this step has not yet waited for too long.
    async fn may_wait(
        &self,
        cx: &JobContext,
        reached: &mut Reached,
        limit: Duration,
    ) -> Result<bool, JobError> {
        let now = cx.effects().clock.now_ms();
        let Some(since) = reached.waits_since else {
            reached.waits_since = Some(now);
            cx.checkpoint(reached).await?;
            return Ok(true);
        };
        Ok(now.saturating_sub(since) < i64::try_from(limit.as_millis()).unwrap_or(i64::MAX))
    }

    /// The user's token does not let in any more.
    async fn account(&self, cx: &JobContext, reached: &mut Reached) -> Result<(), JobError> {
        report(cx, "accounts");
        let account = cx.effects().catalogue.account(self.user_id, Provider::Drive).await;
        if account.map_err(catalogue_error)?.is_none() {
            return Ok(());
        }
        let became = match cx.effects().drive.revoke(self.user_id).await {
            Err(DriveError::NotConnected { .. }) => return Ok(()),
            Err(DriveError::Catalogue(error)) => return Err(catalogue_error(error)),
            Ok(Revoked::Now) => "drive: revoked",
            Ok(Revoked::Before) => "drive: was revoked before",
            Ok(Revoked::Nobody) => "drive: not revoked, no Google Drive is configured",
            // Nobody can use it either.
            Err(DriveError::Sealed { .. }) => "drive: not revoked, no key opens the token",
            Err(error) => {
                if self.may_wait(cx, reached, cx.effects().erasing.revoke_within).await? {
                    return Err(later(error));
                }
                tracing::warn!(%error, "a token of an erased user could not be revoked");
                "drive: not revoked, Google did not take it back"
            }
        };
        note(cx, self.pass(), Store::Accounts, became, 1).await
    }

    /// What is not in the catalogue is counted before the first one goes: whoever is killed in between has
    /// noted all, and a smaller number changes nothing.
    async fn objects(&self, cx: &JobContext) -> Result<(), JobError> {
        let objects = &cx.effects().objects;
        let alive = || report(cx, "objects");
        alive();
        for (name, bucket, prefix) in self.prefixes(cx) {
            let found = objects.count(&bucket, &prefix, &alive).await.map_err(object_error)?;
            note(cx, self.pass(), Store::Objects, name, found).await?;
            let removed = objects.purge(&bucket, &prefix, &alive).await.map_err(object_error)?;
            note(cx, self.pass(), Store::Objects, name, removed).await?;
        }
        Ok(())
    }

    /// Where objects of the user are: a name, the bucket, and what their keys begin with.
    fn prefixes(&self, cx: &JobContext) -> Vec<(&'static str, String, String)> {
        let (variants, exports) = (&cx.effects().variants, &cx.effects().exports);
        let below = |prefix: &str| format!("{prefix}{}/", self.user_id);
        vec![
            ("variants", variants.bucket.clone(), below(&variants.prefix)),
            ("exports", exports.bucket.clone(), below(&exports.prefix)),
        ]
    }

    /// Mails that were written into a folder instead of being sent.
    async fn mails(&self, cx: &JobContext) -> Result<(), JobError> {
        let Some(office) = cx.effects().mail.office() else { return Ok(()) };
        let found = office.transport.kept(self.user_id).await.map_err(JobError::retry)?;
        note(cx, self.pass(), Store::Mails, "files", found).await?;
        office.transport.forget(self.user_id).await.map_err(JobError::retry)
    }

    async fn rows(&self, cx: &JobContext) -> Result<(), JobError> {
        let catalogue = &cx.effects().catalogue;
        let alive = || report(cx, "rows");
        alive();
        let (pass, user_id) = (self.pass(), self.user_id);
        catalogue.erase_rows(pass, user_id, alive).await.map_err(catalogue_error)?;
        catalogue.erase_letters(pass, user_id, alive).await.map_err(catalogue_error)?;
        cx.drop_cached(vec![("userId", user_id.to_string())]).await
    }

    async fn end(&self, cx: &JobContext) -> Result<Receipt, JobError> {
        if !self.sweep {
            // First, so that no end is without one.
            let id = &self.request_id;
            cx.enqueue(FollowUp {
                queue: Self::QUEUE.to_owned(),
                kind: Self::KIND.to_owned(),
                payload: json!({ "requestId": id, "userId": self.user_id, "sweep": true }),
                id: format!("erase:{id}:sweep"),
                delay: Some(cx.effects().erasing.sweep_after),
            })
            .await?;
        }
        let now = cx.effects().clock.now_ms();
        let receipt = cx.effects().catalogue.end_erasure(self.pass(), now).await;
        let receipt = receipt.map_err(catalogue_error)?.ok_or_else(|| self.unknown())?;
        let left: u64 = receipt.swept.values().flat_map(BTreeMap::values).sum();
        match self.sweep {
            true if left > 0 => {
                tracing::warn!(things = left, "late writers had left something of an erased user");
            }
            true => tracing::info!("nothing of an erased user was left"),
            false => tracing::info!("a user was erased"),
        }
        Ok(receipt)
    }
}

/// Tried again without counting an attempt: how long is told by the configuration.
fn later(error: DriveError) -> JobError {
    match error.for_job() {
        later if matches!(later.decision(), Decision::Postpone { .. }) => later,
        other => JobError::postpone(REVOKE_AGAIN, anyhow!("{other}")),
    }
}

async fn note(
    cx: &JobContext,
    pass: Pass<'_>,
    store: Store,
    name: &str,
    items: u64,
) -> Result<(), JobError> {
    let noted = cx.effects().catalogue.note_erased(pass, store, name, items).await;
    noted.map_err(catalogue_error)
}

fn report(cx: &JobContext, stage: &str) {
    cx.report(Progress { value: json!({ "stage": stage }), mirror: None });
}

/// Another request about the same user was faster with the tombstone.
fn overtaken(error: CatalogueError) -> JobError {
    if error.is_erased() { JobError::retry(error) } else { catalogue_error(error) }
}
