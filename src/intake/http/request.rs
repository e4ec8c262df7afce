//! Jobs as they are sent, and what is wrong with them.

use std::time::Duration;

use roadie_jobs::Registry;
use roadie_jobs::registry::pointer;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::problem::Fault;
use crate::queue::NewJob;
use crate::queue::options::{
    Backoff, Deduplication, JobId, Keep, MAX_COUNT, MAX_DELAY, Priority, Whole,
};

/// Jobs of one batch at most.
pub(super) const MAX_JOBS: usize = 1_000;

/// A job to add.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewJob")]
pub(super) struct JobRequest {
    /// What is to be done: the BullMQ job name.
    kind: String,
    /// What the kind's handler needs.
    payload: Value,
    /// An id of one's own: adding it twice adds it once.
    job_id: Option<JobId>,
    priority: Option<Priority>,
    /// Not before so many ms have passed.
    delay: Option<Whole<0, MAX_DELAY>>,
    /// Attempts before it is given up on; without it, what the kind declares.
    attempts: Option<Whole<1, MAX_COUNT>>,
    backoff: Option<Backoff>,
    /// Before the others that wait.
    lifo: Option<bool>,
    remove_on_complete: Option<Keep>,
    remove_on_fail: Option<Keep>,
    deduplication: Option<Deduplication>,
}

impl From<JobRequest> for NewJob {
    fn from(sent: JobRequest) -> Self {
        Self {
            kind: sent.kind,
            payload: sent.payload,
            id: sent.job_id.map(JobId::into_inner),
            priority: sent.priority.map(Priority::get),
            delay: sent.delay.map(|ms| Duration::from_millis(ms.get())),
            attempts: sent.attempts.and_then(|attempts| u32::try_from(attempts.get()).ok()),
            backoff: sent.backoff,
            lifo: sent.lifo.unwrap_or(false),
            remove_on_complete: sent.remove_on_complete,
            remove_on_fail: sent.remove_on_fail,
            deduplication: sent.deduplication,
            ..Self::default()
        }
    }
}

/// What a body asks for; what is wrong with a job is that job's own affair.
#[derive(Debug)]
pub(super) enum Asked {
    /// One job.
    One(Box<Result<NewJob, Fault>>),
    /// Many.
    Batch(Vec<Result<NewJob, Fault>>),
}

/// What jobs are held against, and what they are given on their way.
#[derive(Debug)]
pub(super) struct Doorkeeper<'a> {
    pub(super) registry: &'a Registry,
    pub(super) telemetry: Option<String>,
}

impl Doorkeeper<'_> {
    /// Reads a job, or `{"jobs": […]}`. The error is one of the body as a whole.
    pub(super) fn read(&self, mut body: Value) -> Result<Asked, Fault> {
        as_javascript_writes(&mut body);
        let fault = |pointer: String, detail: String| Fault { index: None, pointer, detail };
        let Value::Object(mut members) = body else {
            let shapes =
                "a job, {\"kind\": …, \"payload\": …}, or a batch of jobs, {\"jobs\": […]}";
            return Err(fault(String::new(), format!("expected {shapes}")));
        };
        let Some(jobs) = members.remove("jobs") else {
            return Ok(Asked::One(Box::new(self.job(Value::Object(members), None))));
        };
        if let Some(stranger) = members.keys().next() {
            let pointer = format!("/{}", stranger.replace('~', "~0").replace('/', "~1"));
            return Err(fault(pointer, format!("a batch has only `jobs`, and no `{stranger}`")));
        }
        match jobs {
            Value::Array(jobs) if (1..=MAX_JOBS).contains(&jobs.len()) => {
                let jobs = jobs.into_iter().enumerate();
                Ok(Asked::Batch(jobs.map(|(index, sent)| self.job(sent, Some(index))).collect()))
            }
            Value::Array(jobs) => {
                let detail = format!("a batch has 1 to {MAX_JOBS} jobs, not {}", jobs.len());
                Err(fault("/jobs".to_owned(), detail))
            }
            _ => Err(fault("/jobs".to_owned(), "expected an array of jobs".to_owned())),
        }
    }

    fn job(&self, sent: Value, index: Option<usize>) -> Result<NewJob, Fault> {
        let fault = |pointer: &str, detail: String| {
            let place = index.map_or_else(String::new, |index| format!("/jobs/{index}"));
            Fault { index, pointer: format!("{place}{pointer}"), detail }
        };
        let sent: JobRequest = serde_path_to_error::deserialize(sent)
            .map_err(|error| fault(&pointer(&error), error.inner().to_string()))?;
        let Some(entry) = self.registry.get(&sent.kind) else {
            let known: Vec<&str> = self.registry.entries().map(|entry| entry.kind).collect();
            let detail =
                format!("there is no kind `{}`; there are: {}", sent.kind, known.join(", "));
            return Err(fault("/kind", detail));
        };
        entry
            .check(&sent.payload)
            .map_err(|error| fault(&format!("/payload{}", error.pointer()), error.to_string()))?;
        Ok(NewJob { telemetry: self.telemetry.clone(), ..sent.into() })
    }
}

