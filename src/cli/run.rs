//! `roadie run`

use std::process::ExitCode;

use crate::config::Config;
use crate::daemon::Daemon;
use crate::lifecycle::{self, Stop};
use crate::observe::{logs, metrics};
use crate::worker::panics;

/// Serve the configured queues until SIGTERM, SIGINT or SIGHUP.
///
/// The first signal stops taking jobs and lets running ones finish within the
/// configured grace period; what is left then goes back to its queue with its checkpoint. A second signal stops at once.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) async fn run(_: Args, config: Config) -> anyhow::Result<ExitCode> {
    logs::install(&config.log)?;
    panics::install_hook();
    let recorder = metrics::install()?;
    let stop = Stop::default();
    let signals = lifecycle::listen(stop.clone())?;
    let signals = tokio::spawn(signals);
    let daemon = Daemon::build(config, roadie_jobs::registry(), recorder).await?;
    let exit = daemon.run(stop).await;
    signals.abort();
    Ok(exit?.into())
}
