//! `roadie privacy`

use std::process::ExitCode;

use anyhow::Context as _;
use chrono::DateTime;
use roadie_jobs::effects::catalogue::{Catalogue, Counted, Receipt};

use super::say;
use super::table::table;
use crate::config::Config;
use crate::daemon::catalogue_options;

const RESTORE: &str = "\
An erased user stays erased: nothing of theirs is stored and no job of theirs is run, whoever asks for it.
For somebody who comes back under the same id this takes the tombstone away. Nothing that was erased
comes back; an erasure that is still under way is not stopped.";

/// Show receipts of users who were erased, and let one in again.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the latest requests
    Receipts {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
        /// So many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show what was removed for a request, as JSON
    Show {
        /// The request's id, as the job `delete-user` was given it
        request_id: String,
    },
    /// Let an erased user in again
    #[command(after_help = RESTORE)]
    Restore {
        /// The user's id
        user_id: i64,
    },
}

pub(super) async fn privacy(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::connect(catalogue_options(&config)).await?;
    match command {
        Command::Receipts { json, limit } => receipts(&catalogue, json, limit).await?,
        Command::Show { request_id } => {
            let receipt = catalogue.receipt(&request_id).await?;
            let receipt = receipt.with_context(|| format!("there is no request `{request_id}`"))?;
            say(&serde_json::to_string_pretty(&receipt)?);
        }
        Command::Restore { user_id } => {
            anyhow::ensure!(
                catalogue.lift_tombstone(user_id).await?,
                "user {user_id} was not let in again: nobody was erased under this id, or the erasure is \
                 still under way (roadie privacy receipts)"
            );
            say(&format!("user {user_id} is let in again"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn receipts(catalogue: &Catalogue, json: bool, limit: u32) -> anyhow::Result<()> {
    let mut receipts = Vec::new();
    for listed in catalogue.receipts(limit).await? {
        receipts.extend(catalogue.receipt(&listed.request_id).await?);
    }
    if json {
        say(&serde_json::to_string_pretty(&receipts)?);
    } else if receipts.is_empty() {
        say("nobody was erased");
    } else {
        let rows: Vec<Vec<String>> = receipts.iter().map(row).collect();
        say(&table(&["request", "begun", "done", "removed", "swept", "left until then"], &rows));
    }
    Ok(())
}

fn row(receipt: &Receipt) -> Vec<String> {
    let sum =
        |counted: &Counted| counted.values().flat_map(|c| c.values()).sum::<u64>().to_string();
    vec![
        receipt.request_id.clone(),
        moment(Some(receipt.begun_at)),
        moment(receipt.done_at),
        sum(&receipt.removed),
        moment(receipt.swept_at),
        receipt.swept_at.map_or_else(|| "-".to_owned(), |_| sum(&receipt.swept)),
    ]
}

fn moment(ms: Option<i64>) -> String {
    let at = ms.and_then(DateTime::from_timestamp_millis);
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
}