/// JSON knows no difference between 5 and 5.0, and neither do BullMQ's producers; serde does.
fn as_javascript_writes(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            // Beyond 2^53 a float stands for several whole numbers.
            let exact = float.filter(|float| float.fract() == 0.0 && float.abs() < 2_f64.powi(53));
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
            if let Some(whole) = exact.map(|float| float as i64) {
                *number = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(as_javascript_writes),
        Value::Object(members) => members.values_mut().for_each(as_javascript_writes),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Asked, Fault> {
        Doorkeeper { registry: &roadie_jobs::registry(), telemetry: None }.read(body)
    }

    fn fault(body: Value) -> Fault {
        match read(body) {
            Ok(Asked::One(job)) => job.unwrap_err(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_option_is_taken() {
        let body = json!({
            "kind": "scan-folder", "payload": { "userId": 7, "path": "/srv" }, "jobId": "nightly-7",
            "priority": "low", "delay": 60000, "attempts": 5, "backoff": { "type": "fixed", "delay": 9 },
            "lifo": true, "removeOnComplete": { "age": 60 }, "removeOnFail": 5,
            "deduplication": { "id": "scan-7", "ttl": 1000 },
        });
        let Ok(Asked::One(job)) = read(body) else { panic!() };
        let job = job.unwrap();
        assert_eq!(job.kind, "scan-folder");
        assert_eq!((job.id.as_deref(), job.priority), (Some("nightly-7"), Some(100)));
        assert_eq!((job.delay, job.attempts), (Some(Duration::from_mins(1)), Some(5)));
        assert!(job.lifo && job.backoff.is_some() && job.deduplication.is_some());
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        let written = |text: &str| {
            let mut value = serde_json::from_str(text).unwrap();
            as_javascript_writes(&mut value);
            value.to_string()
        };
        assert_eq!(written("[5.0, {\"a\": -0.0}, 1e15]"), "[5,{\"a\":0},1000000000000000]");
        assert_eq!(
            written("[5.5, 1e300, -9223372036854775809, \"5.0\"]"),
            "[5.5,1e+300,-9.223372036854776e+18,\"5.0\"]"
        );
        let body =
            json!({ "kind": "scan-s3", "payload": { "userId": 7.0, "bucket": "a" }, "delay": 5.0 });
        let Ok(Asked::One(job)) = read(body) else { panic!() };
        assert_eq!(job.unwrap().delay, Some(Duration::from_millis(5)));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let payload = json!({ "userId": 7, "path": "/srv" });
        for (body, pointer, named) in [
            (json!({ "payload": payload }), "/kind", "missing field `kind`"),
            (json!({ "kind": "scan-folder" }), "/payload", "missing field `payload`"),
            (json!({ "kind": "x", "payload": {} }), "/kind", "there is no kind `x`; there are: "),
            (
                json!({ "kind": "scan-folder", "payload": { "path": "/srv" } }),
                "/payload/userId",
                "missing field `userId`",
            ),
            (
                json!({ "kind": "scan-folder", "payload": { "userId": "7", "path": "/srv" } }),
                "/payload/userId",
                "invalid type: string \"7\", expected i64",
            ),
            (json!({ "kind": "scan-folder", "payload": 7 }), "/payload", "must be a JSON object"),
            (
                json!({ "kind": "scan-folder", "payload": payload, "prioritty": 1 }),
                "/prioritty",
                "unknown field `prioritty`",
            ),
            (
                json!({ "kind": "scan-folder", "payload": payload, "priority": "urgent" }),
                "/priority",
                "expected high, normal, low",
            ),
            (
                json!({ "kind": "scan-folder", "payload": payload, "attempts": 0 }),
                "/attempts",
                "a whole number from 1 to",
            ),
            (
                json!({ "kind": "scan-folder", "payload": payload, "jobId": "42" }),
                "/jobId",
                "`42` cannot be an id",
            ),
            (
                json!({ "kind": "scan-folder", "payload": payload, "deduplication": { "ttl": 5 } }),
                "/deduplication/id",
                "missing field `id`",
            ),
        ] {
            let fault = fault(body);
            assert_eq!(fault.pointer, pointer, "{fault:?}");
            assert!(fault.detail.contains(named), "{fault:?}");
        }
    }

    #[test]
    fn a_batch_is_a_list_of_jobs_that_stand_for_themselves() {
        let good = json!({ "kind": "scan-s3", "payload": { "userId": 7, "bucket": "photos" } });
        let bad = json!({ "kind": "scan-s3", "payload": { "userId": 7 } });
        let Ok(Asked::Batch(jobs)) = read(json!({ "jobs": [good, bad, 5] })) else { panic!() };
        assert!(jobs[0].is_ok());
        let faults: Vec<&Fault> = jobs.iter().filter_map(|job| job.as_ref().err()).collect();
        assert_eq!(
            (faults[0].index, faults[0].pointer.as_str()),
            (Some(1), "/jobs/1/payload/bucket")
        );
        assert_eq!((faults[1].index, faults[1].pointer.as_str()), (Some(2), "/jobs/2"));
        for (body, pointer) in [
            (json!([good]), ""),
            (json!("x"), ""),
            (json!({ "jobs": good }), "/jobs"),
            (json!({ "jobs": [] }), "/jobs"),
            (json!({ "jobs": vec![good.clone(); 1_001] }), "/jobs"),
            (json!({ "jobs": [good], "a/b": 1 }), "/a~1b"),
        ] {
            assert_eq!(read(body).unwrap_err().pointer, pointer);
        }
        assert!(read(json!({ "jobs": vec![good; 1_000] })).is_ok());
    }
}
