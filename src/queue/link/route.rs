//! Where a connection leads.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline,
    RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
};
use tokio::time::{sleep, timeout};

use super::fault::Fault;
use super::no_answer;
use super::sentinels::Sentinels;

/// As configured: from here every connection starts anew.
#[derive(Debug)]
pub(in crate::queue) struct Route {
    pub(in crate::queue) goal: Goal,
    pub(in crate::queue) answer_within: Duration,
    /// In a Cluster, the slot of all queues.
    pub(in crate::queue) prefix: String,
}

/// What a route leads to.
#[derive(Debug)]
pub(in crate::queue) enum Goal {
    /// Always the same.
    Place(Place),
    /// The master that sentinels name; `like` it but for host and port.
    Master { sentinels: Sentinels, like: Box<ConnectionInfo>, connect_within: Duration },
}

/// Something that a connection can be opened to.
#[derive(Clone)]
pub(in crate::queue) enum Place {
    Server { info: Box<ConnectionInfo>, connect_within: Duration },
    Cluster { client: Box<ClusterClient>, names: String, connect_within: Duration },
}

/// An open connection, with no time limit of its own for answers.
#[derive(Clone)]
pub(in crate::queue) enum Socket {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Route {
    /// Opens a connection to a server that is ready to work.
    pub(super) async fn open(&mut self) -> RedisResult<(Socket, Place)> {
        let place = self.goal.place().await?;
        let mut socket = place.open().await?;
        let limit = self.answer_within;
        let asking = timeout(limit, ready(&mut socket, &self.prefix));
        asking.await.unwrap_or_else(|_| Err(no_answer(limit)))?;
        Ok((socket, place))
    }

    /// Waits until sentinels name another master than this.
    pub(super) async fn master_moves(&mut self, from: &Place, look_every: Duration) -> String {
        loop {
            sleep(look_every).await;
            if let Goal::Place(_) = self.goal {
                return std::future::pending().await;
            }
            if let Ok(place) = self.goal.place().await
                && place.to_string() != from.to_string()
            {
                return format!("the master is {place} now");
            }
        }
    }
}

impl Goal {
    async fn place(&mut self) -> RedisResult<Place> {
        match self {
            Self::Place(place) => Ok(place.clone()),
            Self::Master { sentinels, like, connect_within } => {
                let (host, port) = sentinels.master(*connect_within).await?;
                let address = match like.addr().clone() {
                    ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                        ConnectionAddr::TcpTls { host, port, insecure, tls_params }
                    }
                    _ => ConnectionAddr::Tcp(host, port),
                };
                let info = Box::new((**like).clone().set_addr(address));
                Ok(Place::Server { info, connect_within: *connect_within })
            }
        }
    }
}

/// Fails unless the server is the master and has loaded its data.
async fn ready(socket: &mut Socket, prefix: &str) -> RedisResult<()> {
    // A replica answers this one, and a server that loads its data the other.
    let ping = socket.send_home(&redis::cmd("PING"), prefix).await.and_then(Value::extract_error);
    if let Err(error) = ping
        && Fault::of(&error).concerns_the_connection()
    {
        return Err(error);
    }
    let role = socket.send_home(&redis::cmd("ROLE"), prefix).await.and_then(Value::extract_error);
    match role {
        Ok(Value::Array(role)) if role.first().is_some_and(is_replica) => Err(RedisError::from((
            ErrorKind::Server(ServerErrorKind::ReadOnly),
            "the server is a replica, which takes no jobs",
        ))),
        // Users who may not ask, and proxies that do not know, meet it with their first command.
        Err(error) if Fault::of(&error).concerns_the_connection() => Err(error),
        _ => Ok(()),
    }
}

fn is_replica(role: &Value) -> bool {
    redis::from_redis_value_ref::<String>(role).is_ok_and(|role| role == "slave")
}

impl Place {
    pub(in crate::queue) async fn open(&self) -> RedisResult<Socket> {
        match self {
            Self::Server { info, connect_within } => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(*connect_within))
                    .set_response_timeout(None);
                let client = Client::open((**info).clone())?;
                let connection =
                    client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(Socket::Server(connection))
            }
            Self::Cluster { client, connect_within, .. } => {
                // A node or two may be dead, and each takes that long to find out.
                let limit = *connect_within * 3;
                let opening = timeout(limit, client.get_async_connection());
                let connection = opening.await.unwrap_or_else(|_| Err(no_answer(limit)))?;
                Ok(Socket::Cluster(connection))
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { info, .. } => info.addr().fmt(f),
            Self::Cluster { names, .. } => write!(f, "the cluster of {names}"),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ConnectionLike for Socket {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}
