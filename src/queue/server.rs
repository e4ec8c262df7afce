//! What we ask of Redis itself: whether it is there and may be trusted with jobs, and which queues it has.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use redis::{ErrorKind, ServerErrorKind};

use super::connect::{Settings, place};
use super::{QueueError, Queues};
use crate::config;

/// How long the trace of a look at Redis lasts.
const PULSE_LASTS: Duration = Duration::from_mins(1);

/// Where Redis is now, and what is wrong although it works: for `roadie check`.
pub async fn survey(queues: &Queues, redis: &config::Redis) -> Result<String, QueueError> {
    let failed = QueueError::of("look at Redis");
    let mut said = place(redis);
    if !redis.sentinels.is_empty() {
        let (_, now) = queues.link.place().await.map_err(failed)?;
        said = format!("{said}, now {now}");
    }
    let silent = Settings::read(redis)?.silent(redis).await.map_err(failed)?;
    let unknown = check_eviction(queues, &redis.allow_eviction_policy).await?;
    Ok([vec![said], silent, Vec::from_iter(unknown)].concat().join("; "))
}

/// One round trip.
pub async fn ping(queues: &Queues) -> Result<Duration, QueueError> {
    let mut redis = queues.redis();
    let started = Instant::now();
    redis::cmd("PING").query_async::<()>(&mut redis).await.map_err(QueueError::of("ping Redis"))?;
    Ok(started.elapsed())
}

/// Whether Redis takes writes: a full one still answers a ping.
pub async fn writable(queues: &Queues) -> Result<(), QueueError> {
    redis::cmd("SET")
        .arg(format!("{}:roadie:pulse", queues.prefix))
        .arg(1)
        .arg("EX")
        .arg(PULSE_LASTS.as_secs())
        .query_async::<()>(&mut queues.redis())
        .await
        .map_err(QueueError::of("write to Redis"))
}

/// Refuses a server that may evict jobs, unless its policy is accepted by name; answers a note where it
/// may not look.
pub async fn check_eviction(queues: &Queues, accepted: &str) -> Result<Option<String>, QueueError> {
    // INFO rather than CONFIG GET, which managed services forbid.
    let info = queues.link.query_at_home::<String>(redis::cmd("INFO").arg("memory")).await;
    let info = match info {
        Ok(info) => info,
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
            let note = "maxmemory-policy is not known, because the user may not run INFO";
            return Ok(Some(note.to_owned()));
        }
        Err(error) => return Err(QueueError::of("read Redis' memory settings")(error)),
    };
    match eviction_policy(&info) {
        Some(policy) if policy != "noeviction" && policy != accepted => {
            Err(QueueError::Evicts { policy: policy.to_owned() })
        }
        _ => Ok(None),
    }
}

fn eviction_policy(info: &str) -> Option<&str> {
    info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim)
}

/// Queues are found by their `meta` hashes, as every BullMQ board does.
pub(super) async fn queue_names(queues: &Queues) -> Result<Vec<String>, QueueError> {
    let prefix = format!("{}:", queues.prefix);
    let mut names = BTreeSet::new();
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{prefix}*:meta")).arg("COUNT").arg(1000);
        let (next, keys): (u64, Vec<String>) =
            queues.link.query_at_home(&scan).await.map_err(QueueError::of("list queues"))?;
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
