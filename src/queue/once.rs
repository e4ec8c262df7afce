//! Requests that are answered once, however often they are sent.
//!
//! A record in Redis knows the request's body, who answers it at the moment, which jobs were added for
//! it (written by the script that adds them) and, in the end, the answer.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::{QueueError, Queues, millis};

static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/begin.lua")));
static ANSWER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/answer.lua")));
static YIELD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/yield.lua")));

const KEEPING: &str = "keep a request's answer";
/// How long answers are kept.
pub const KEPT_FOR: Duration = Duration::from_hours(24);

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the caller's to answer.
    Begun,
    /// The key belongs to another body.
    Other,
    /// Somebody else answers it, and may do so for so long.
    Running(Duration),
    /// It has been answered so.
    Answered(String),
}

/// A request that is answered once.
#[derive(Clone, Debug)]
pub struct Once {
    queues: Queues,
    key: String,
    body: String,
    holder: String,
}

impl Queues {
    /// A request: its name, which is its own within a queue, a digest of its body, and a name of who
    /// answers it now, which is nobody else's.
    pub fn once(&self, queue: &str, name: &str, body: String, holder: String) -> Once {
        let key = format!("{}:roadie:request:{queue}:{name}", self.prefix);
        Once { queues: self.clone(), key, body, holder }
    }
}

impl Once {
    /// The key of the record, for [`Queues::add_all`].
    pub fn record(&self) -> &str {
        &self.key
    }

    /// Begins to answer it. Whoever holds it for longer than the lease may have company, which does no
    /// harm: the record sees to it that nothing is added twice.
    pub async fn begin(&self, lease: Duration) -> Result<Standing, QueueError> {
        let mut call = BEGIN.key(&self.key);
        call.arg(&self.body).arg(&self.holder).arg(millis(lease)).arg(millis(KEPT_FOR));
        let answer: Vec<String> =
            call.invoke_async(&mut self.queues.redis()).await.map_err(QueueError::of(KEEPING))?;
        let standing = match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["begun"] => Some(Standing::Begun),
            ["other"] => Some(Standing::Other),
            ["running", ms] => {
                ms.parse().ok().map(|ms| Standing::Running(Duration::from_millis(ms)))
            }
            ["answered", answer] => Some(Standing::Answered(answer.to_owned())),
            _ => None,
        };
        standing.ok_or_else(|| {
            let kind = redis::ErrorKind::UnexpectedReturnType;
            let source = (kind, "the script's answer is not understood").into();
            QueueError::Redis { step: KEEPING, source }
        })
    }

    /// Keeps the answer; answers the one that counts.
    pub async fn answer(&self, answer: &str) -> Result<String, QueueError> {
        ANSWER
            .key(&self.key)
            .arg(&self.body)
            .arg(answer)
            .arg(millis(KEPT_FOR))
            .invoke_async(&mut self.queues.redis())
            .await
            .map_err(QueueError::of(KEEPING))
    }

    /// Lets go of it without an answer.
    pub async fn give_up(&self) -> Result<(), QueueError> {
        YIELD
            .key(&self.key)
            .arg(&self.holder)
            .invoke_async::<i64>(&mut self.queues.redis())
            .await
            .map(drop)
            .map_err(QueueError::of(KEEPING))
    }
}
