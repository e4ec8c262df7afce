//! `roadie queues`

use std::process::ExitCode;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};

use super::table::{age, clip, plain, table, time};
use super::{complain, open_queues, operator, say};
use crate::config::Config;
use crate::queue::pause::{Pause, PauseEnd};
use crate::queue::{Depth, QueueError, Queues, STATES};

/// Show all queues under redis.prefix: jobs by state, how long the oldest job that could run has
/// waited, and who has paused them; or pause and resume one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

const PAUSE: &str = "\
Several owners may pause a queue; it goes on when the last pause is lifted or over. Jobs that run go on.
Workers of every kind heed it. A BullMQ client's `queue.resume()` lifts all pauses.
Examples:
  roadie queues pause photo-processing --reason 'the object store is moving' --for 2h
  roadie queues pause exports --reason 'schema change' --until 2026-11-21T06:00:00+01:00 --by deploys";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Start no jobs of a queue, whoever works on it, until the pause is over or lifted
    #[command(after_help = PAUSE)]
    Pause {
        /// The queue
        queue: String,
        /// Why, for those who wonder
        #[arg(long)]
        reason: String,
        /// How long, e.g. 30m or 2h; without an end: until somebody resumes the queue
        #[arg(long = "for", value_parser = humantime::parse_duration, conflicts_with = "until")]
        length: Option<Duration>,
        /// Until when, e.g. 2026-11-21T06:00:00Z, or '2026-11-21 06:00' (UTC)
        #[arg(long, value_parser = moment)]
        until: Option<u64>,
        /// Who pauses it; by default user@host
        #[arg(long, value_parser = operator::named)]
        by: Option<String>,
    },
    /// Lift one's own pause of a queue, somebody else's, or all
    Resume {
        /// The queue
        queue: String,
        /// Whose pause; by default that of user@host
        #[arg(long, value_parser = operator::named)]
        by: Option<String>,
        /// All pauses, also those of other clients
        #[arg(long, conflicts_with = "by")]
        all: bool,
    },
}

/// Unix milliseconds of RFC 3339, or of date and time in UTC.
fn moment(text: &str) -> Result<u64, String> {
    let bare = |format| NaiveDateTime::parse_from_str(text, format).map(|time| time.and_utc());
    let time = DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .or_else(|_| bare("%Y-%m-%d %H:%M:%S"))
        .or_else(|_| bare("%Y-%m-%d %H:%M"));
    time.ok().and_then(|time| u64::try_from(time.timestamp_millis()).ok()).ok_or_else(|| {
        format!("`{text}` is no time; write 2026-11-21T06:00:00Z, or '2026-11-21 06:00' for UTC")
    })
}

