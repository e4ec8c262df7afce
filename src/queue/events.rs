//! What happens to single jobs, as BullMQ's clients and ours write it into each queue's events.
//!
//! However many follow jobs of a queue, one reader of this process reads its events, and only while
//! somebody follows. It looks several times a second instead of blocking, so that it needs no
//! connection of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::look::{Position, json_or_text, lossy};
use super::{QueueError, Queues};

const LOOK_EVERY: Duration = Duration::from_millis(100);
const PAGE: usize = 500;
/// Events that wait for one follower. One that is slower looks at the job anew.
const BEHIND: usize = 16;

/// An event of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place in the queue's events.
    pub position: Position,
    /// What happened.
    pub what: Happened,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// It is in another state now: `waiting`, `active`, `delayed` or `waiting-children`.
    State(&'static str),
    /// Its handler told how far it is.
    Progress(Value),
    /// It is done; the value is what its handler returned.
    Completed(Value),
    /// It has failed for good; the text says why.
    Failed(String),
    /// It was taken away.
    Removed,
}

impl Happened {
    /// Whether nothing can follow.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Completed(_) | Self::Failed(_) | Self::Removed)
    }

    /// What an entry says; none: nothing that concerns those who follow a job.
    fn of(entry: &Fields) -> Option<Self> {
        let text = |name| entry.get(name).unwrap_or_default();
        Some(match text("event").as_str() {
            "waiting" => Self::State("waiting"),
            "active" => Self::State("active"),
            "delayed" => Self::State("delayed"),
            "waiting-children" => Self::State("waiting-children"),
            "progress" => Self::Progress(json_or_text(text("data"))),
            "completed" => Self::Completed(json_or_text(text("returnvalue"))),
            "failed" => Self::Failed(text("failedReason")),
            "removed" => Self::Removed,
            _ => return None,
        })
    }
}

/// The names and values of an entry, one after the other.
struct Fields(Vec<Vec<u8>>);

impl Fields {
    fn get(&self, name: &str) -> Option<String> {
        let pair = self.0.chunks_exact(2).find(|pair| pair[0] == name.as_bytes())?;
        Some(lossy(&pair[1]))
    }
}

type Entry = (String, Vec<Vec<u8>>);

/// Those who follow jobs, by queue and job.
#[derive(Debug, Default)]
struct Followers(Mutex<ByQueueAndJob>);

type ByQueueAndJob = HashMap<String, HashMap<String, Vec<Follower>>>;

/// Nothing instead of an event: some are missing.
type Told = Option<Arc<Event>>;

#[derive(Debug)]
struct Follower {
    events: mpsc::Sender<Told>,
    missed: Arc<AtomicBool>,
}

/// The events of all queues.
#[derive(Clone, Debug)]
pub struct Events {
    queues: Queues,
    followers: Arc<Followers>,
}

/// The events of one job, as they come.
#[derive(Debug)]
pub struct Following {
    events: mpsc::Receiver<Told>,
    missed: Arc<AtomicBool>,
}

impl Following {
    /// The next event; none when some may have been missed, so that the job must be looked at.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        if self.missed.swap(false, Ordering::AcqRel) {
            // What is buffered is older than what will be seen.
            while self.events.try_recv().is_ok() {}
            return None;
        }
        self.events.recv().await.flatten()
    }
}

impl Events {
    /// The events of these queues.
    pub fn new(queues: Queues) -> Self {
        Self { queues, followers: Arc::default() }
    }

    /// Follows a job. Events after `from` may come, and those that come after a look at the job that is
    /// taken from now on do come.
    pub fn follow(&self, queue: &str, id: &str, from: Position) -> Following {
        let (sender, events) = mpsc::channel(BEHIND);
        let missed = Arc::new(AtomicBool::new(false));
        let follower = Follower { events: sender, missed: Arc::clone(&missed) };
        let mut all = self.followers.lock();
        let reads = all.contains_key(queue);
        all.entry(queue.to_owned()).or_default().entry(id.to_owned()).or_default().push(follower);
        drop(all);
        if !reads {
            tokio::spawn(read(self.clone(), queue.to_owned(), from));
        }
        Following { events, missed }
    }

