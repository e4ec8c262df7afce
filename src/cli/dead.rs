//! `roadie dead`

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use roadie_jobs::effects::Clock;
use roadie_jobs::effects::catalogue::{Catalogue, DeadLetter, DeadLetterFilter, DeadReason};

use super::table::{clip, plain, table, time};
use super::{open_queues, say};
use crate::config::Config;
use crate::daemon::catalogue_options;
use crate::queue::{NewJob, QueueError, Queues};

/// Look at jobs that were given up on, and retry them.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List dead letters, the latest first
    List {
        /// Only of this queue
        #[arg(long)]
        queue: Option<String>,
        /// Only of this kind
        #[arg(long)]
        kind: Option<String>,
        /// Only with this reason: exhausted, discarded, crash-loop, timeout, undecodable, cancelled, panic
        #[arg(long, value_parser = reason)]
        reason: Option<DeadReason>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// One row for each cause instead of one for each job
        #[arg(long)]
        group: bool,
        /// Also those that were retried since
        #[arg(long)]
        all: bool,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of one dead letter, as JSON
    Show {
        /// Its id, or the first digits of it
        id: String,
    },
    /// Put dead letters back into their queues, with all their attempts and their checkpoints.
    ///
    /// A job that its queue has dropped meanwhile (removeOnFail) is added again with its payload
    /// alone: without its options (priority, backoff, ...) and from the start, not its checkpoint.
    Retry {
        /// Ids, or their first digits
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

fn reason(word: &str) -> Result<DeadReason, String> {
    DeadReason::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or_else(|| {
        let known: Vec<&str> = DeadReason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("there are: {}", known.join(", "))
    })
}

pub(super) async fn dead(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::connect(catalogue_options(&config)).await?;
    match command {
        Command::List { queue, kind, reason, limit, group, all, json } => {
            let filter =
                DeadLetterFilter { queue, kind, reason, retried: all, limit, ..Default::default() };
            let letters = catalogue.dead_letters(&filter).await?;
            if json {
                say(&serde_json::to_string_pretty(&letters)?);
            } else if letters.is_empty() {
                say("no dead letters");
            } else if group {
                say(&groups(&letters));
            } else {
                say(&list(&letters));
            }
        }
        Command::Show { id } => {
            let letter = find(&catalogue, &id).await?;
            let mut shown = serde_json::to_value(&letter)?;
            // Times for people, the payload as what it is.
            for key in ["first_seen_at", "last_seen_at", "retried_at"] {
                if let Some(ms) = shown[key].as_i64() {
                    shown[key] = time(ms).into();
                }
            }
            if let Ok(payload) = serde_json::from_str(&letter.payload) {
                shown["payload"] = payload;
            }
            say(&serde_json::to_string_pretty(&shown)?);
        }
        Command::Retry { ids } => {
            let queues = open_queues(&config).await?;
            for id in ids {
                let letter = find(&catalogue, &id).await?;
                if let Some(at) = letter.retried_at {
                    anyhow::bail!(
                        "dead letter {id} was retried at {} (UTC) and has not died since",
                        time(at)
                    );
                }
                // Before the retry: a job that dies again at once has died after it.
                let at = Clock::System.now_ms();
                let how = retry(&queues, &letter).await?;
                catalogue.mark_retried(&letter.id, at).await?;
                let line = format!("{} {} → {} ({how})", letter.kind, letter.job_id, letter.queue);
                say(&plain(&line));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(catalogue: &Catalogue, id: &str) -> anyhow::Result<DeadLetter> {
    catalogue.dead_letter(id).await?.with_context(|| {
        format!("no dead letter begins with `{id}`; `roadie dead list --all` lists them")
    })
}

/// The job itself if it is still in the failed set, else a new one with the same id. An id that the
/// queue had counted is left to the queue: BullMQ takes no number from a producer.
async fn retry(queues: &Queues, letter: &DeadLetter) -> anyhow::Result<String> {
    match queues.retry(&letter.queue, &letter.job_id).await {
        Ok(()) => Ok("retried".to_owned()),
        Err(QueueError::NoSuchJob { .. } | QueueError::NoSuchQueue { .. }) => {
            let counted = letter.job_id.bytes().all(|byte| byte.is_ascii_digit());
            let job = NewJob {
                kind: letter.kind.clone(),
                payload: serde_json::from_str(&letter.payload)
                    .context("its payload is not JSON, so it cannot be added again")?,
                id: (!counted).then(|| letter.job_id.clone()),
                ..NewJob::default()
            };
            let id = queues.add(&letter.queue, job).await?;
            Ok(format!("added again as job {id}: the queue had already dropped it"))
        }
        Err(error) => Err(error.into()),
    }
}

fn list(letters: &[DeadLetter]) -> String {
    let rows: Vec<Vec<String>> = letters
        .iter()
        .map(|letter| {
            vec![
                clip(&letter.id, 13).trim_end_matches('…').to_owned(),
                time(letter.last_seen_at),
                letter.queue.clone(),
                letter.kind.clone(),
                letter.job_id.clone(),
                letter.reason.clone(),
                letter.attempts.to_string(),
                clip(&letter.error, 90),
            ]
        })
        .collect();
    table(&["id", "died (UTC)", "queue", "kind", "job", "reason", "attempts", "error"], &rows)
}

fn groups(letters: &[DeadLetter]) -> String {
    let mut groups: BTreeMap<&str, Vec<&DeadLetter>> = BTreeMap::new();
    for letter in letters {
        groups.entry(&letter.fingerprint).or_default().push(letter);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, letters)| std::cmp::Reverse(letters.len()));
    let rows: Vec<Vec<String>> = groups
        .into_iter()
        .filter_map(|(fingerprint, letters)| {
            let latest = letters.first()?;
            Some(vec![
                letters.len().to_string(),
                fingerprint.to_owned(),
                latest.kind.clone(),
                latest.reason.clone(),
                time(letters.iter().map(|l| l.first_seen_at).min()?),
                time(letters.iter().map(|l| l.last_seen_at).max()?),
                clip(&latest.error, 90),
            ])
        })
        .collect();
    table(&["jobs", "cause", "kind", "reason", "first (UTC)", "last (UTC)", "latest error"], &rows)
}
