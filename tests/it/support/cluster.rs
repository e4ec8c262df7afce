//! A Redis Cluster.

use std::time::Duration;

use super::redis::{self, RedisServer, free_port_in};
use super::{Missing, within};

const SLOTS: u16 = 16_384;
const MASTERS: u16 = 3;
/// From when a node that does not answer counts as down, where none is killed.
pub(crate) const PATIENT: Duration = Duration::from_secs(15);
const FORMS_WITHIN: Duration = Duration::from_secs(30);

/// A port with which that of the nodes' own talk is free, too.
pub(crate) fn node_port() -> u16 {
    let both = |port: &u16| {
        let other = port.checked_add(10_000)?;
        std::net::TcpListener::bind(("127.0.0.1", other)).ok()
    };
    loop {
        let port = free_port_in(12_000..14_000);
        if both(&port).is_some() {
            return port;
        }
    }
}

/// Three masters, and a replica of the one that matters.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<(u16, RedisServer)>,
    /// Master of the keys that begin with the prefix.
    home: usize,
}

impl Cluster {
    /// Starts one for keys that begin with this prefix, whose hash tag says where they lie.
    pub(crate) async fn start(prefix: &str, down_after: Duration) -> Result<Self, Missing> {
        redis::complete()?;
        let down_after = down_after.as_millis().to_string();
        let mut nodes = Vec::new();
        for _ in 0..=MASTERS {
            let port = node_port();
            let port_text = port.to_string();
            let mut options = vec!["--port", &port_text, "--cluster-enabled", "yes"];
            options.extend(["--cluster-node-timeout", &down_after]);
            nodes.push((port, RedisServer::start(&options)?));
        }
        let meet = format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].0);
        for (_, node) in &nodes[1..] {
            node.ask::<()>(&meet).unwrap();
        }
        let bounds: Vec<u16> = (0..=MASTERS)
            .map(|n| u16::try_from(u32::from(n) * u32::from(SLOTS) / 3).unwrap())
            .collect();
        for (bounds, (_, node)) in bounds.windows(2).zip(&nodes) {
            let slots: Vec<String> = (bounds[0]..bounds[1]).map(|slot| slot.to_string()).collect();
            node.ask::<()>(&format!("CLUSTER ADDSLOTS {}", slots.join(" "))).unwrap();
        }
        let slot: u16 = nodes[0].1.ask(&format!("CLUSTER KEYSLOT {prefix}")).unwrap();
        let home = bounds.iter().position(|bound| *bound > slot).unwrap() - 1;
        let cluster = Self { nodes, home };
        cluster.forms().await;
        Ok(cluster)
    }

    async fn forms(&self) {
        let (master, replica) = (&self.nodes[self.home].1, &self.nodes[usize::from(MASTERS)].1);
        let id: String = master.ask("CLUSTER MYID").unwrap();
        // Once it has heard of its master.
        within(FORMS_WITHIN, "a replica", async || {
            replica.ask::<()>(&format!("CLUSTER REPLICATE {id}")).map_err(|e| e.to_string())
        })
        .await;
        within(FORMS_WITHIN, "the cluster forms", async || {
            let all = self.nodes.iter().map(|(_, node)| node.ask("CLUSTER INFO"));
            let all: Vec<String> = all.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
            let well = |info: &String| {
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:4")
            };
            let replication: String = master.ask("INFO replication").unwrap();
            let copied = replication.contains("state=online");
            if all.iter().all(well) && copied { Ok(()) } else { Err(format!("{all:?}")) }
        })
        .await;
    }

    /// What the configuration says of it: two of its nodes, neither of which holds the queues.
    pub(crate) fn settings(&self) -> [(&'static str, String); 2] {
        let masters = self.nodes.iter().take(usize::from(MASTERS)).enumerate();
        let others = masters.filter(|(number, _)| *number != self.home);
        let others: Vec<String> =
            others.map(|(_, (port, _))| format!("127.0.0.1:{port}")).collect();
        [
            ("redis.url", "redis://of-no-matter".to_owned()),
            ("redis.cluster_nodes", others.join(",")),
        ]
    }

    /// The node that holds the queues, until it dies.
    pub(crate) fn home(&self) -> &RedisServer {
        &self.nodes[self.home].1
    }
}
