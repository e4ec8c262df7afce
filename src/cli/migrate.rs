//! `roadie migrate`

use std::process::ExitCode;

use roadie_jobs::effects::catalogue::Catalogue;

use super::say;
use crate::config::Config;
use crate::daemon::catalogue_options;

/// Bring the catalogue's schema up to date. Safe to run from several places at once.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only list what would be applied; exit code 1 if there is anything
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn migrate(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::connect(catalogue_options(&config)).await?;
    if args.dry_run {
        let pending = catalogue.pending_migrations().await?;
        for name in &pending {
            say(&format!("pending: {name}"));
        }
        say(&format!("{} migrations to apply ({})", pending.len(), catalogue.backend()));
        return Ok(ExitCode::from(u8::from(!pending.is_empty())));
    }
    let report = catalogue.migrate().await?;
    for name in &report.applied {
        say(&format!("applied: {name}"));
    }
    say(&format!(
        "{} applied, {} known before ({})",
        report.applied.len(),
        report.known,
        catalogue.backend()
    ));
    Ok(ExitCode::SUCCESS)
}
