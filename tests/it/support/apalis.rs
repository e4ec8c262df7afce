//! A Rust producer, with the crate that such producers use.

use apalis_core::backend::TaskSink as _;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::metadata::MetadataStore;
use apalis_core::task::task_id::TaskId;
use apalis_redis::{Config, ConnectionManager, RedisStorage};
use futures::stream;
use redis::aio::ConnectionManagerConfig;
use serde_json::Value;

use super::SOON;
use super::stage::Stage;

/// Tasks that one call of the crate pushes: all of them become one script of Redis.
const BULK: usize = 5_000;

/// Pushes tasks to one apalis queue.
pub(crate) struct Producer {
    pub(crate) storage: RedisStorage<Value>,
    pub(crate) redis: ConnectionManager,
    pub(crate) namespace: String,
}

impl Producer {
    /// To a queue whose name no other test has.
    pub(crate) async fn new(stage: &Stage) -> Self {
        let url = stage.config().redis.url.reveal().to_owned();
        Self::to(&url, &format!("{}-tasks", stage.prefix)).await
    }

    pub(crate) async fn to(url: &str, namespace: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        // A bulk may take longer than the half second that a plain `apalis_redis::connect` waits.
        let patient = ConnectionManagerConfig::new().set_response_timeout(Some(SOON));
        let redis = client.get_connection_manager_with_config(patient).await.unwrap();
        let config = Config::default().queue(namespace);
        let storage = RedisStorage::new(redis.clone()).with_config(config);
        Self { storage, redis, namespace: namespace.to_owned() }
    }

    pub(crate) async fn push_bulk(&mut self, args: impl IntoIterator<Item = Value>) {
        let args: Vec<Value> = args.into_iter().collect();
        for bulk in args.chunks(BULK) {
            self.storage.push_bulk(bulk.to_vec()).await.unwrap();
        }
    }

    /// Pushes a task for each of these seconds.
    pub(crate) async fn push_due(&mut self, args: &Value, seconds: impl IntoIterator<Item = u64>) {
        let due = |second| TaskBuilder::new(args.clone()).run_at_timestamp(second).build();
        let tasks: Vec<_> = seconds.into_iter().map(due).collect();
        for bulk in tasks.chunks(BULK) {
            self.storage.push_all(stream::iter(bulk.to_vec())).await.unwrap();
        }
    }

    /// Pushes tasks whose jobs leave nothing behind when they complete.
    pub(crate) async fn push_vanishing(
        &mut self,
        ids: impl IntoIterator<Item = String>,
        args: &Value,
    ) {
        let task = |id| {
            let task = TaskBuilder::new(args.clone()).task_id(TaskId::from_string(id));
            task.with_metadata(vanishing()).build()
        };
        let tasks: Vec<_> = ids.into_iter().map(task).collect();
        self.storage.push_all(stream::iter(tasks)).await.unwrap();
    }

    /// Pushes under an id of one's own, with whatever else is said.
    pub(crate) async fn push_as(
        &mut self,
        id: &str,
        args: Value,
        with: impl FnOnce(TaskBuilder<Value>) -> TaskBuilder<Value>,
    ) {
        let task = with(TaskBuilder::new(args).task_id(TaskId::from_string(id))).build();
        self.storage.push_task(task).await.unwrap();
    }

    /// Tasks that nobody has taken.
    pub(crate) async fn waiting(&self) -> u64 {
        let (given_back, scheduled): (u64, u64) = redis::pipe()
            .llen(self.key("active"))
            .zcard(self.key("scheduled"))
            .query_async(&mut self.redis.clone())
            .await
            .unwrap();
        given_back + scheduled
    }

    /// One of apalis' keys.
    pub(crate) fn key(&self, part: &str) -> String {
        format!("{}:{part}", self.namespace)
    }
}

/// Metadata of a task whose job leaves nothing behind when it completes.
pub(crate) fn vanishing() -> MetadataStore {
    let mut options = MetadataStore::new();
    options.insert("removeOnComplete", "true").unwrap();
    options
}
