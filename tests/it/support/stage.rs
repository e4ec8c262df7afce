//! What one test runs on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bullmq::{BulkJob, Job, JobOptions, JobState};
use roadie::config::{Config, Sources};
use roadie::daemon::catalogue_options;
use roadie::queue::{QueueError, Queues};
use roadie_jobs::effects::catalogue::{Catalogue, DeadLetter, DeadLetterFilter};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _};
use tempfile::TempDir;

use super::postgres::Database;
use super::redis::{self, RedisServer};
use super::{Missing, eventually};

/// A key prefix, a folder and a catalogue that no other test knows, and settings.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) prefix: String,
    dir: TempDir,
    settings: Vec<(String, String)>,
    /// They live as long as the stage.
    servers: (Arc<RedisServer>, Option<Database>),
}

impl Stage {
    /// On the Redis that all tests share.
    pub(crate) fn new() -> Result<Self, Missing> {
        Ok(Self::on(redis::shared()?))
    }

    /// On a Redis of one's own.
    pub(crate) fn on(redis: Arc<RedisServer>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let prefix = format!("t{}", uuid::Uuid::new_v4().simple());
        let settings = [
            ("redis.url", redis.url()),
            ("redis.prefix", prefix.clone()),
            ("data.dir", dir.path().join("data").display().to_string()),
            ("database.migrate_on_start", "true".to_owned()),
            ("http.listen", "127.0.0.1:0".to_owned()),
            // Whichever queues a test names beside it.
            ("queues.photo-processing.weight", "1".to_owned()),
        ];
        Self {
            prefix,
            dir,
            settings: settings.map(|(key, value)| (key.to_owned(), value)).into(),
            servers: (redis, None),
        }
    }

    /// Another deployment on the queues of this one: its settings and catalogue are its own.
    pub(crate) fn joining(other: &Self) -> Self {
        let stage = Self::on(Arc::clone(&other.servers.0)).set("redis.prefix", &other.prefix);
        Self { prefix: other.prefix.clone(), ..stage }
    }

    /// The catalogue is this database instead of an embedded one.
    pub(crate) fn with_database(self, database: Database) -> Self {
        let mut stage = self.set("database.url", database.url());
        stage.servers.1 = Some(database);
        stage
    }

    /// Keys whose hash tag is the prefix, as a Cluster needs them.
    pub(crate) fn with_hash_tag(mut self) -> Self {
        self.prefix = format!("{{{}}}", self.prefix);
        let prefix = self.prefix.clone();
        self.set("redis.prefix", prefix)
    }

    /// Overrides one key of the configuration.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
    pub(crate) fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// Forgets all keys that begin so.
    pub(crate) fn without(mut self, section: &str) -> Self {
        self.settings.retain(|(key, _)| !key.starts_with(section));
        self
    }

    /// Serves the queue of the tests' own kind with so many slots.
    pub(crate) fn with_plays(self, slots: usize) -> Self {
        self.set("queues.plays.slots", slots).set("kinds.play.backoff_base", "20ms")
    }

    /// Serves the queue of kind `rehearse` with so many slots.
    pub(crate) fn with_rehearsals(self, slots: usize) -> Self {
        self.set("worker.rehearsals", true).set("queues.rehearsals.slots", slots)
    }

    /// Leases that run out while a test can wait for it.
    pub(crate) fn with_short_leases(self) -> Self {
        self.set("worker.lease", "3s").set("worker.recovery_scan", "300ms")
    }

    pub(crate) fn config(&self) -> Config {
        Sources { flags: self.settings.clone(), ..Sources::default() }.load().unwrap()
    }

