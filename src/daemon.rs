//! The composition root: builds the parts, starts them in order, stops them in reverse.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use roadie_jobs::effects::catalogue::Catalogue;
use roadie_jobs::effects::google::GoogleDrive;
use roadie_jobs::effects::mail::{Mail, MailFolder, Smtp, Transport};
use roadie_jobs::effects::web::{Online, Web};
use roadie_jobs::effects::{Clock, Folders, Objects, PhotoLimits, PixelPool, World};
use roadie_jobs::{Effects, Registry};
use tokio::runtime::{Handle, Runtime};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::budgeted::Budgeted;
use crate::budget::mailing::Mailing;
use crate::budget::{self, Budgets};
use crate::config::Config;
use crate::intake;
use crate::intake::apalis::Intakes;
use crate::lifecycle::{Exit, Stop};
use crate::memory;
use crate::observe::{http, metrics};
use crate::queue::Queues;
use crate::upkeep::Upkeep;
use crate::worker::slots::cpu_slots;
use crate::worker::{Crew, Engine, panics};

/// A process that is ready to run jobs.
#[derive(Debug)]
pub struct Daemon {
    engine: Arc<Engine>,
    crew: Crew,
    intakes: Intakes,
    handlers: Handlers,
    recorder: PrometheusHandle,
    http: Option<SocketAddr>,
    http_stop: CancellationToken,
    draining: CancellationToken,
}

impl Daemon {
    /// Connects to everything and opens the queues. Nothing is reserved yet.
    ///
    /// # Errors
    ///
    /// Names the part that could not be built, and what to do about it.
    pub async fn build(
        config: Config,
        registry: Registry,
        recorder: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        registry.verify()?;
        let registry =
            if config.worker.rehearsals { registry } else { registry.without("rehearse") };
        metrics::register(&registry, config.queues.keys().cloned());
        let queues = Queues::connect(&config.redis).await?;
        let budgets = Budgets::new(queues.clone(), &config.budgets);
        let online = online(&config, &queues, &budgets)?;
        let effects = effects(&config, online, &budgets).await?;
        prepare_schema(&config, &effects.catalogue).await?;
        effects.catalogue.name_photos().await?;
        let handlers = handler_threads(&config)?;
        let listen = config.http.listen;
        let (threads, name) = (handlers.handle(), process_name());
        let engine = Engine::new(config, registry, effects, queues, budgets, threads, name);
        let engine = Arc::new(engine);
        let (http_stop, draining) = (CancellationToken::new(), CancellationToken::new());
        let http = match listen {
            Some(listen) => {
                let api = engine.config.http.api;
                let api = api
                    .then(|| intake::http::router(Arc::clone(&engine), http_stop.clone()))
                    .transpose()
                    .context("describe the API")?;
                let served = http::serve(
                    listen,
                    Arc::clone(&engine),
                    recorder.clone(),
                    draining.clone(),
                    http_stop.clone(),
                    api,
                );
                Some(served.await.with_context(|| format!("listen on {listen} (http.listen)"))?)
            }
            None => None,
        };
        let crew = Crew::assemble(Arc::clone(&engine));
        let intakes = Intakes::open(&engine).await?;
        Ok(Self { engine, crew, intakes, handlers, recorder, http, http_stop, draining })
    }

