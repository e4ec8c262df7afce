//! `roadie workers`

use std::process::ExitCode;

use super::table::{age, table, time};
use super::{open_queues, say};
use crate::config::Config;
use crate::queue::roster::Present;

/// Show the processes that serve queues under redis.prefix: where they run, what they have in hand, and
/// when they were last heard of. One that dies is shown for 15 seconds.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) async fn workers(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let workers = open_queues(&config).await?.workers().await?;
    if args.json {
        say(&serde_json::to_string_pretty(&workers)?);
    } else if workers.is_empty() {
        say(&format!("no worker serves a queue under prefix {}", config.redis.prefix));
    } else {
        let rows: Vec<Vec<String>> = workers.iter().map(row).collect();
        let head =
            ["name", "host", "pid", "version", "started (UTC)", "heartbeat", "state", "jobs/slots"];
        say(&table(&head, &rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(Present { card, heartbeat_age_ms }: &Present) -> Vec<String> {
    let queues: Vec<String> = card
        .queues
        .iter()
        .map(|served| format!("{} {}/{}", served.queue, served.jobs, served.slots))
        .collect();
    vec![
        card.name.clone(),
        card.host.clone(),
        card.pid.to_string(),
        card.version.clone(),
        time(card.started_at),
        age(*heartbeat_age_ms),
        if card.draining { "draining" } else { "serving" }.to_owned(),
        queues.join(", "),
    ]
}
