//! The book of a queue's schedules: BullMQ's job schedulers, as boards show them and as all its workers
//! keep them going.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use redis::Script;
use serde_json::{Map, Value, json};

use super::{QueueError, Queues};

static SET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("scripts/common.lua"),
        include_str!("scripts/set_schedule.lua")
    ))
});

/// When a job was added, started, and ended.
type Times = (Option<u64>, Option<u64>, Option<u64>);

/// What is to be written of one schedule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// Its id in the book.
    pub(crate) id: String,
    pub(crate) queue: String,
    pub(crate) kind: String,
    pub(crate) payload: Value,
    pub(crate) timing: Timing,
    pub(crate) limit: Option<u64>,
    /// In Unix milliseconds, as all times here.
    pub(crate) start: Option<u64>,
    pub(crate) end: Option<u64>,
    pub(crate) priority: Option<u32>,
    pub(crate) attempts: Option<u32>,
}

/// When a schedule fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// At the times of a cron pattern, in a time zone.
    Cron(String, Option<String>),
    /// Each time so many milliseconds have passed.
    Every(u64),
}

/// What the book says of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its fields, but for those that change by themselves.
    pub(crate) fields: BTreeMap<String, String>,
    /// Its present firing, or its last one.
    pub(crate) due_ms: u64,
    /// Which one that is.
    pub(crate) count: u64,
    /// What has become of it.
    pub(crate) firing: Present,
    /// When it was added: when the one before it started.
    pub(crate) added_ms: Option<u64>,
    /// When it started.
    pub(crate) started_ms: Option<u64>,
}

/// What has become of a schedule's present firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Present {
    /// It waits for its time.
    Delayed,
    /// It is due, or runs.
    Due,
    /// It has ended.
    Ended,
    /// There is none.
    Gone,
}

/// What became of an attempt to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is written.
    Done,
    /// Somebody else has changed the schedule since it was read.
    Changed,
    /// There is, or was, a job for that firing.
    Taken,
}