    /// Where `/metrics` is served.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Serves the queues until asked to stop.
    ///
    /// # Errors
    ///
    /// When the queues cannot be started.
    pub async fn run(mut self, stop: Stop) -> anyhow::Result<Exit> {
        let failed = CancellationToken::new();
        self.crew.start(failed.clone(), self.draining.clone());
        self.intakes.start(&stop.soft);
        let upkeep = Upkeep::start(&self.engine, self.recorder.clone());
        tracing::info!(
            worker = %self.engine.name,
            queues = %self.engine.config.queues.keys().cloned().collect::<Vec<_>>().join(", "),
            kinds = %self.engine.registry.entries().map(|e| e.kind).collect::<Vec<_>>().join(", "),
            http = %self.http.map_or_else(|| "off".to_owned(), |a| a.to_string()),
            "serving"
        );
        tokio::select! {
            () = stop.soft.cancelled() => {}
            () = failed.cancelled() => stop.soft.cancel(),
        }
        self.crew.stop_reserving();
        tracing::info!("no new jobs");
        self.draining.cancel();
        upkeep.stop(&self.engine).await;
        let exit = tokio::select! {
            exit = self.drain() => exit,
            () = stop.hard.cancelled() => Exit::Hard,
        };
        let exit = if failed.is_cancelled() { Exit::Failed } else { exit };
        self.close(exit).await;
        Ok(exit)
    }

    /// Grace first, then the rest is released.
    async fn drain(&self) -> Exit {
        let worker = &self.engine.config.worker;
        let left = self.crew.drained_by(Instant::now() + worker.grace_period).await;
        if left == 0 {
            return Exit::Drained;
        }
        self.crew.release_all();
        tracing::info!(jobs = left, "grace period over; releasing what still runs");
        // Safe points are near; one more second is for telling the queue.
        let limit = worker.stop_within + std::time::Duration::from_secs(1);
        let left = self.crew.drained_by(Instant::now() + limit).await;
        if left > 0 {
            tracing::warn!(jobs = left, "not released in time; their leases run out by themselves");
        }
        Exit::Released
    }

    async fn close(self, exit: Exit) {
        if exit == Exit::Hard {
            tracing::warn!(jobs = self.engine.stops.running(), "stopped hard");
        } else {
            self.crew.close().await;
            self.engine.effects.catalogue.close().await;
        }
        self.http_stop.cancel();
        drop(self.handlers);
        tracing::info!(exit = exit.code(), "stopped");
    }
}

/// Services of others, each asked within its budget; none: there is no key to ask with.
fn online(config: &Config, queues: &Queues, budgets: &Budgets) -> anyhow::Result<Option<Online>> {
    let Some(services) = config.services.clients() else {
        tracing::info!("no photos are matched to shows: services.setlist_fm_key is not set");
        return Ok(None);
    };
    let web = Web::new(&config.services.user_agent()).context("services")?;
    let web = Arc::new(web);
    let fetch = budget::frugal(web, queues, budgets.clone(), config.cache, Clock::System);
    Ok(Some(Online::new(&fetch, &services)))
}

/// Users' Drives, asked within the budget. What they answer is never kept in Redis.
fn drive(config: &Config, catalogue: &Catalogue, budgets: &Budgets) -> anyhow::Result<GoogleDrive> {
    let Some(settings) = config.google.settings() else { return Ok(GoogleDrive::default()) };
    let web = Web::new(&config.services.user_agent()).context("services")?;
    let fetch = Arc::new(Budgeted::new(Arc::new(web), budgets.clone()));
    let (catalogue, keys) = (catalogue.clone(), config.tokens.keys());
    Ok(GoogleDrive::new(settings, catalogue, keys, fetch, Clock::System))
}

/// Mail, within the budget. A folder needs none.
fn mail(config: &Config, budgets: &Budgets) -> anyhow::Result<Mail> {
    let Some(settings) = config.mail.settings() else { return Ok(Mail::default()) };
    let transport: Arc<dyn Transport> = match config.mail.smtp()? {
        Some(smtp) => {
            let smtp = Smtp::new(smtp).context("mail.ca_file")?;
            Arc::new(Mailing::new(Arc::new(smtp), budgets.clone()))
        }
        None => Arc::new(MailFolder::new(config.mail.folder.clone())),
    };
    Ok(Mail::new(settings, transport))
}

