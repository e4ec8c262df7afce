//! `roadie schedules`

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::table::{clip, table, time};
use super::{open_queues, say};
use crate::config::{Config, Schedule};
use crate::queue::book::{Entry, Present};
use crate::queue::{NewJob, Queues};
use crate::upkeep::schedules;

/// Show what fires by itself in all queues under redis.prefix, whoever made it: when it fires next, and
/// when it did last.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add a job of a configured schedule now, beside its firings; prints the job's id
    Run {
        /// The schedule's name in the configuration
        name: String,
    },
}

pub(super) async fn schedules(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let queues = open_queues(&config).await?;
    if let Some(Command::Run { name }) = args.command {
        say(&run(&queues, &config, &name).await?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut entries = Vec::new();
    for queue in queues.names().await? {
        for id in queues.schedules(&queue).await? {
            // One that was ended meanwhile is none.
            if let Some(entry) = queues.schedule(&queue, &id).await? {
                entries.push((queue.clone(), id, entry));
            }
        }
    }
    let missing = missing(&config, &entries);
    if args.json {
        let list: Vec<Value> =
            entries.iter().map(|(queue, id, entry)| shown(queue, id, entry)).collect();
        say(&serde_json::to_string_pretty(&list)?);
    } else if entries.is_empty() && missing.is_empty() {
        say(&format!("no schedules under prefix {}", config.redis.prefix));
    } else {
        let mut rows: Vec<Vec<String>> =
            entries.iter().map(|(queue, id, entry)| row(queue, id, entry)).collect();
        rows.extend(missing);
        let head =
            ["schedule", "queue", "kind", "when", "next (UTC)", "last (UTC)", "fired", "made by"];
        say(&table(&head, &rows));
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(queues: &Queues, config: &Config, name: &str) -> anyhow::Result<String> {
    let schedule = config.schedules.get(name).with_context(|| {
        let known: Vec<&str> = config.schedules.keys().map(String::as_str).collect();
        match known[..] {
            [] => "no schedule is configured ([schedules.<name>])".to_owned(),
            _ => format!("no schedule `{name}` is configured; there are: {}", known.join(", ")),
        }
    })?;
    let queue = queue_of(schedule).with_context(|| {
        format!("schedules.{name} names no queue, and this build knows no kind `{}`", schedule.kind)
    })?;
    let job = NewJob {
        kind: schedule.kind.clone(),
        payload: schedule.payload.clone(),
        priority: schedule.priority,
        attempts: schedule.attempts,
        ..NewJob::default()
    };
    Ok(queues.add(&queue, job).await?)
}

fn queue_of(schedule: &Schedule) -> Option<String> {
    schedule.queue(&roadie_jobs::registry()).map(str::to_owned)
}

/// Configured, and in no book yet.
fn missing(config: &Config, entries: &[(String, String, Entry)]) -> Vec<Vec<String>> {
    config
        .schedules
        .iter()
        .filter(|(name, _)| !entries.iter().any(|(_, id, _)| *id == schedules::id(name)))
        .map(|(name, schedule)| {
            vec![
                name.clone(),
                queue_of(schedule).unwrap_or_default(),
                schedule.kind.clone(),
                when(schedule.cron.as_deref(), schedule.tz.as_deref(), None),
                "when a worker of its queue starts".to_owned(),
                "-".to_owned(),
                "-".to_owned(),
                "configuration".to_owned(),
            ]
        })
        .collect()
}

/// The name that people gave it.
fn name(id: &str) -> (&str, &'static str) {
    id.strip_prefix(schedules::PREFIX).map_or((id, "producer"), |name| (name, "configuration"))
}

fn next(entry: &Entry) -> Option<u64> {
    matches!(entry.firing, Present::Delayed | Present::Due)
        .then_some(entry.due_ms)
        .filter(|_| entry.started_ms.is_none())
}

/// The next firing is added when the one before it starts.
fn last(entry: &Entry) -> Option<u64> {
    entry.started_ms.or(entry.added_ms.filter(|_| entry.count > 1))
}

/// Those that have started.
fn fired(entry: &Entry) -> u64 {
    if next(entry).is_some() { entry.count.saturating_sub(1) } else { entry.count }
}

fn field<'a>(entry: &'a Entry, name: &str) -> Option<&'a str> {
    entry.fields.get(name).map(String::as_str)
}

fn when(cron: Option<&str>, tz: Option<&str>, every: Option<&str>) -> String {
    let every = every.and_then(|ms| ms.parse().ok()).map(std::time::Duration::from_millis);
    match (cron, tz, every) {
        (Some(pattern), Some(tz), _) => format!("{pattern} {tz}"),
        (Some(pattern), None, _) => format!("{pattern} UTC"),
        (None, _, Some(every)) => format!("every {}", humantime::format_duration(every)),
        (None, ..) => "-".to_owned(),
    }
}

fn moment(ms: Option<u64>) -> String {
    ms.and_then(|ms| i64::try_from(ms).ok()).map_or_else(|| "-".to_owned(), time)
}

fn row(queue: &str, id: &str, entry: &Entry) -> Vec<String> {
    let (name, made_by) = name(id);
    let next = match (next(entry), entry.firing) {
        (Some(ms), Present::Delayed) => moment(Some(ms)),
        (Some(_), _) => "now".to_owned(),
        (None, _) => "never: at its end".to_owned(),
    };
    vec![
        clip(name, 40),
        queue.to_owned(),
        field(entry, "name").unwrap_or_default().to_owned(),
        when(field(entry, "pattern"), field(entry, "tz"), field(entry, "every")),
        next,
        moment(last(entry)),
        fired(entry).to_string(),
        made_by.to_owned(),
    ]
}

fn shown(queue: &str, id: &str, entry: &Entry) -> Value {
    let (name, made_by) = name(id);
    let number = |name: &str| field(entry, name).and_then(|text| text.parse::<u64>().ok());
    let payload = field(entry, "data").and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "schedule": name, "id": id, "queue": queue, "kind": field(entry, "name"), "payload": payload,
        "cron": field(entry, "pattern"), "tz": field(entry, "tz"), "everyMs": number("every"),
        "limit": number("limit"), "startMs": number("startDate"), "endMs": number("endDate"),
        "nextMs": next(entry), "lastMs": last(entry), "fired": fired(entry), "madeBy": made_by,
    })
}
