//! Every knob. The defaults, with their explanations, are `config/default.toml`, compiled in.

mod load;
mod secret;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use roadie_jobs::Backoff;
use serde::Deserialize;

pub use load::{ConfigError, Sources};
pub use secret::{Secret, redact_url};

/// The configuration as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The queue's Redis.
    pub redis: Redis,
    /// The catalogue.
    pub database: Database,
    /// The object store.
    pub objects: Objects,
    /// Local folders that may be scanned.
    pub folders: Folders,
    /// Limits for reading photos.
    pub photos: Photos,
    /// Slots, leases, shutdown.
    pub worker: Worker,
    /// Overrides for every kind.
    pub defaults: KindDefaults,
    /// Overrides by kind.
    pub kinds: BTreeMap<String, Kind>,
    /// The queues to serve.
    pub queues: BTreeMap<String, Queue>,
    /// Health and metrics.
    pub http: Http,
    /// Logging.
    pub log: Log,
    /// Embedded data.
    pub data: Data,
}

/// `[redis]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Address with credentials.
    pub url: Secret,
    /// Key prefix of all queues.
    pub prefix: String,
    /// A `maxmemory-policy` that is accepted although it may lose jobs.
    pub allow_eviction_policy: String,
}

/// `[database]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Address with credentials.
    pub url: Secret,
    /// Read replica, or empty.
    pub read_replica_url: Secret,
    /// Connections at most.
    pub pool_size: u32,
    /// Longest wait for a connection.
    #[serde(with = "load::duration")]
    pub acquire_timeout: Duration,
    /// Longest statement.
    #[serde(with = "load::duration")]
    pub statement_timeout: Duration,
    /// When an idle connection is closed.
    #[serde(with = "load::duration")]
    pub idle_timeout: Duration,
    /// From when a statement is logged as slow.
    #[serde(with = "load::duration")]
    pub slow_query: Duration,
    /// Whether `run` migrates.
    pub migrate_on_start: bool,
}

/// `[objects]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    /// S3-compatible endpoint; empty: a folder.
    pub endpoint: String,
    /// Region to sign for.
    pub region: String,
    /// Access key.
    pub access_key_id: Secret,
    /// Secret key.
    pub secret_access_key: Secret,
    /// Bucket in the path instead of the host name.
    pub path_style: bool,
    /// Longest request.
    #[serde(with = "load::duration")]
    pub timeout: Duration,
}

/// `[folders]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folders {
    /// Folders below which scans are allowed.
    pub roots: Vec<PathBuf>,
}

/// `[photos]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Photos {
    /// Pixels that a picture may claim.
    pub max_pixels: u64,
    /// Objects read at once by one scan.
    pub read_ahead: usize,
    /// Whether local files are read to their end.
    pub verify_files: bool,
}

/// `[worker]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Jobs at once, over all queues.
    pub slots: usize,
    /// Jobs at once of one queue.
    pub queue_slots: usize,
    /// Time for running jobs after the first signal.
    #[serde(with = "load::duration")]
    pub grace_period: Duration,
    /// Time for a job to reach a safe point.
    #[serde(with = "load::duration")]
    pub stop_within: Duration,
    /// Lifetime of a lease.
    #[serde(with = "load::duration")]
    pub lease: Duration,
    /// Pause between scans for lost leases.
    #[serde(with = "load::duration")]
    pub recovery_scan: Duration,
    /// Crashes before a job becomes a dead letter.
    pub max_crashes: u32,
    /// Threads for handlers; 0: by cores.
    pub handler_threads: usize,
    /// Slots of class io; 0: as `slots`.
    pub io_slots: usize,
    /// Slots of class cpu; 0: cores.
    pub cpu_slots: usize,
    /// Slots of class heavy.
    pub heavy_slots: usize,
    /// Whether kind `rehearse` runs.
    pub rehearsals: bool,
}

/// `[defaults]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindDefaults {
    /// Attempts; 0: what the kind declares.
    pub attempts: u32,
    /// Time limit; none: what the kind declares.
    #[serde(with = "load::optional_duration")]
    pub timeout: Option<Duration>,
}

/// `[kinds.<kind>]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kind {
    /// Attempts.
    pub attempts: Option<u32>,
    /// Time limit of one attempt.
    #[serde(with = "load::optional_duration")]
    pub timeout: Option<Duration>,
    /// First pause.
    #[serde(with = "load::optional_duration")]
    pub backoff_base: Option<Duration>,
    /// Longest pause.
    #[serde(with = "load::optional_duration")]
    pub backoff_cap: Option<Duration>,
}

