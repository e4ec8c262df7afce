//! Pauses: who paused a queue, why, and until when.
//!
//! They are kept in Redis, beside BullMQ's own flag, by its clock. Workers of every kind heed the flag; it is
//! cleared when the last pause is lifted or over, by whichever process notices first. A pause that
//! another client has set has no owner that we know; a client that resumes the queue lifts them all.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use serde::{Deserialize, Serialize, Serializer};

use super::{QueueError, Queues, millis};

static PAUSES: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(include_str!("scripts/common.lua"), include_str!("scripts/pauses.lua")))
});

/// One reason why a queue is paused. As JSON, times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Who paused it; none: another client, which does not say.
    pub owner: Option<String>,
    /// Why, in the owner's words; may be empty.
    pub reason: String,
    /// When it was paused, in Unix milliseconds; none: not known.
    #[serde(serialize_with = "rfc3339")]
    pub since: Option<i64>,
    /// When the pause is over, in Unix milliseconds; none: when somebody lifts it.
    #[serde(serialize_with = "rfc3339")]
    pub until: Option<i64>,
}

/// When a pause is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseEnd {
    /// When somebody lifts it.
    Lifted,
    /// After this time.
    After(Duration),
    /// At this moment, in Unix milliseconds.
    At(u64),
}

/// What lifting a pause came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Whether there was such a pause.
    pub lifted: bool,
    /// The pauses that are left; none: the queue goes on.
    pub left: Vec<Pause>,
}

enum Ask<'a> {
    Look,
    Pause { owner: &'a str, reason: &'a str, end: PauseEnd },
    Resume { owner: &'a str },
    ResumeAll { owner: &'a str },
}

/// As a pause is kept.
#[derive(Deserialize)]
struct Record {
    reason: String,
    since: i64,
    until: Option<i64>,
}

/// More to take in, paused, by another client too, done as asked, the pauses.
type Reply = (bool, bool, bool, bool, Vec<(String, String)>);

impl Queues {
    /// The pauses of a queue, the oldest first; empty: it is open. Pauses that are over are lifted.
    pub async fn pauses(&self, queue: &str) -> Result<Vec<Pause>, QueueError> {
        let (_, pauses) = self.ask(queue, &Ask::Look).await?;
        Ok(pauses)
    }

    /// Pauses a queue, in addition to the pauses that it has; an owner's second pause replaces the
    /// first. Answers all of them. Jobs that run go on.
    pub async fn pause(
        &self,
        queue: &str,
        owner: &str,
        reason: &str,
        end: PauseEnd,
    ) -> Result<Vec<Pause>, QueueError> {
        let (set, pauses) = self.ask(queue, &Ask::Pause { owner, reason, end }).await?;
        if set { Ok(pauses) } else { Err(QueueError::PauseOver { queue: queue.to_owned() }) }
    }

    /// Lifts the pause of one owner. The queue goes on if there is no other.
    pub async fn resume(&self, queue: &str, owner: &str) -> Result<Resumed, QueueError> {
        let (lifted, left) = self.ask(queue, &Ask::Resume { owner }).await?;
        Ok(Resumed { lifted, left })
    }

    /// Lifts all pauses of a queue, whoever set them; `owner` is who does.
    pub async fn resume_all(&self, queue: &str, owner: &str) -> Result<Resumed, QueueError> {
        let (lifted, left) = self.ask(queue, &Ask::ResumeAll { owner }).await?;
        Ok(Resumed { lifted, left })
    }

    /// All queues that somebody has paused through us.
    pub(crate) async fn paused_queues(&self) -> Result<Vec<String>, QueueError> {
        redis::cmd("SMEMBERS")
            .arg(self.pauses_key(None))
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("list paused queues"))
    }

    async fn ask(&self, queue: &str, ask: &Ask<'_>) -> Result<(bool, Vec<Pause>), QueueError> {
        let (op, owner, reason, end) = match *ask {
            Ask::Look => ("look", "", "", PauseEnd::Lifted),
            Ask::Pause { owner, reason, end } => ("pause", owner, reason, end),
            Ask::Resume { owner } => ("resume", owner, "", PauseEnd::Lifted),
            Ask::ResumeAll { owner } => ("resume-all", owner, "", PauseEnd::Lifted),
        };
        let (end, number) = match end {
            PauseEnd::Lifted => ("", 0),
            PauseEnd::After(length) => ("for", millis(length)),
            PauseEnd::At(moment) => ("until", moment),
        };
        loop {
            let reply: Reply = PAUSES
                .key(self.pauses_key(Some(queue)))
                .key(self.pauses_key(None))
                .arg(self.base(queue))
                .arg(queue)
                .arg(op)
                .arg(owner)
                .arg(reason)
                .arg(end)
                .arg(number)
                .invoke_async(&mut self.redis())
                .await
                .map_err(QueueError::of("look after pauses"))?;
            let (more, paused, stranger, done, records) = reply;
            if !more || op == "pause" {
                let list = if paused { listed(stranger, &records) } else { Vec::new() };
                return Ok((done, list));
            }
        }
    }

    /// Where the pauses of a queue are kept, or the names of the queues that have some.
    fn pauses_key(&self, queue: Option<&str>) -> String {
        match queue {
            Some(queue) => format!("{}:roadie:pauses:{queue}", self.prefix),
            None => format!("{}:roadie:pauses", self.prefix),
        }
    }
}

fn listed(stranger: bool, records: &[(String, String)]) -> Vec<Pause> {
    let ours = records.iter().filter_map(|(owner, record)| {
        let Record { reason, since, until } = serde_json::from_str(record).ok()?;
        Some(Pause { owner: Some(owner.clone()), reason, since: Some(since), until })
    });
    let unknown = Pause { owner: None, reason: String::new(), since: None, until: None };
    let mut pauses: Vec<Pause> = stranger.then_some(unknown).into_iter().chain(ours).collect();
    pauses.sort_by(|a, b| (a.since, &a.owner).cmp(&(b.since, &b.owner)));
    pauses
}

/// Unix milliseconds as people write times.
#[expect(clippy::ref_option, reason = "as serde calls it")]
pub(crate) fn rfc3339<S: Serializer>(ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    let time = ms.and_then(chrono::DateTime::from_timestamp_millis);
    time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_listed_oldest_first_and_strangers_before_all() {
        let records = [
            ("bob".to_owned(), r#"{"reason":"","since":2000}"#.to_owned()),
            ("eve".to_owned(), "not ours".to_owned()),
            ("ann".to_owned(), r#"{"reason":"deploy","since":1000,"until":61000}"#.to_owned()),
        ];
        let pauses = listed(true, &records);
        let owners: Vec<_> = pauses.iter().map(|pause| pause.owner.as_deref()).collect();
        assert_eq!(owners, [None, Some("ann"), Some("bob")]);
        assert_eq!(
            serde_json::to_value(&pauses[1]).unwrap(),
            serde_json::json!({
                "owner": "ann", "reason": "deploy",
                "since": "1970-01-01T00:00:01.000Z", "until": "1970-01-01T00:01:01.000Z",
            })
        );
    }
}
