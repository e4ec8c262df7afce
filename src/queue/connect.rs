//! Reaching Redis, and what we ask of the server before we trust it with jobs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bullmq::options::RedisConnectionOptions;
use bullmq::redis_connection::RedisConnection;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::{QueueError, Queues};
use crate::config::{self, redact_url};

pub(super) fn options(redis: &config::Redis) -> RedisConnectionOptions {
    RedisConnectionOptions { url: redis.url.reveal().to_owned(), ..Default::default() }
}

pub(super) async fn open(
    redis: &config::Redis,
    options: &RedisConnectionOptions,
) -> Result<RedisConnection, QueueError> {
    let failed = |source| QueueError::Connect {
        url: redact_url(redis.url.reveal()),
        source: Box::new(source),
    };
    // The crate itself would try for many seconds without saying why.
    redis::Client::open(options.url.as_str())
        .map_err(|error| failed(error.into()))?
        .get_multiplexed_async_connection()
        .await
        .map_err(|error| failed(error.into()))?;
    let opening = RedisConnection::new_managed_only(options);
    match tokio::time::timeout(Duration::from_secs(10), opening).await {
        Ok(result) => result.map_err(failed),
        Err(_) => Err(failed(bullmq::Error::ConnectionClosed)),
    }
}

impl Queues {
    /// A connection of its own for blocking commands.
    pub(super) fn dedicated(&self) -> redis::RedisResult<ConnectionManager> {
        let settings = ConnectionManagerConfig::new()
            .set_response_timeout(None)
            .set_max_delay(Duration::from_millis(200));
        let client = redis::Client::open(self.options.url.as_str())?;
        ConnectionManager::new_lazy_with_config(client, settings)
    }
}

/// One round trip.
pub async fn ping(queues: &Queues) -> Result<Duration, QueueError> {
    let mut redis = queues.redis();
    let started = Instant::now();
    redis::cmd("PING")
        .query_async::<()>(&mut redis)
        .await
        .map_err(|source| QueueError::Redis { step: "ping Redis", source })?;
    Ok(started.elapsed())
}

/// Refuses a server that may evict jobs, unless its policy is accepted by name.
pub async fn check_eviction(queues: &Queues, accepted: &str) -> Result<(), QueueError> {
    let mut redis = queues.redis();
    // INFO rather than CONFIG GET, which managed services forbid.
    let info: String = redis::cmd("INFO")
        .arg("memory")
        .query_async(&mut redis)
        .await
        .map_err(|source| QueueError::Redis { step: "read Redis' memory settings", source })?;
    match eviction_policy(&info) {
        Some(policy) if policy != "noeviction" && policy != accepted => {
            Err(QueueError::Evicts { policy: policy.to_owned() })
        }
        _ => Ok(()),
    }
}

fn eviction_policy(info: &str) -> Option<&str> {
    info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim)
}

/// Queues are found by their `meta` hashes, as every BullMQ board does.
pub(super) async fn queue_names(queues: &Queues) -> Result<Vec<String>, QueueError> {
    let mut redis = queues.redis();
    let prefix = format!("{}:", queues.prefix);
    let mut names = BTreeSet::new();
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{prefix}*:meta"))
            .arg("COUNT")
            .arg(1000)
            .query_async(&mut redis)
            .await
            .map_err(|source| QueueError::Redis { step: "list queues", source })?;
        names.extend(keys.iter().filter_map(|key| {
            let name = key.strip_prefix(&prefix)?.strip_suffix(":meta")?;
            // A job could have the id `meta`'s parent; queue names hold no colon.
            (!name.contains(':')).then(|| name.to_owned())
        }));
        cursor = next;
        if cursor == 0 {
            return Ok(names.into_iter().collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_read_from_info() {
        let info = "# Memory\r\nused_memory:1\r\nmaxmemory_policy:allkeys-lru\r\n";
        assert_eq!(eviction_policy(info), Some("allkeys-lru"));
        assert_eq!(eviction_policy("# Memory\r\n"), None);
    }
}
