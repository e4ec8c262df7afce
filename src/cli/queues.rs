//! `roadie queues`

use std::process::ExitCode;

use super::table::{age, table};
use super::{open_queues, say};
use crate::config::Config;
use crate::queue::STATES;

/// Show all queues under redis.prefix: jobs by state, and how long the oldest job that could run
/// has waited.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) async fn queues(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let queues = open_queues(&config).await?;
    let now = roadie_jobs::effects::Clock::System.now_ms();
    let mut depths = Vec::new();
    for name in queues.names().await? {
        let depth = queues.depth(&name, now).await?;
        depths.push((name, depth));
    }
    if args.json {
        let list: Vec<_> = depths
            .iter()
            .map(|(name, depth)| {
                let jobs: serde_json::Map<_, _> = STATES
                    .iter()
                    .zip(depth.jobs)
                    .map(|(state, jobs)| ((*state).to_owned(), jobs.into()))
                    .collect();
                serde_json::json!({
                    "queue": name, "jobs": jobs, "oldestAgeMs": depth.oldest_age_ms,
                    "paused": depth.paused,
                })
            })
            .collect();
        say(&serde_json::to_string_pretty(&list)?);
        return Ok(ExitCode::SUCCESS);
    }
    if depths.is_empty() {
        say(&format!("no queues under prefix {}", config.redis.prefix));
        return Ok(ExitCode::SUCCESS);
    }
    let shown = ["waiting", "active", "delayed", "prioritized", "completed", "failed"];
    let head = [&["queue"], shown.as_slice(), &["oldest", "state"]].concat();
    let rows: Vec<Vec<String>> = depths
        .iter()
        .map(|(name, depth)| {
            let mut row = vec![name.clone()];
            row.extend(shown.iter().map(|state| depth.of(state).to_string()));
            row.push(age(depth.oldest_age_ms));
            row.push(if depth.paused { "paused" } else { "open" }.to_owned());
            row
        })
        .collect();
    say(&table(&head, &rows));
    Ok(ExitCode::SUCCESS)
}