impl Plan {
    /// The fields of its entry, but for those that change by themselves.
    pub(crate) fn fields(&self) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        set("name", Some(self.kind.clone()));
        set("data", Some(self.payload.to_string()));
        let template = self.template();
        set("opts", (!template.is_empty()).then(|| Value::Object(template).to_string()));
        for (name, value) in self.repetition() {
            set(name, Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        fields
    }

    /// The job's options, in BullMQ's words.
    fn template(&self) -> Map<String, Value> {
        let numbers = [("attempts", self.attempts), ("priority", self.priority)];
        let given = numbers.into_iter().filter_map(|(name, number)| Some((name, number?)));
        given.map(|(name, number)| (name.to_owned(), number.into())).collect()
    }

    /// How it repeats, in BullMQ's words.
    fn repetition(&self) -> Vec<(&'static str, Value)> {
        let (pattern, tz, every) = match &self.timing {
            Timing::Cron(pattern, tz) => (Some(pattern.clone()), tz.clone(), None),
            Timing::Every(every) => (None, None, Some(*every)),
        };
        let all = [
            ("pattern", pattern.map(Value::from)),
            ("tz", tz.map(Value::from)),
            ("every", every.map(Value::from)),
            ("limit", self.limit.map(Value::from)),
            ("startDate", self.start.map(Value::from)),
            ("endDate", self.end.map(Value::from)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The options of the job of one firing.
    fn options(&self, due_ms: u64, count: u64, now_ms: u64) -> Value {
        let mut options = self.template();
        let mut repeat: Map<String, Value> =
            self.repetition().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        repeat.insert("count".to_owned(), count.into());
        let own = json!({
            "repeat": repeat, "repeatJobKey": self.id, "prevMillis": due_ms, "timestamp": now_ms,
            "delay": due_ms.saturating_sub(now_ms), "jobId": format!("repeat:{}:{due_ms}", self.id),
        });
        if let Value::Object(own) = own {
            options.extend(own);
        }
        Value::Object(options)
    }
}

impl Queues {
    /// The key of the list of schedules that the configuration made: name → queue.
    fn made_key(&self) -> String {
        format!("{}:roadie:schedules", self.prefix)
    }

    /// The schedules that some process' configuration made: name → queue. None: Redis knows of no such
    /// list, so it was never written, or lost.
    pub(crate) async fn made_schedules(
        &self,
    ) -> Result<Option<BTreeMap<String, String>>, QueueError> {
        let mut made: BTreeMap<String, String> = redis::cmd("HGETALL")
            .arg(self.made_key())
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("read which schedules were made"))?;
        Ok(made.remove("").map(|_| made))
    }

    /// Notes that a schedule was made, or none.
    pub(crate) async fn note_made(&self, made: Option<(&str, &str)>) -> Result<(), QueueError> {
        let mut command = redis::cmd("HSET");
        // An empty list would be none.
        command.arg(self.made_key()).arg("").arg("");
        if let Some((name, queue)) = made {
            command.arg(name).arg(queue);
        }
        command
            .exec_async(&mut self.redis())
            .await
            .map_err(QueueError::of("note that a schedule was made"))
    }

    /// Ends a schedule; a firing that is due already still runs.
    pub(crate) async fn drop_schedule(&self, queue: &str, id: &str) -> Result<bool, QueueError> {
        let handle = self.queue(queue).await?;
        self.operate("end a schedule", queue, handle.remove_job_scheduler(id)).await
    }

    /// Forgets that a schedule was made.
    pub(crate) async fn forget_made(&self, name: &str) -> Result<(), QueueError> {
        redis::cmd("HDEL")
            .arg(self.made_key())
            .arg(name)
            .exec_async(&mut self.redis())
            .await
            .map_err(QueueError::of("forget a schedule"))
    }

    /// The ids of a queue's schedules, whoever made them, the next to fire first.
    pub(crate) async fn schedules(&self, queue: &str) -> Result<Vec<String>, QueueError> {
        redis::cmd("ZRANGE")
            .arg(format!("{}:repeat", self.base(queue)))
            .arg(0)
            .arg(-1)
            .query_async(&mut self.redis())
            .await
            .map_err(QueueError::of("list schedules"))
    }

    /// What the book says of a schedule; none: it is not in it.
    pub(crate) async fn schedule(
        &self,
        queue: &str,
        id: &str,
    ) -> Result<Option<Entry>, QueueError> {
        let read = QueueError::of("read a schedule");
        let base = self.base(queue);
        let (due_ms, mut fields): (Option<f64>, BTreeMap<String, String>) = redis::pipe()
            .zscore(format!("{base}:repeat"), id)
            .hgetall(format!("{base}:repeat:{id}"))
            .query_async(&mut self.redis())
            .await
            .map_err(read)?;
        let Some(due) = due_ms else { return Ok(None) };
        // The numbers of BullMQ are those of JavaScript.
        let due = format!("{due:.0}");
        let job = format!("repeat:{id}:{due}");
        let (delayed, exists, (added_ms, started_ms, ended)): (Option<f64>, bool, Times) =
            redis::pipe()
                .zscore(format!("{base}:delayed"), &job)
                .exists(self.job_key(queue, &job))
                .hmget(self.job_key(queue, &job), &["timestamp", "processedOn", "finishedOn"])
                .query_async(&mut self.redis())
                .await
                .map_err(read)?;
        let count = fields.remove("ic").and_then(|count| count.parse().ok()).unwrap_or(1);
        fields.remove("offset");
        // One that was started and is delayed waits for its next attempt.
        let waits = delayed.is_some() && started_ms.is_none();
        let firing = match (waits, exists, ended.is_some()) {
            (true, ..) => Present::Delayed,
            (_, false, _) => Present::Gone,
            (.., true) => Present::Ended,
            _ => Present::Due,
        };
        let due_ms = due.parse().unwrap_or(0);
        Ok(Some(Entry { fields, due_ms, count, firing, added_ms, started_ms }))
    }

    /// Writes a schedule, unless it has changed since `seen` was read. `next`: its next firing, and which
    /// one that is; none: only its entry.
    pub(crate) async fn write_schedule(
        &self,
        plan: &Plan,
        seen: Option<&Entry>,
        next: Option<(u64, u64)>,
        now_ms: u64,
    ) -> Result<Written, QueueError> {
        // Boards find a queue by what opening it writes.
        self.queue(&plan.queue).await?;
        let count = next.map_or_else(|| seen.map_or(1, |seen| seen.count), |(_, count)| count);
        let options = next.map(|(due_ms, count)| plan.options(due_ms, count, now_ms));
        let mut call = SET.key(format!("{}:meta", self.base(&plan.queue)));
        call.arg(self.base(&plan.queue))
            .arg(&plan.id)
            .arg(seen.map_or_else(String::new, |seen| seen.due_ms.to_string()))
            .arg(next.map_or_else(String::new, |(due_ms, _)| due_ms.to_string()))
            .arg(options.map_or_else(String::new, |options| options.to_string()))
            .arg(&plan.kind)
            .arg(plan.payload.to_string())
            .arg(plan.priority.unwrap_or(0));
        for (name, value) in plan.fields() {
            call.arg(name).arg(value);
        }
        call.arg("ic").arg(count);
        let answer: String = call
            .invoke_async(&mut self.redis())
            .await
            .map_err(QueueError::of("write a schedule"))?;
        Ok(match answer.as_str() {
            "changed" => Written::Changed,
            "taken" => Written::Taken,
            _ => Written::Done,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_written_in_the_words_of_bullmq() {
        let plan = Plan {
            id: "roadie.nightly".to_owned(),
            queue: "q".to_owned(),
            kind: "scan".to_owned(),
            payload: json!({"a": 1}),
            timing: Timing::Cron("0 3 * * *".to_owned(), Some("Europe/Berlin".to_owned())),
            limit: Some(3),
            start: None,
            end: Some(99),
            priority: Some(2),
            attempts: None,
        };
        let fields = plan.fields();
        let told: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("data", r#"{"a":1}"#),
                ("endDate", "99"),
                ("limit", "3"),
                ("name", "scan"),
                ("opts", r#"{"priority":2}"#),
                ("pattern", "0 3 * * *"),
                ("tz", "Europe/Berlin"),
            ]
        );
        let options = plan.options(70, 2, 50);
        assert_eq!(
            options,
            json!({
                "priority": 2, "jobId": "repeat:roadie.nightly:70", "repeatJobKey": "roadie.nightly",
                "prevMillis": 70, "timestamp": 50, "delay": 20,
                "repeat": {"pattern": "0 3 * * *", "tz": "Europe/Berlin", "limit": 3, "endDate": 99, "count": 2},
            })
        );
    }
}
