//! Asking sentinels for the master.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError,
    RedisResult,
};
use tokio::time::timeout;

use super::no_answer;

/// The sentinels of one master. Their connections are kept.
#[derive(Debug)]
pub(in crate::queue) struct Sentinels {
    name: String,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    info: ConnectionInfo,
    connection: Option<MultiplexedConnection>,
}

/// What one sentinel says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    host: String,
    port: u16,
    /// Grows with every failover, so that the latest news are known from older ones.
    epoch: u64,
}

impl Sentinels {
    pub(in crate::queue) fn new(name: String, sentinels: Vec<ConnectionInfo>) -> Self {
        let sentinels =
            sentinels.into_iter().map(|info| Sentinel { info, connection: None }).collect();
        Self { name, sentinels }
    }

    /// Those that do not name a master, and why.
    pub(in crate::queue) async fn silent(&mut self, within: Duration) -> Vec<String> {
        let asked = self.sentinels.iter_mut().map(|sentinel| sentinel.ask(&self.name, within));
        let answers = futures::future::join_all(asked).await;
        let silent = answers.into_iter().filter_map(|(from, answer)| Some((from, answer.err()?)));
        silent.map(|(from, error)| format!("sentinel {from} does not help: {error}")).collect()
    }

    /// The master as most sentinels know it: with one that is cut off, or dead, the others count.
    pub(super) async fn master(&mut self, within: Duration) -> RedisResult<(String, u16)> {
        let most = self.sentinels.len() / 2 + 1;
        let (mut heard, mut unheard) = (Vec::new(), Vec::new());
        let mut answers: FuturesUnordered<_> =
            self.sentinels.iter_mut().map(|sentinel| sentinel.ask(&self.name, within)).collect();
        while let Some((from, answer)) = answers.next().await {
            match answer {
                Ok(answer) => heard.push(answer),
                Err(error) => unheard.push(format!("{from}: {error}")),
            }
            if heard.len() >= most {
                break;
            }
        }
        latest(heard).map(|answer| (answer.host, answer.port)).ok_or_else(|| {
            let what = "no sentinel names the master";
            let why = format!("`{}`; {}", self.name, unheard.join("; "));
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, what, why))
        })
    }
}

fn latest(answers: Vec<Answer>) -> Option<Answer> {
    answers.into_iter().max_by_key(|answer| answer.epoch)
}

impl Sentinel {
    async fn ask(&mut self, name: &str, within: Duration) -> (ConnectionAddr, RedisResult<Answer>) {
        let answer = timeout(within, self.answer(name, within)).await;
        let answer = answer.unwrap_or_else(|_| Err(no_answer(within)));
        if answer.is_err() {
            self.connection = None;
        }
        (self.info.addr().clone(), answer)
    }

    async fn answer(&mut self, name: &str, within: Duration) -> RedisResult<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let config = AsyncConnectionConfig::new().set_connection_timeout(Some(within));
                let client = Client::open(self.info.clone())?;
                none.insert(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
        };
        // Knows of a new master before the failover is over, unlike `SENTINEL MASTER`.
        let found: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(name)
            .query_async(connection)
            .await?;
        let (host, port) = found.ok_or((
            ErrorKind::MasterNameNotFoundBySentinel,
            "it knows no master of this name (redis.sentinel_master)",
        ))?;
        let facts: RedisResult<HashMap<String, String>> =
            redis::cmd("SENTINEL").arg("MASTER").arg(name).query_async(connection).await;
        let epoch = facts.ok().and_then(|facts| facts.get("config-epoch")?.parse().ok());
        Ok(Answer { host, port, epoch: epoch.unwrap_or(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_news_count() {
        let answer = |port, epoch| Answer { host: "redis".to_owned(), port, epoch };
        for (answers, expected) in [
            (vec![], None),
            (vec![answer(1, 0)], Some(1)),
            (vec![answer(1, 3), answer(2, 4), answer(1, 3)], Some(2)),
            (vec![answer(2, 4), answer(1, 3)], Some(2)),
        ] {
            assert_eq!(latest(answers).map(|answer| answer.port), expected);
        }
    }
}