/// `[queues.<name>]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Jobs at once; none: `worker.queue_slots`.
    pub slots: Option<usize>,
    /// Share of `worker.slots`; none: 1.
    pub weight: Option<u32>,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address of the listener, or none.
    #[serde(with = "load::optional_address")]
    pub listen: Option<SocketAddr>,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Filter.
    pub level: String,
    /// Text or JSON.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[data]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Folder of the embedded database and object store.
    pub dir: PathBuf,
}

impl Config {
    /// The database's address with `{data_dir}` filled in.
    pub fn database_url(&self) -> String {
        self.database.url.reveal().replace("{data_dir}", &self.data.dir.to_string_lossy())
    }

    /// Jobs at once of one queue.
    pub fn queue_slots(&self, queue: &str) -> usize {
        self.queues.get(queue).and_then(|q| q.slots).unwrap_or(self.worker.queue_slots)
    }

    /// A queue's share of all slots.
    pub fn queue_weight(&self, queue: &str) -> u32 {
        self.queues.get(queue).and_then(|q| q.weight).unwrap_or(1)
    }

    /// Attempts of a kind that declares `declared`, where the producer did not say.
    pub fn attempts(&self, kind: &str, declared: u32) -> u32 {
        let general = (self.defaults.attempts > 0).then_some(self.defaults.attempts);
        self.kinds.get(kind).and_then(|k| k.attempts).or(general).unwrap_or(declared).max(1)
    }

    /// Time limit of a kind, where one is configured.
    pub fn timeout(&self, kind: &str) -> Option<Duration> {
        self.kinds.get(kind).and_then(|k| k.timeout).or(self.defaults.timeout)
    }

    /// Backoff of a kind that declares `declared`, where the producer did not say.
    pub fn backoff(&self, kind: &str, declared: Backoff) -> Backoff {
        let own = self.kinds.get(kind);
        Backoff {
            base: own.and_then(|k| k.backoff_base).unwrap_or(declared.base),
            cap: own.and_then(|k| k.backoff_cap).unwrap_or(declared.cap),
        }
    }

    /// Everything that is wrong with the values, in words; empty: usable.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |ok: bool, fault: String| {
            if !ok {
                faults.push(fault);
            }
        };
        let worker = &self.worker;
        need(
            worker.slots >= self.queues.len().max(1),
            format!(
                "worker.slots is {}, but {} queues are served and each keeps at least one slot",
                worker.slots,
                self.queues.len()
            ),
        );
        need(
            !self.queues.is_empty(),
            "queues: none is configured, so nothing would be served".into(),
        );
        need(worker.queue_slots > 0, "worker.queue_slots must be at least 1".into());
        need(worker.heavy_slots > 0, "worker.heavy_slots must be at least 1".into());
        need(worker.max_crashes > 0, "worker.max_crashes must be at least 1".into());
        need(
            worker.lease >= Duration::from_secs(1),
            format!("worker.lease is {:?}; shorter than 1s jobs would be run twice", worker.lease),
        );
        need(!worker.recovery_scan.is_zero(), "worker.recovery_scan must not be 0".into());
        need(self.database.pool_size > 0, "database.pool_size must be at least 1".into());
        need(self.photos.max_pixels > 0, "photos.max_pixels must be at least 1".into());
        need(self.photos.read_ahead > 0, "photos.read_ahead must be at least 1".into());
        need(!self.redis.prefix.is_empty(), "redis.prefix must not be empty".into());
        for (name, queue) in &self.queues {
            need(
                !name.is_empty() && !name.contains(':'),
                format!("queues.{name}: BullMQ allows no `:` in a queue's name"),
            );
            need(queue.slots != Some(0), format!("queues.{name}.slots must be at least 1"));
            need(queue.weight != Some(0), format!("queues.{name}.weight must be at least 1"));
        }
        let keys = [&self.objects.access_key_id, &self.objects.secret_access_key];
        need(
            self.objects.endpoint.is_empty() || keys.iter().all(|key| !key.is_empty()),
            "objects.endpoint is set, but objects.access_key_id or objects.secret_access_key is not".into(),
        );
        faults
    }
}
