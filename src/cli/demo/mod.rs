//! `roadie demo`: the whole daemon with nothing but this binary and a Redis server program.

mod data;
mod mail;
mod redis_server;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use self::redis_server::RedisServer;
use super::{say, watch};
use crate::config::{Config, Secret, Sources};
use crate::daemon::Daemon;
use crate::lifecycle::{self, Stop};
use crate::observe::{logs, metrics};
use crate::queue::{NewJob, Queues};
use crate::stand_in::StandIns;
use crate::worker::panics;

const DEMO: &str = include_str!("../../../config/demo.toml");
const QUEUE: &str = "photo-processing";
const USER: i64 = 1;
const SAMPLES: usize = 240;

/// Scan a folder of photos (or samples that are made for it) with an embedded set-up: a private
/// Redis, SQLite, no configuration. Nothing is left running.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder; without one, sample photos are made
    folder: Option<PathBuf>,
    /// Stay up after the scan, until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// The Redis server program: redis-server, valkey-server or meebis
    #[arg(long, value_name = "PROGRAM")]
    redis_server: Option<PathBuf>,
    /// Where the demo keeps its data; what an earlier demo left there is deleted at the start
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

pub(super) async fn demo(args: Args, sources: Sources) -> anyhow::Result<ExitCode> {
    let asked = args.folder.as_deref().map(photos).transpose()?;
    let data = data::prepare(&args.data.unwrap_or_else(default_data), asked.as_deref())?;
    let made = asked.is_none();
    let folder = match asked {
        Some(folder) => folder,
        None => samples(&data)?,
    };
    let mut config = configure(&sources, &data, &folder)?;
    // Nobody's server is asked about places that were made up.
    let stand_ins = if made {
        Some(StandIns::of_samples(roadie_jobs::samples::world(SAMPLES)).await?)
    } else {
        None
    };
    if let Some(stand_ins) = &stand_ins {
        ask(&mut config, stand_ins);
        say("services    setlist.fm, Overpass and Nominatim: stand-ins on this machine");
    }
    logs::install(&config.log)?;
    panics::install_hook();
    let recorder = metrics::install()?;
    // Before there is a Redis that would be left behind.
    let stop = Stop::default();
    let signals = tokio::spawn(lifecycle::listen(stop.clone())?);
    let redis = tokio::select! {
        redis = RedisServer::start(args.redis_server.as_deref(), &data) => redis?,
        () = stop.soft.cancelled() => return Ok(ExitCode::FAILURE),
    };
    say(&format!("redis       {}", redis.shown()));
    config.redis.url = Secret::from(redis.url().to_owned());

    let queues = Queues::connect(&config.redis).await?;
    let daemon = Daemon::build(config.clone(), roadie_jobs::registry(), recorder.clone()).await?;
    let address = daemon.http_address();
    mail::subscribe(&config, USER).await?;
    let running = tokio::spawn(daemon.run(stop.clone()));
    say(&format!("scanning    {}", folder.display()));
    let payload = json!({ "userId": USER, "path": folder, "batchSize": 200 });
    let job = NewJob { kind: "scan-folder".to_owned(), payload, ..NewJob::default() };
    let id = queues.add(QUEUE, job).await?;
    let ended = tokio::select! {
        ended = watch::until_end(&queues, QUEUE, &id) => Some(ended?),
        () = stop.soft.cancelled() => None,
    };
    let completed = ended.as_ref().is_some_and(|ended| ended.completed);
    if let Some(ended) = &ended {
        let scrape = data.join("metrics.prom");
        std::fs::write(&scrape, metrics::render(&recorder)).context("write the metrics")?;
        report::print(&config, &ended.value, USER, &scrape).await?;
    }
    if let Some(address) = address
        && args.serve
        && completed
    {
        say(&format!(
            "\nserving until Ctrl-C:\n  metrics     http://{address}/metrics\n  readiness   http://{address}/readyz\n  enqueue     {}",
            enqueue_line(redis.url(), &folder)
        ));
        stop.soft.cancelled().await;
    }
    stop.soft.cancel();
    running.await.context("stop the demo")??;
    signals.abort();
    redis.stop().await;
    Ok(ExitCode::from(u8::from(!completed)))
}

fn configure(sources: &Sources, data: &Path, folder: &Path) -> anyhow::Result<Config> {
    let file = data.join("demo.toml");
    std::fs::write(&file, DEMO).context("write the demo's configuration")?;
    // The environment is left out: a REDIS_URL or DATABASE_URL of the machine is not the demo's.
    let sources = Sources { file: Some(file), flags: sources.flags.clone(), ..Sources::default() };
    let mut config = sources.load()?;
    // Not as text, in which a comma or a brace of a folder's name would mean something.
    config.data.dir = data.to_path_buf();
    config.folders.roots.push(folder.to_path_buf());
    config.mail.folder = data.join("mail");
    Ok(config)
}

/// Points matching at the stand-ins, which need no patience.
fn ask(config: &mut Config, stand_ins: &StandIns) {
    let services = stand_ins.services();
    config.services.setlist_fm.clone_from(&services.setlist_fm);
    config.services.setlist_fm_key = Secret::from(services.setlist_fm_key.clone());
    config.services.overpass.clone_from(&services.overpass);
    config.services.nominatim.clone_from(&services.nominatim);
    let budgets = &mut config.budgets;
    for budget in [&mut budgets.setlist_fm, &mut budgets.overpass, &mut budgets.nominatim] {
        budget.rate = 0.0;
        budget.concurrent = 0;
        budget.per_day = 0;
        budget.reserve = 0;
    }
}

fn enqueue_line(redis: &str, folder: &Path) -> String {
    let payload = json!({ "userId": USER + 1, "path": folder });
    let payload = payload.to_string().replace('\'', r"'\''");
    format!("REDIS_URL={redis} roadie enqueue {QUEUE} scan-folder '{payload}' --watch")
}

/// One per user, so that nobody meets the files of somebody else.
fn default_data() -> PathBuf {
    let user = std::env::var("USER").unwrap_or_else(|_| "demo".to_owned());
    std::env::temp_dir().join(format!("roadie-demo-{user}"))
}

/// The folder to scan. Looked at before anything else is touched.
fn photos(folder: &Path) -> anyhow::Result<PathBuf> {
    let shown = folder.display();
    let folder =
        folder.canonicalize().with_context(|| format!("cannot open the folder {shown}"))?;
    anyhow::ensure!(folder.is_dir(), "{shown} is not a folder");
    // It becomes a part of a job, which is JSON.
    anyhow::ensure!(folder.to_str().is_some(), "the name of {shown} is not UTF-8");
    Ok(folder)
}

fn samples(data: &Path) -> anyhow::Result<PathBuf> {
    let folder = data.join("photos");
    let made = roadie_jobs::samples::write(&folder, SAMPLES).context("make sample photos")?;
    say(&format!("samples     {made} files in {}", folder.display()));
    Ok(folder)
}

/// How long the private Redis may take to start.
const START_WITHIN: Duration = Duration::from_secs(10);