    /// The settings as arguments of the command line.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let set = |(key, value): &(String, String)| ["--set".to_owned(), format!("{key}={value}")];
        self.settings.iter().flat_map(set).collect()
    }

    /// A folder that goes with the test.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        // As the configured roots are resolved.
        folder.canonicalize().unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) async fn queues(&self) -> Queues {
        Queues::connect(&self.config().redis).await.unwrap()
    }

    pub(crate) async fn catalogue(&self) -> Catalogue {
        let catalogue = Catalogue::connect(catalogue_options(&self.config())).await.unwrap();
        catalogue.migrate().await.unwrap();
        catalogue
    }

    /// Stars a photo, as web tiers do.
    pub(crate) async fn star(&self, photo_id: &str) {
        sqlx::any::install_default_drivers();
        let url = self.config().database_url();
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        let star = sqlx::query("UPDATE photos SET starred_at = 1 WHERE photo_id = $1");
        let done = star.bind(photo_id.to_owned()).execute(&mut connection).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }

    /// Writes into the catalogue, as web tiers do.
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::any::install_default_drivers();
        let url = self.config().database_url();
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    }

    /// Adds a job as a producer does; answers its id.
    pub(crate) async fn add(&self, queue: &str, kind: &str, payload: Value) -> String {
        self.add_with(queue, kind, payload, JobOptions::default()).await
    }

    pub(crate) async fn add_with(
        &self,
        queue: &str,
        kind: &str,
        payload: Value,
        options: JobOptions,
    ) -> String {
        let queue = self.queues().await.queue(queue).await.unwrap();
        let job = queue.add(kind, payload).options(options).await.unwrap();
        job.id().to_owned()
    }

    /// Adds jobs of one kind as a producer does that has many; answers their ids in order.
    pub(crate) async fn add_many(
        &self,
        queue: &str,
        kind: &str,
        payloads: impl IntoIterator<Item = Value>,
    ) -> Vec<String> {
        let queue = self.queues().await.queue(queue).await.unwrap();
        let payloads: Vec<Value> = payloads.into_iter().collect();
        let mut ids = Vec::with_capacity(payloads.len());
        for chunk in payloads.chunks(1_000) {
            let jobs = chunk.iter().map(|payload| BulkJob::new(kind, payload)).collect();
            let added = queue.add_bulk(jobs).await.unwrap();
            ids.extend(added.iter().map(|job| job.id().to_owned()));
        }
        ids
    }

    /// The job when it has reached a state.
    pub(crate) async fn reached(&self, queue: &str, id: &str, wanted: JobState) -> Job {
        let queues = self.queues().await;
        eventually(&format!("job {id} is {wanted:?}"), async || match queues.job(queue, id).await {
            Ok((job, state)) if state == wanted => Ok(job),
            Ok((job, state)) => Err(format!("{state:?}, {job:?}")),
            Err(error) => Err(format!("{error:?}")),
        })
        .await
    }

    pub(crate) async fn completed(&self, queue: &str, id: &str) -> Job {
        self.reached(queue, id, JobState::Completed).await
    }

    pub(crate) async fn failed(&self, queue: &str, id: &str) -> Job {
        self.reached(queue, id, JobState::Failed).await
    }

    /// Waits until a checkpoint that fits has been saved; answers it.
    pub(crate) async fn checkpoint(
        &self,
        queue: &str,
        id: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        let queues = self.queues().await;
        eventually(&format!("job {id} has a checkpoint"), async || {
            match queues.checkpoint(queue, id).await {
                Ok(Some(checkpoint)) if fits(&checkpoint) => Ok(checkpoint),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// The return value of a job that completes.
    pub(crate) async fn returned(&self, queue: &str, id: &str) -> Value {
        let job = self.completed(queue, id).await;
        serde_json::from_str(job.returnvalue()).unwrap()
    }

    /// Waits until the queue keeps nothing of a job.
    pub(crate) async fn gone(&self, queue: &str, id: &str) {
        let queues = self.queues().await;
        eventually(&format!("job {id} is gone"), async || match queues.job(queue, id).await {
            Err(QueueError::NoSuchJob { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    }

    /// One field of a job's hash.
    pub(crate) async fn field(&self, queue: &str, id: &str, field: &str) -> Option<String> {
        ::redis::cmd("HGET")
            .arg(format!("{}:{queue}:{id}", self.prefix))
            .arg(field)
            .query_async(&mut self.queues().await.redis())
            .await
            .unwrap()
    }

    /// The jobs of all events of one name that a queue keeps.
    pub(crate) async fn events(&self, queue: &str, name: &str) -> Vec<String> {
        let stream: ::redis::streams::StreamRangeReply = ::redis::cmd("XRANGE")
            .arg(format!("{}:{queue}:events", self.prefix))
            .arg("-")
            .arg("+")
            .query_async(&mut self.queues().await.redis())
            .await
            .unwrap();
        let named =
            stream.ids.iter().filter(|entry| entry.get::<String>("event").as_deref() == Some(name));
        named.map(|entry| entry.get("jobId").unwrap()).collect()
    }

    /// The only dead letter of a job.
    pub(crate) async fn letter(&self, id: &str) -> DeadLetter {
        let catalogue = self.catalogue().await;
        eventually(&format!("job {id} is a dead letter"), async || {
            let filter = DeadLetterFilter { retried: true, ..DeadLetterFilter::default() };
            let letters = catalogue.dead_letters(&filter).await.unwrap();
            let (own, others): (Vec<_>, Vec<_>) =
                letters.into_iter().partition(|letter| letter.job_id == id);
            match <[DeadLetter; 1]>::try_from(own) {
                Ok([letter]) => Ok(letter),
                Err(own) => Err(format!("{own:?} among {others:?}")),
            }
        })
        .await
    }
}

/// A user that no other test has: progress of scans is not under the test's prefix.
pub(crate) fn user() -> i64 {
    static LAST: AtomicI64 = AtomicI64::new(1_000);
    LAST.fetch_add(1, Ordering::Relaxed)
}
