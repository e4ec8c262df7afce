//! `roadie jobs`

use std::process::ExitCode;

use roadie_jobs::effects::catalogue::Catalogue;
use serde_json::{Value, json};

use super::table::{age, clip, plain, table, time};
use super::{complain, open_queues, operator, say};
use crate::config::Config;
use crate::daemon::catalogue_options;
use crate::outcome::cancel::{self, Cancelled};
use crate::queue::cancel::Wish;
use crate::queue::{Queues, state_name};

const CANCEL: &str = "\
A job that runs is asked to stop wherever it runs, and cut off if it does not; one that waits ends at once.
Either becomes a dead letter with the reason `cancelled`. Exit code 1 if a job had ended already or is not
there.
Example:
  roadie jobs cancel photo-processing 42 43 --reason 'wrong folder'";

/// Look at single jobs, and cancel them.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the jobs of a queue that are in one state, oldest first
    List {
        /// The queue
        queue: String,
        /// waiting, active, delayed, prioritized, completed, failed or waiting-children
        #[arg(long, default_value = "waiting", value_parser = ["waiting", "active", "delayed", "prioritized", "completed", "failed", "waiting-children", "paused"])]
        state: String,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Show all that is known of one job, as JSON
    Show {
        /// The queue
        queue: String,
        /// The job's id
        id: String,
    },
    /// End jobs, wherever they are
    #[command(after_help = CANCEL)]
    Cancel {
        /// The queue
        queue: String,
        /// The jobs' ids
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why, for those who wonder
        #[arg(long, default_value = "")]
        reason: String,
        /// Who cancels; by default user@host
        #[arg(long, value_parser = operator::named)]
        by: Option<String>,
    },
}

pub(super) async fn jobs(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    let queues = open_queues(&config).await?;
    match command {
        Command::List { queue, state, limit } => {
            let now = roadie_jobs::effects::Clock::System.now_ms();
            let wire = if state == "waiting" { "wait" } else { &state };
            let jobs = queues.jobs(&queue, wire, limit).await?;
            let rows: Vec<Vec<String>> = jobs
                .iter()
                .map(|job| {
                    let added = i64::try_from(job.timestamp()).unwrap_or(i64::MAX);
                    vec![
                        job.id().to_owned(),
                        job.name().to_owned(),
                        job.priority().to_string(),
                        job.attempts_made().to_string(),
                        age(u64::try_from(now.saturating_sub(added)).unwrap_or(0)),
                        clip(&job.data().to_string(), 60),
                        clip(job.failed_reason(), 60),
                    ]
                })
                .collect();
            if rows.is_empty() {
                say(&format!("no {state} jobs in {queue}"));
            } else {
                say(&table(
                    &["id", "kind", "priority", "attempts", "age", "payload", "error"],
                    &rows,
                ));
            }
        }
        Command::Show { queue, id } => {
            let (job, state) = queues.job(&queue, &id).await?;
            let moment = |ms: u64| time(i64::try_from(ms).unwrap_or(i64::MAX));
            let returned: Value = serde_json::from_str(job.returnvalue())
                .unwrap_or_else(|_| json!(job.returnvalue()));
            let shown = json!({
                "queue": queue,
                "id": job.id(),
                "kind": job.name(),
                "state": state_name(state),
                "payload": job.data(),
                "options": job.opts(),
                "progress": job.progress(),
                "attemptsMade": job.attempts_made(),
                "attemptsStarted": job.attempts_started(),
                "addedAt": moment(job.timestamp()),
                "processedAt": job.processed_on().map(moment),
                "finishedAt": job.finished_on().map(moment),
                "processedBy": job.processed_by(),
                "failedReason": job.failed_reason(),
                "returnValue": returned,
                "checkpoint": queues.checkpoint(&queue, &id).await?,
            });
            say(&serde_json::to_string_pretty(&shown)?);
        }
        Command::Cancel { queue, ids, reason, by } => {
            let wish = Wish::new(by.unwrap_or_else(operator::name), reason);
            return cancel(&queues, &config, &queue, &ids, &wish).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn cancel(
    queues: &Queues,
    config: &Config,
    queue: &str,
    ids: &[String],
    wish: &Wish,
) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::connect(catalogue_options(config)).await?;
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        match cancel::cancel(queues, &catalogue, queue, id, wish).await? {
            Cancelled::Asked => say(&plain(&format!("{id}: runs, was asked to stop"))),
            Cancelled::Ended => say(&plain(&format!("{id}: cancelled before it ran"))),
            Cancelled::Already(state) => {
                complain(&plain(&format!("job {id} of queue {queue} had {state} already")));
                code = ExitCode::FAILURE;
            }
            Cancelled::Missing => {
                complain(&plain(&format!("queue {queue} has no job {id}")));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
