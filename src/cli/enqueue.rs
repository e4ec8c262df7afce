//! `roadie enqueue`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::{complain, open_queues, say, watch};
use crate::config::Config;
use crate::queue::NewJob;
use crate::queue::options::{JobId, Priority};

const EXAMPLES: &str = "\
Examples:
  roadie enqueue photo-processing scan-folder '{\"userId\":7,\"path\":\"/srv/photos\"}' --watch
  roadie enqueue photo-processing scan-s3 '{\"userId\":7,\"bucket\":\"photos\",\"prefix\":\"2019/\"}' \\
         --priority low --delay 10m --job-id nightly-7";

/// Put a job into a queue; prints its id.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The queue
    queue: String,
    /// The kind: the BullMQ job name
    kind: String,
    /// The payload, as JSON
    payload: String,
    /// high, normal, low, or BullMQ's number (1 is first; without a priority a job is before all numbers)
    #[arg(long)]
    priority: Option<Priority>,
    /// Not before this has passed, e.g. 30s or 2h
    #[arg(long, value_parser = humantime::parse_duration)]
    delay: Option<Duration>,
    /// Attempts, instead of what the kind declares
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: Option<u32>,
    /// Own id: adding it twice adds it once
    #[arg(long)]
    job_id: Option<JobId>,
    /// Stay until the job has ended; exit code 0 when it completed, 1 when it failed
    #[arg(long)]
    watch: bool,
}

pub(super) async fn enqueue(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let payload: Value = serde_json::from_str(&args.payload)
        .with_context(|| format!("the payload is not JSON: {}", args.payload))?;
    // The worker may know more than this build, so these are no errors.
    match roadie_jobs::registry().get(&args.kind) {
        None => complain(&format!("note: this build knows no kind `{}`", args.kind)),
        Some(entry) => {
            if let Err(error) = entry.check(&payload) {
                complain(&format!("note: this will become a dead letter: {error}"));
            }
        }
    }
    let queues = open_queues(&config).await?;
    let job = NewJob {
        kind: args.kind,
        payload,
        id: args.job_id.map(JobId::into_inner),
        priority: args.priority.map(Priority::get),
        delay: args.delay,
        attempts: args.attempts,
        ..NewJob::default()
    };
    let id = queues.add(&args.queue, job).await?;
    say(&id);
    if !args.watch {
        return Ok(ExitCode::SUCCESS);
    }
    if !config.queues.contains_key(&args.queue) {
        complain(&format!(
            "note: queue {} is not in this configuration; does a worker serve it?",
            args.queue
        ));
    }
    let ended = watch::until_end(&queues, &args.queue, &id).await?;
    if ended.completed {
        say(&format!("completed: {}", ended.value));
    }
    Ok(ExitCode::from(u8::from(!ended.completed)))
}
