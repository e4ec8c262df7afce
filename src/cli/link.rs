//! `roadie link`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use roadie_jobs::effects::Clock;

use super::say;
use crate::config::Config;

/// Make a link to a variant, as web tiers do, or see why the CDN refuses one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The key of an object, as manifests name it; with --verify: a link
    object: String,
    /// How long it lasts; without it: `images.link_lasts`
    #[arg(long, value_parser = humantime::parse_duration, conflicts_with = "verify")]
    lasts: Option<Duration>,
    /// Say whether the link would let in now
    #[arg(long)]
    verify: bool,
}

pub(super) fn link(args: &Args, config: &Config) -> anyhow::Result<ExitCode> {
    let urls = config.images.urls();
    let now = Clock::System.now_ms() / 1_000;
    if args.verify {
        urls.verify(&args.object, now)?;
        say("it lets in");
        return Ok(ExitCode::SUCCESS);
    }
    let lasts = args.lasts.unwrap_or(config.images.link_lasts).as_secs();
    let expires = now.saturating_add(i64::try_from(lasts).unwrap_or(i64::MAX));
    let signed = urls.signed(&args.object, expires);
    say(&signed.context("there is no key to sign with: images.signing_keys is empty")?);
    Ok(ExitCode::SUCCESS)
}
