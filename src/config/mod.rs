//! Every knob. The defaults, with their explanations, are `config/default.toml`, compiled in.

mod exports;
mod faults;
mod google;
mod images;
mod load;
mod mail;
mod privacy;
mod retention;
mod schedules;
mod secret;
mod services;
mod tokens;
mod web_cache;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use roadie_jobs::Backoff;
use serde::Deserialize;

pub use exports::Exports;
pub use google::Google;
pub use images::Images;
pub use load::{ConfigError, Sources};
pub use mail::Mail;
pub use privacy::Privacy;
pub use retention::{Keep, Kept, Limit, QueueRetention, Retention};
pub use schedules::Schedule;
pub use secret::{Secret, redact_url};
pub use services::{Budget, Budgets, Cache, Services};
pub use tokens::Tokens;
pub use web_cache::WebCache;

/// What a path must not hold as it is when it becomes a part of a URL.
pub(crate) const PATH_IN_URL: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
    /// Variants of photos.
    pub images: Images,
    /// Files that users have asked for.
    pub exports: Exports,
    /// Users' photos at Google.
    pub google: Google,
    /// Mail to users.
    pub mail: Mail,
    /// Keys for the tokens of users.
    pub tokens: Tokens,
    /// Services of others.
    pub services: Services,
    /// What they may be asked.
    pub budgets: Budgets,
    /// How long their answers are kept.
    pub cache: Cache,
    /// What web tiers cache.
    pub web_cache: WebCache,
    /// Slots, leases, shutdown.
    pub worker: Worker,
    /// Overrides for every kind.
    pub defaults: KindDefaults,
    /// Overrides by kind.
    pub kinds: BTreeMap<String, Kind>,
    /// The queues to serve.
    pub queues: BTreeMap<String, Queue>,
    /// Other doors into the queues.
    pub intake: Intake,
    /// How users are erased.
    pub privacy: Privacy,
    /// What is kept of finished jobs.
    pub retention: Retention,
    /// What is to be done again and again, by name.
    pub schedules: BTreeMap<String, Schedule>,
    /// The proof that jobs move.
    pub canary: Canary,
    /// Health, metrics, and the API.
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
    /// Sentinels, as `host:port`; empty: a single server or a Cluster.
    pub sentinels: Vec<String>,
    /// The master's name among the sentinels.
    pub sentinel_master: String,
    /// The user whom sentinels know, if they ask.
    pub sentinel_username: String,
    /// The password that sentinels ask for.
    pub sentinel_password: Secret,
    /// Some nodes of a Cluster, as `host:port`; empty: a single server.
    pub cluster_nodes: Vec<String>,
    /// Certificates to trust (PEM); empty: the usual ones.
    pub ca_file: PathBuf,
    /// Our own certificate (PEM), if servers ask for one.
    pub cert_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// Key prefix of all queues.
    pub prefix: String,
    /// A `maxmemory-policy` that is accepted although it may lose jobs.
    pub allow_eviction_policy: String,
    /// Longest time to connect to a server.
    #[serde(with = "load::duration")]
    pub connect_timeout: Duration,
    /// Longest time for an answer.
    #[serde(with = "load::duration")]
    pub answer_timeout: Duration,
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
    /// Objects, or photos of a Drive, that one scan fetches at once.
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
    /// Time for a cancelled job to reach a safe point.
    #[serde(with = "load::duration")]
    pub cancel_within: Duration,
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
    /// Bytes that decoding may take; none: by the memory that there is.
    #[serde(deserialize_with = "load::optional_size")]
    pub memory_budget: Option<u64>,
    /// Whether kind `rehearse` runs.
    pub rehearsals: bool,
    /// The payload field that names the user, for fair queues.
    pub fair_by: String,
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
    /// Whether users take turns.
    pub fair: bool,
    /// Largest share of the busy slots of one user while others wait; none: a half.
    pub fair_share: Option<f64>,
    /// Turns that a user gets for each turn of another; none named: 1.
    pub user_weights: BTreeMap<String, f64>,
    /// What it keeps of finished jobs.
    pub retention: QueueRetention,
}

/// `[intake]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// apalis-redis queues to take tasks from.
    pub apalis: BTreeMap<String, ApalisIntake>,
}

/// `[intake.apalis.<name>]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApalisIntake {
    /// What kind of job a task becomes.
    pub kind: String,
    /// The queue that it goes to; none: the kind's own.
    pub queue: Option<String>,
    /// apalis' name of its queue; none: the intake's name.
    pub namespace: Option<String>,
    /// Pause between looks while nothing waits.
    #[serde(with = "load::duration", default = "ApalisIntake::poll")]
    pub poll: Duration,
    /// How long apalis' books keep a task whose job has ended.
    #[serde(with = "load::duration", default = "ApalisIntake::keep")]
    pub keep: Duration,
}

impl ApalisIntake {
    fn poll() -> Duration {
        Duration::from_millis(200)
    }

    fn keep() -> Duration {
        Duration::from_hours(1)
    }

    /// apalis' name of the queue of an intake.
    pub fn namespace<'a>(&'a self, name: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(name)
    }
}

/// `[canary]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// How long a queue may be quiet before it gets one.
    #[serde(with = "load::duration")]
    pub every: Duration,
    /// How long a queue that could move may not, before the process is not ready.
    #[serde(with = "load::duration")]
    pub within: Duration,
}

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address of the listener, or none.
    #[serde(with = "load::optional_address")]
    pub listen: Option<SocketAddr>,
    /// Whether the API is served beside health and metrics.
    pub api: bool,
    /// Who knows one of them may use the API; none: whoever is on this host.
    pub tokens: Vec<Secret>,
    /// Largest body of a request, in bytes.
    pub max_body: usize,
    /// Clients that follow jobs at once.
    pub max_streams: usize,
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
    /// The database's address with `{data_dir}` filled in, as URLs write paths.
    pub fn database_url(&self) -> String {
        let dir = self.data.dir.to_string_lossy();
        let dir = percent_encoding::utf8_percent_encode(&dir, PATH_IN_URL).to_string();
        self.database.url.reveal().replace("{data_dir}", &dir)
    }

    /// Jobs at once of one queue.
    pub fn queue_slots(&self, queue: &str) -> usize {
        self.queues.get(queue).and_then(|q| q.slots).unwrap_or(self.worker.queue_slots)
    }

    /// A queue's share of all slots.
    pub fn queue_weight(&self, queue: &str) -> u32 {
        self.queues.get(queue).and_then(|q| q.weight).unwrap_or(1)
    }

    /// Largest share of the busy slots that one user of a queue may hold while others wait; none: the
    /// queue is not fair.
    pub fn fair_share(&self, queue: &str) -> Option<f64> {
        let queue = self.queues.get(queue).filter(|queue| queue.fair)?;
        Some(queue.fair_share.unwrap_or(0.5))
    }

    /// Attempts of a kind that declares `declared`, where the producer did not say.
    pub fn attempts(&self, kind: &str, declared: u32) -> u32 {
        let general = (self.defaults.attempts > 0).then_some(self.defaults.attempts);
        let own = self.kinds.get(kind).and_then(|k| k.attempts).filter(|&attempts| attempts > 0);
        own.or(general).unwrap_or(declared).max(1)
    }

    /// Backoff of a kind that declares `declared`, where the producer did not say.
    pub fn backoff(&self, kind: &str, declared: Backoff) -> Backoff {
        let own = self.kinds.get(kind);
        Backoff {
            base: own.and_then(|k| k.backoff_base).unwrap_or(declared.base),
            cap: own.and_then(|k| k.backoff_cap).unwrap_or(declared.cap),
        }
    }
}