/// The doors to the world, as configured.
///
/// # Errors
///
/// Names the door that could not be opened.
async fn effects(
    config: &Config,
    online: Option<Online>,
    budgets: &Budgets,
) -> anyhow::Result<Effects> {
    let catalogue = Catalogue::connect(catalogue_options(config))
        .await
        .context("open the catalogue (database.url, DATABASE_URL)")?;
    Ok(Effects {
        drive: drive(config, &catalogue, budgets)?,
        mail: mail(config, budgets)?,
        world: World::new(catalogue.clone(), online),
        catalogue,
        objects: objects(config)?,
        folders: Folders::open(&config.folders.roots).context("folders.roots")?,
        pixels: PixelPool::new(
            memory::budget(config.worker.memory_budget),
            cpu_slots(&config.worker),
        ),
        clock: Clock::System,
        photos: PhotoLimits {
            max_pixels: config.photos.max_pixels,
            read_ahead: config.photos.read_ahead,
            verify_files: config.photos.verify_files,
        },
        variants: Arc::new(config.images.settings()),
        exports: Arc::new(config.exports.settings(&config.images)),
        erasing: config.privacy.erasing(),
    })
}

/// The object store, as configured.
///
/// # Errors
///
/// When the settings make no client.
pub fn objects(config: &Config) -> anyhow::Result<Objects> {
    let s3 = &config.objects;
    if s3.endpoint.is_empty() {
        return Ok(Objects::folder(config.data.dir.join("objects")));
    }
    Objects::s3(&roadie_jobs::effects::S3Settings {
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone(),
        access_key_id: s3.access_key_id.reveal().to_owned(),
        secret_access_key: s3.secret_access_key.reveal().to_owned(),
        path_style: s3.path_style,
        timeout: s3.timeout,
    })
    .context("object store (objects.*)")
}

/// How the catalogue is opened.
pub fn catalogue_options(config: &Config) -> roadie_jobs::effects::catalogue::CatalogueOptions {
    let database = &config.database;
    let replica = &database.read_replica_url;
    roadie_jobs::effects::catalogue::CatalogueOptions {
        url: config.database_url(),
        read_replica_url: (!replica.is_empty()).then(|| replica.reveal().to_owned()),
        pool_size: database.pool_size,
        acquire_timeout: database.acquire_timeout,
        statement_timeout: database.statement_timeout,
        idle_timeout: database.idle_timeout,
        slow_query: database.slow_query,
    }
}

/// Brings the schema up to date where that is allowed.
///
/// # Errors
///
/// When it is not, and something is missing.
pub(crate) async fn prepare_schema(config: &Config, catalogue: &Catalogue) -> anyhow::Result<()> {
    if config.database.migrate_on_start {
        let report = catalogue.migrate().await?;
        if !report.applied.is_empty() {
            tracing::info!(migrations = %report.applied.join(", "), "schema brought up to date");
        }
        return Ok(());
    }
    let pending = catalogue.pending_migrations().await?;
    anyhow::ensure!(
        pending.is_empty(),
        "the catalogue lacks migrations ({}); run `roadie migrate`, or set database.migrate_on_start = true",
        pending.join(", ")
    );
    Ok(())
}

fn handler_threads(config: &Config) -> anyhow::Result<Handlers> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match config.worker.handler_threads {
        0 => cores.max(4),
        threads => threads,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(panics::HANDLER_THREADS)
        .enable_all()
        .build()
        .context("start the handlers' threads")?;
    Ok(Handlers(Some(runtime)))
}

/// The threads that handlers run on.
#[derive(Debug)]
struct Handlers(Option<Runtime>);

impl Handlers {
    fn handle(&self) -> Handle {
        let runtime = self.0.as_ref().expect("taken only when dropped");
        runtime.handle().clone()
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        // Waiting is not allowed here, and a handler that never yields would hold it for ever.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Host, process and a random part: two processes never share a name, not even across restarts.
fn process_name() -> String {
    let host = sysinfo::System::host_name().unwrap_or_else(|_| "host".to_owned());
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{host}-{}-{}", std::process::id(), &random[..6])
}