    /// The events of a job in `(after, until]`; none when some of that time are gone.
    pub async fn between(
        &self,
        queue: &str,
        id: &str,
        after: Position,
        until: Position,
    ) -> Result<Option<Vec<Event>>, QueueError> {
        let (mut events, mut at) = (Vec::new(), after);
        loop {
            let (complete, page) = self.page(queue, at, Some(until)).await?;
            if !complete {
                return Ok(None);
            }
            let full = page.len() == PAGE;
            for entry in page {
                let (job, event) = read_entry(entry, &mut at);
                if job.as_deref() == Some(id) {
                    events.extend(event);
                }
            }
            if !full {
                return Ok(Some(events));
            }
        }
    }

    /// Events after a position, and whether none before them is missing.
    async fn page(
        &self,
        queue: &str,
        after: Position,
        until: Option<Position>,
    ) -> Result<(bool, Vec<Entry>), QueueError> {
        let key = format!("{}:events", self.queues.base(queue));
        let until = until.map_or_else(|| "+".to_owned(), |until| until.to_string());
        let (oldest, page): (Vec<Entry>, Vec<Entry>) = redis::pipe()
            .cmd("XRANGE")
            .arg(&key)
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(1)
            .cmd("XRANGE")
            .arg(&key)
            .arg(format!("({after}"))
            .arg(until)
            .arg("COUNT")
            .arg(PAGE)
            .query_async(&mut self.queues.redis())
            .await
            .map_err(QueueError::of("read events"))?;
        let oldest: Option<Position> =
            oldest.first().and_then(|(position, _)| position.parse().ok());
        let begun = after == Position::default();
        Ok((begun || oldest.is_none_or(|oldest| oldest <= after), page))
    }
}

impl Followers {
    fn lock(&self) -> MutexGuard<'_, ByQueueAndJob> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets those that are gone; false when nobody is left.
    fn prune(&self, queue: &str) -> bool {
        let mut all = self.lock();
        let Some(jobs) = all.get_mut(queue) else { return false };
        jobs.retain(|_, followers| {
            followers.retain(|follower| !follower.events.is_closed());
            !followers.is_empty()
        });
        if jobs.is_empty() {
            all.remove(queue);
            return false;
        }
        true
    }

    fn tell(&self, queue: &str, id: &str, event: &Arc<Event>) {
        let all = self.lock();
        let followers = all.get(queue).and_then(|jobs| jobs.get(id));
        followers.into_iter().flatten().for_each(|follower| follower.tell(Some(Arc::clone(event))));
    }

    /// Nobody can know what was missed.
    fn tell_of_gap(&self, queue: &str) {
        let all = self.lock();
        let followers = all.get(queue).into_iter().flat_map(HashMap::values);
        followers.flatten().for_each(|follower| follower.tell(None));
    }
}

impl Follower {
    fn tell(&self, told: Told) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(told) {
            self.missed.store(true, Ordering::Release);
        }
    }
}

/// Reads the events of a queue while somebody follows one of its jobs.
async fn read(events: Events, queue: String, from: Position) {
    let mut at = from;
    while events.followers.prune(&queue) {
        // An outage is noticed by all who ask for something; here it only takes its time.
        if let Ok((complete, page)) = events.page(&queue, at, None).await {
            let full = page.len() == PAGE;
            for entry in page {
                if let (Some(id), Some(event)) = read_entry(entry, &mut at) {
                    events.followers.tell(&queue, &id, &Arc::new(event));
                }
            }
            if !complete {
                events.followers.tell_of_gap(&queue);
            }
            if full {
                continue;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The job that an entry is about, and what it says of it.
fn read_entry((position, fields): Entry, at: &mut Position) -> (Option<String>, Option<Event>) {
    let Ok(position) = position.parse() else { return (None, None) };
    *at = position;
    let fields = Fields(fields);
    let event = Happened::of(&fields).map(|what| Event { position, what });
    (fields.get("jobId"), event)
}
