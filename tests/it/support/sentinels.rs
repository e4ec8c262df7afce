//! A master, its replicas and the sentinels that watch them.

use std::collections::HashMap;
use std::time::Duration;

use super::redis::{self, RedisServer, free_port};
use super::{Missing, within};

const NAME: &str = "concerts";
const PASSWORD: &str = "behind-the-stage";
const SENTINELS_PASSWORD: &str = "at-the-door";
/// From when a server that does not answer counts as down.
const DOWN_AFTER: Duration = Duration::from_secs(2);
const HEALED_WITHIN: Duration = Duration::from_mins(1);

/// Three servers and three sentinels.
#[derive(Debug)]
pub(crate) struct Sentinels {
    servers: Vec<(u16, RedisServer)>,
    sentinels: Vec<(u16, RedisServer)>,
}

impl Sentinels {
    /// Starts them; every write needs a replica that keeps up.
    pub(crate) async fn start() -> Result<Self, Missing> {
        redis::complete()?;
        let mut servers = Vec::new();
        for _ in 0..3 {
            let port = free_port();
            let port_text = port.to_string();
            let mut options = vec!["--port", &port_text, "--repl-diskless-sync-delay", "0"];
            options.extend(["--min-replicas-to-write", "1"]);
            options.extend(["--requirepass", PASSWORD, "--masterauth", PASSWORD]);
            let master = servers.first().map(|(port, _)| format!("127.0.0.1 {port}"));
            if let Some(master) = &master {
                options.extend(["--replicaof", master]);
            }
            servers.push((port, RedisServer::start(&options)?));
        }
        let master = servers[0].0;
        let configuration = format!(
            "sentinel monitor {NAME} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {NAME} {}\n\
             sentinel failover-timeout {NAME} 5000\n\
             sentinel parallel-syncs {NAME} 2\n\
             sentinel auth-pass {NAME} {PASSWORD}\n\
             sentinel sentinel-pass {SENTINELS_PASSWORD}\n",
            DOWN_AFTER.as_millis()
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let port = free_port();
            let options = ["--port", &port.to_string(), "--requirepass", SENTINELS_PASSWORD];
            sentinels.push((port, RedisServer::sentinel(&configuration, &options)?));
        }
        let all = Self { servers, sentinels };
        all.healed().await;
        Ok(all)
    }

    /// What the configuration says of them, and of two sentinels that are not there.
    pub(crate) fn settings(&self) -> [(&'static str, String); 4] {
        let mut addresses: Vec<String> =
            self.sentinels.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        // One refuses, the other is silent.
        addresses.extend(["127.0.0.1:1".to_owned(), "192.0.2.1:26379".to_owned()]);
        [
            ("redis.url", format!("redis://:{PASSWORD}@of-no-matter")),
            ("redis.sentinels", addresses.join(",")),
            ("redis.sentinel_master", NAME.to_owned()),
            ("redis.sentinel_password", SENTINELS_PASSWORD.to_owned()),
        ]
    }

    /// The master now, as most sentinels know it.
    pub(crate) fn master(&self) -> u16 {
        let named: Vec<u16> =
            self.views().iter().filter_map(|view| view.get("port")?.parse().ok()).collect();
        let votes = |port: &u16| named.iter().filter(|other| *other == port).count();
        named.iter().copied().max_by_key(votes).unwrap()
    }

    pub(crate) fn server(&self, port: u16) -> &RedisServer {
        &self.servers.iter().find(|(own, _)| *own == port).unwrap().1
    }

    /// Waits until all servers and sentinels agree, and replicas keep up.
    pub(crate) async fn healed(&self) {
        within(HEALED_WITHIN, "the servers agree", async || {
            let views = self.views();
            let master = self.master();
            let agree = views.iter().all(|view| {
                let is = |key, value: &str| view.get(key).is_some_and(|have| have == value);
                is("port", &master.to_string())
                    && is("flags", "master")
                    && is("num-slaves", "2")
                    && is("num-other-sentinels", "2")
            });
            let info: String = self.server(master).ask("INFO replication").unwrap();
            if agree && info.contains("min_slaves_good_slaves:2") {
                Ok(())
            } else {
                Err(format!("{views:?} {info}"))
            }
        })
        .await;
    }

    fn views(&self) -> Vec<HashMap<String, String>> {
        let ask = |(_, sentinel): &(u16, RedisServer)| {
            sentinel.ask(&format!("SENTINEL MASTER {NAME}")).unwrap()
        };
        self.sentinels.iter().map(ask).collect()
    }
}
