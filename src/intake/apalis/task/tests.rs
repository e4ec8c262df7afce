//! Tasks, and the jobs that they become.

use serde_json::json;

use super::*;

const NOW: u64 = 1_800_000_000_500;

fn task(due: Option<f64>, args: &[u8], meta: &[(&str, &str)]) -> Task {
    // As apalis-redis writes every task.
    let own =
        [("attempts", "0"), ("max_attempts", "25"), ("status", "Pending"), ("idempotency_key", "")];
    let pairs = own.iter().chain(meta).map(|&(field, value)| (field.to_owned(), value.to_owned()));
    Task { id: b"01J9".to_vec(), due, args: Some(args.to_vec()), meta: pairs.collect() }
}

fn options(task: Task) -> (Value, Vec<&'static str>) {
    let (job, ignored) = job_of("scans", 2_000, task, NOW);
    (serde_json::from_str(&job.options).unwrap(), ignored)
}

#[test]
fn a_plain_task_is_a_plain_job() {
    let (job, ignored) =
        job_of("scans", 2_000, task(Some(1_800_000_000.0), br#"{"userId":7}"#, &[]), NOW);
    assert!(ignored.is_empty());
    let expected = TaskJob {
        task: b"01J9".to_vec(),
        id: "scans.01J9".to_owned(),
        payload: Some(r#"{"userId":7}"#.to_owned()),
        options: r#"{"jobId":"scans.01J9"}"#.to_owned(),
        priority: 0,
        added_ms: 1_800_000_000_000,
        due_ms: 1_800_000_000_000,
        attempts_made: 0,
        completed_when_gone: false,
    };
    assert_eq!(job, expected);
}

#[test]
fn a_job_is_due_when_its_task_is() {
    let far = LATEST_MS;
    for (due, added_ms, due_ms, delay) in [
        // What apalis' workers gave back has no time of its own.
        (None, NOW, NOW, None),
        (Some(1_800_000_000.0), NOW - 500, NOW - 500, None),
        (Some(1_800_000_010.0), NOW, NOW + 9_500, Some(9_500)),
        (Some(-5.0), 0, 0, None),
        (Some(f64::NAN), 0, 0, None),
        (Some(1.8e19), NOW, far, Some(far - NOW)),
        (Some(f64::INFINITY), NOW, far, Some(far - NOW)),
    ] {
        let (job, _) = job_of("scans", 2_000, task(due, b"{}", &[]), NOW);
        assert_eq!((job.added_ms, job.due_ms), (added_ms, due_ms), "{due:?}");
        let options: Value = serde_json::from_str(&job.options).unwrap();
        assert_eq!(options.get("delay").and_then(Value::as_u64), delay, "{due:?}");
    }
}

#[test]
fn metadata_named_like_options_of_bullmq_are_options() {
    for (field, value, expected) in [
        (
            "max_attempts",
            "7",
            json!({
                "attempts": 7,
                "backoff": { "type": "exponential", "delay": 2_000, "jitter": 1.0 },
            }),
        ),
        // What apalis-redis writes when nobody said anything.
        ("max_attempts", "25", json!({})),
        ("max_attempts", "0", json!({})),
        ("max_attempts", "many", json!({})),
        ("priority", "5", json!({ "priority": 5 })),
        ("removeOnComplete", "true", json!({ "removeOnComplete": true })),
        ("removeOnComplete", "100", json!({ "removeOnComplete": 100 })),
        ("removeOnFail", r#"{"age":3600}"#, json!({ "removeOnFail": { "age": 3600 } })),
        ("backoff", "250", json!({ "backoff": 250 })),
        (
            "backoff",
            r#"{"type":"exponential","delay":100,"jitter":0.5}"#,
            json!({ "backoff": { "type": "exponential", "delay": 100, "jitter": 0.5 } }),
        ),
        ("request", "r-1", json!({})),
    ] {
        let (mut options, ignored) = options(task(None, b"{}", &[(field, value)]));
        options.as_object_mut().unwrap().remove("jobId");
        assert_eq!((options, ignored.as_slice()), (expected, [].as_slice()), "{field}={value}");
    }
}

#[test]
fn metadata_that_is_no_option_is_named_and_ignored() {
    for (field, value) in [
        ("priority", "urgent"),
        ("priority", "-1"),
        ("priority", "2097152"),
        ("removeOnComplete", "soon"),
        ("removeOnFail", "-3"),
        ("backoff", r#"{"type":"random","delay":1}"#),
        ("backoff", r#"{"type":"fixed"}"#),
    ] {
        let (options, ignored) = options(task(None, b"{}", &[(field, value)]));
        assert_eq!(options, json!({ "jobId": "scans.01J9" }), "{field}={value}");
        assert_eq!(ignored, [field]);
    }
}

#[test]
fn a_job_belongs_to_the_trace_of_its_producer() {
    for (field, value, parent) in [
        ("traceparent", "00-aa-bb-01", "00-aa-bb-01"),
        ("apalis_core.tracing.context", "aa;bb;1;congo=t61", "00-aa-bb-01"),
        ("apalis_core.tracing.context", "aa;bb;-;-", "00-aa-bb-00"),
    ] {
        let (options, _) = options(task(None, b"{}", &[(field, value)]));
        let carrier = json!({ "traceparent": parent }).to_string();
        assert_eq!(options["tm"], Value::String(carrier), "{field}={value}");
    }
    let (options, _) = options(task(None, b"{}", &[("apalis_core.tracing.context", "-")]));
    assert_eq!(options.get("tm"), None);
}

#[test]
fn attempts_of_apalis_own_workers_count() {
    for (attempts, made) in [("0", 0), ("3", 3), ("x", 0)] {
        let (job, _) = job_of("scans", 2_000, task(None, b"{}", &[("attempts", attempts)]), NOW);
        assert_eq!(job.attempts_made, made);
    }
}

#[test]
fn every_task_has_a_job_id_of_its_own() {
    let id = |task: &[u8]| job_id("scans", task);
    for (task, expected) in [
        (b"42".as_slice(), "scans.42"),
        (b"user:7/scan", "scans.user%3A7/scan"),
        (b"100%", "scans.100%25"),
        (b"", "scans."),
        ("ü".as_bytes(), "scans.%C3%BC"),
        (b"\xff\n", "scans.%FF%0A"),
    ] {
        assert_eq!(id(task), expected);
    }
    let (long, longer) = (id(&[b'a'; 500]), id(&[b'a'; 501]));
    assert!(long.len() <= MAX_ID && long.starts_with("scans.sha256-"), "{long}");
    assert_ne!(long, longer);
}

#[test]
fn what_is_not_json_becomes_a_text_that_is_no_payload() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for (args, expected) in [
        (br#"{ "a": 1 }"#.as_slice(), r#"{ "a": 1 }"#),
        (b"7", "7"),
        (b"", r#""""#),
        (b"{\"a\":", r#""{\"a\":""#),
        // MessagePack of {"a": 1}.
        (b"\x81\xa1a\x01", r#""data:application/octet-stream,%81%A1a%01""#),
        (deep.as_bytes(), &format!("\"{deep}\"")),
    ] {
        assert_eq!(payload(args.to_vec()), expected);
    }
}

#[test]
fn a_job_that_was_to_be_removed_when_completed_was_completed_when_it_is_gone() {
    for (meta, completed) in [
        (vec![], false),
        (vec![("removeOnComplete", "true")], true),
        (vec![("removeOnComplete", "10")], true),
        (vec![("removeOnComplete", "false")], false),
        (vec![("removeOnComplete", "true"), ("removeOnFail", "true")], false),
    ] {
        let (job, _) = job_of("scans", 2_000, task(None, b"{}", &meta), NOW);
        assert_eq!(job.completed_when_gone, completed, "{meta:?}");
    }
}
