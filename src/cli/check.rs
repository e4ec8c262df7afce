//! `roadie check`

use std::process::ExitCode;

use roadie_jobs::effects::Folders;
use roadie_jobs::effects::catalogue::Catalogue;
use roadie_jobs::effects::mail::Smtp;

use super::{open_queues, say};
use crate::config::{Config, Exports, Images, redact_url};
use crate::daemon::{catalogue_options, objects};
use crate::observe::logs::{error_line, one_line};

/// The queues of the kinds that need a bucket to write to.
const IMAGES: &str = "image-optimization";
const EXPORTS: &str = "exports";

/// Check configuration, Redis, database, object store, folders, mail server and the listener's address. All faults
/// are named, not only the first; those of the configuration itself end it before the others.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the default configuration with its explanations, and check nothing
    #[arg(long)]
    pub(super) defaults: bool,
}

pub(super) async fn check(config: Config) -> anyhow::Result<ExitCode> {
    let results = [
        ("configuration", Ok(configuration(&config))),
        ("redis", redis(&config).await),
        ("database", database(&config).await),
        ("objects", store(&config).await),
        ("images", images(&config).await),
        ("exports", exports(&config).await),
        ("folders", folders(&config)),
        ("services", Ok(services(&config))),
        ("mail", mail(&config).await),
        ("http", http(&config)),
    ];
    let mut faults = 0;
    for (name, result) in &results {
        match result {
            Ok(detail) => say(&format!("ok     {name:<14} {detail}")),
            Err(fault) => {
                faults += 1;
                say(&format!("FAULT  {name:<14} {fault}"));
            }
        }
    }
    if faults == 0 {
        say("everything is in order");
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{faults} of {} checks failed", results.len()));
    Ok(ExitCode::FAILURE)
}

async fn redis(config: &Config) -> Result<String, String> {
    let queues = open_queues(config).await.map_err(|e| one_line(e.chain()))?;
    let rtt = crate::queue::ping(&queues).await.map_err(|e| error_line(&e))?;
    crate::queue::writable(&queues).await.map_err(|e| error_line(&e))?;
    let said = crate::queue::survey(&queues, &config.redis).await.map_err(|e| error_line(&e))?;
    Ok(format!("{said}; {} µs a round trip", rtt.as_micros()))
}

async fn database(config: &Config) -> Result<String, String> {
    let catalogue =
        Catalogue::connect(catalogue_options(config)).await.map_err(|e| error_line(&e))?;
    catalogue.ping().await.map_err(|e| error_line(&e))?;
    let pending = catalogue.pending_migrations().await.map_err(|e| error_line(&e))?;
    if !pending.is_empty() && !config.database.migrate_on_start {
        return Err(format!("lacks migrations ({}); run `roadie migrate`", pending.join(", ")));
    }
    Ok(format!("{}, {}", redact_url(&config.database_url()), catalogue.backend()))
}

async fn store(config: &Config) -> Result<String, String> {
    let objects = objects(config).map_err(|e| one_line(e.chain()))?;
    objects.probe().await.map_err(|e| error_line(&e))
}

/// Whether variants have a place to go.
async fn images(config: &Config) -> Result<String, String> {
    let Images { bucket, prefix, .. } = &config.images;
    place(config, IMAGES, "images.bucket", bucket, prefix).await
}

/// Whether exports have a place to go.
async fn exports(config: &Config) -> Result<String, String> {
    let Exports { bucket, prefix, .. } = &config.exports;
    place(config, EXPORTS, "exports.bucket", bucket, prefix).await
}

/// Whether there is a bucket for what the jobs of a queue make.
async fn place(
    config: &Config,
    queue: &str,
    key: &str,
    bucket: &str,
    prefix: &str,
) -> Result<String, String> {
    if !config.queues.contains_key(queue) {
        return Ok(format!("none: {queue} is not served"));
    }
    if !config.objects.endpoint.is_empty() {
        let objects = objects(config).map_err(|e| one_line(e.chain()))?;
        let listed = objects.list(bucket, prefix, None, 1).await;
        listed.map_err(|e| format!("{} ({key})", error_line(&e)))?;
    }
    Ok(format!("bucket {bucket}, keys {prefix}…"))
}

fn folders(config: &Config) -> Result<String, String> {
    let folders = Folders::open(&config.folders.roots).map_err(|e| error_line(&e))?;
    match folders.roots() {
        [] => Ok("none configured: scan-folder is off".to_owned()),
        roots => Ok(roots.iter().map(|r| r.display().to_string()).collect::<Vec<_>>().join(", ")),
    }
}

/// Whom matching asks; nobody is asked for this.
fn services(config: &Config) -> String {
    match config.services.clients() {
        None => "no key (services.setlist_fm_key): no photos are matched to shows".to_owned(),
        Some(known) => {
            let urls = [known.setlist_fm, known.overpass, known.nominatim];
            let urls = urls.map(|url| redact_url(&url)).join(", ");
            format!("{urls}, as {}", config.services.user_agent())
        }
    }
}

/// Where mails go, and whether the server lets us in.
async fn mail(config: &Config) -> Result<String, String> {
    let Some(settings) = config.mail.settings() else {
        return Ok("off: neither mail.url nor mail.folder is set".to_owned());
    };
    let smtp = config.mail.smtp().map_err(|e| one_line(e.chain()))?;
    let Some(smtp) = smtp else {
        return Ok(format!("into {}", config.mail.folder.display()));
    };
    let told = format!("{}:{}, from {}", smtp.host, smtp.port, settings.from);
    let server = Smtp::new(smtp).map_err(|e| format!("{} (mail.ca_file)", one_line(e.chain())))?;
    server.greet().await.map_err(|e| format!("{told}: {e}"))?;
    Ok(told)
}

/// What it holds; its faults end the check before.
fn configuration(config: &Config) -> String {
    let registry = roadie_jobs::registry();
    let served = |queue: &str| config.queues.contains_key(queue);
    let elsewhere: Vec<&str> = config
        .schedules
        .iter()
        .filter(|(_, schedule)| !schedule.queue(&registry).is_some_and(served))
        .map(|(name, _)| name.as_str())
        .collect();
    let sums = format!("{} queues, {} schedules", config.queues.len(), config.schedules.len());
    match elsewhere[..] {
        [] => sums,
        _ => format!(
            "{sums}; others fire those whose queues are not served here: {}",
            elsewhere.join(", ")
        ),
    }
}

/// Whether `run` could listen there. A free port is chosen at its start.
fn http(config: &Config) -> Result<String, String> {
    let Some(listen) = config.http.listen else {
        return Ok("off".to_owned());
    };
    std::net::TcpListener::bind(listen).map_err(|e| {
        format!("cannot listen on {listen} (http.listen): {e}; is roadie running here?")
    })?;
    Ok(listen.to_string())
}