pub(super) async fn queues(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let queues = open_queues(&config).await?;
    if let Some(Command::Pause { queue, .. } | Command::Resume { queue, .. }) = &args.command
        && !config.queues.contains_key(queue)
        && !is_served(&queues, queue).await?
    {
        // A slip of the pen must not look like a pause.
        queues.must_exist(queue).await?;
    }
    match args.command {
        None => list(&queues, args.json, &config.redis.prefix).await,
        Some(Command::Pause { queue, reason, length, until, by }) => {
            let by = by.unwrap_or_else(operator::name);
            let end = match (length, until) {
                (Some(length), _) => PauseEnd::After(length),
                (None, Some(moment)) => PauseEnd::At(moment),
                (None, None) => PauseEnd::Lifted,
            };
            let pauses = queues.pause(&queue, &by, &reason, end).await?;
            show(&queue, &pauses, args.json)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Resume { queue, by, all }) => {
            let by = by.unwrap_or_else(operator::name);
            let resumed = if all {
                queues.resume_all(&queue, &by).await?
            } else {
                queues.resume(&queue, &by).await?
            };
            show(&queue, &resumed.left, args.json)?;
            if resumed.lifted || resumed.left.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            complain(&format!(
                "{} has not paused {queue}; lift a pause of somebody else with --by, or all with --all",
                plain(&by)
            ));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Whether some process serves it: nobody may have added to it yet.
async fn is_served(queues: &Queues, queue: &str) -> Result<bool, QueueError> {
    let workers = queues.workers().await?;
    Ok(workers.iter().flat_map(|worker| &worker.card.queues).any(|served| served.queue == queue))
}

/// The pauses of one queue.
fn show(queue: &str, pauses: &[Pause], json: bool) -> anyhow::Result<()> {
    if json {
        say(&serde_json::to_string_pretty(pauses)?);
    } else if pauses.is_empty() {
        say(&plain(&format!("{queue} is open")));
    } else {
        say(&table(&PAUSES, &rows(queue, pauses)));
    }
    Ok(())
}

const PAUSES: [&str; 5] = ["paused", "by", "since (UTC)", "until (UTC)", "reason"];

fn rows(queue: &str, pauses: &[Pause]) -> Vec<Vec<String>> {
    let moment = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), time);
    let row = |pause: &Pause| {
        let unknown = || "unknown (another client)".to_owned();
        vec![
            queue.to_owned(),
            pause.owner.clone().unwrap_or_else(unknown),
            moment(pause.since),
            moment(pause.until),
            clip(&pause.reason, 90),
        ]
    };
    pauses.iter().map(row).collect()
}

/// A queue as it is listed.
struct Listed {
    name: String,
    depth: Depth,
    pauses: Vec<Pause>,
}

async fn list(queues: &Queues, json: bool, prefix: &str) -> anyhow::Result<ExitCode> {
    let now = roadie_jobs::effects::Clock::System.now_ms();
    let mut listed = Vec::new();
    for name in queues.names().await? {
        // In this order: one that is over is lifted first.
        let pauses = queues.pauses(&name).await?;
        let depth = queues.depth(&name, now).await?;
        listed.push(Listed { name, depth, pauses });
    }
    if json {
        let list: Vec<_> = listed.iter().map(as_json).collect();
        say(&serde_json::to_string_pretty(&list)?);
        return Ok(ExitCode::SUCCESS);
    }
    if listed.is_empty() {
        say(&format!("no queues under prefix {prefix}"));
        return Ok(ExitCode::SUCCESS);
    }
    let shown = ["waiting", "active", "delayed", "prioritized", "completed", "failed"];
    let head = [&["queue"], shown.as_slice(), &["oldest", "state"]].concat();
    let depths: Vec<Vec<String>> = listed
        .iter()
        .map(|Listed { name, depth, .. }| {
            let mut row = vec![name.clone()];
            row.extend(shown.iter().map(|state| depth.of(state).to_string()));
            row.push(age(depth.oldest_age_ms));
            row.push(if depth.paused { "paused" } else { "open" }.to_owned());
            row
        })
        .collect();
    say(&table(&head, &depths));
    let paused: Vec<Vec<String>> =
        listed.iter().flat_map(|queue| rows(&queue.name, &queue.pauses)).collect();
    if !paused.is_empty() {
        say(&format!("\n{}", table(&PAUSES, &paused)));
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(Listed { name, depth, pauses }: &Listed) -> serde_json::Value {
    let jobs: serde_json::Map<_, _> = STATES
        .iter()
        .zip(depth.jobs)
        .map(|(state, jobs)| ((*state).to_owned(), jobs.into()))
        .collect();
    serde_json::json!({
        "queue": name, "jobs": jobs, "oldestAgeMs": depth.oldest_age_ms,
        "paused": depth.paused, "pauses": pauses,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_and_without_a_zone() {
        for (text, ms) in [
            ("1970-01-01T01:00:01+01:00", Some(1_000)),
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-01 00:01", Some(60_000)),
            ("1970-01-01 00:00:02", Some(2_000)),
            ("tomorrow", None),
        ] {
            assert_eq!(moment(text).ok(), ms, "{text}");
        }
    }
}
