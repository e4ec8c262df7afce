//! Reaching Redis, as configured: our link to it, and the crate's connection.

use std::path::Path;
use std::time::Duration;

use bullmq::options::{RedisConnectionOptions, TlsCerts};
use bullmq::redis_connection::RedisConnection;
use redis::cluster::ClusterClient;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode,
};
use tokio::time::timeout;

use super::QueueError;
use super::link::Link;
use super::link::route::{Goal, Place, Route};
use super::link::sentinels::Sentinels;
use crate::config::{self, redact_url};

/// A peer that is gone without a word is noticed by the system, too.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// More than it needs where we have connected already.
const CRATE_OPENS_WITHIN: Duration = Duration::from_secs(5);
/// How often, and how far apart, a Cluster is asked again before a command fails.
const CLUSTER_TRIES: u32 = 3;
const CLUSTER_PAUSE_MS: (u64, u64) = (50, 250);

/// What every connection to this Redis has in common.
pub(super) struct Settings {
    /// Address, user, password, database.
    info: ConnectionInfo,
    certificates: Option<TlsCertificates>,
}

impl Settings {
    pub(super) fn read(redis: &config::Redis) -> Result<Self, QueueError> {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 5);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        let failed = |source| unreachable_at(redis, source);
        let certificates = certificates(redis)?;
        let info = redis.url.reveal().into_connection_info().map_err(failed)?;
        let mut settings = Self { info: info.set_tcp_settings(tcp), certificates };
        settings.info = settings.trusting(settings.info.clone()).map_err(failed)?;
        Ok(settings)
    }

    /// With our certificates, where TLS is spoken.
    fn trusting(&self, info: ConnectionInfo) -> RedisResult<ConnectionInfo> {
        match (&self.certificates, info.addr()) {
            (Some(certificates), ConnectionAddr::TcpTls { .. }) => {
                let client = Client::build_with_tls(info, certificates.clone())?;
                Ok(client.get_connection_info().clone())
            }
            _ => Ok(info),
        }
    }

    fn tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// Opens the link that everything goes over.
    pub(super) async fn open(&self, redis: &config::Redis) -> Result<Link, QueueError> {
        let failed = |source| unreachable_at(redis, source);
        let connect_within = redis.connect_timeout;
        let like = Box::new(self.info.clone());
        let goal = if !redis.sentinels.is_empty() {
            let sentinels = self.sentinels(redis).map_err(failed)?;
            Goal::Master { sentinels, like, connect_within }
        } else if !redis.cluster_nodes.is_empty() {
            let client = Box::new(self.cluster(redis).map_err(failed)?);
            let names = redis.cluster_nodes.join(", ");
            Goal::Place(Place::Cluster { client, names, connect_within })
        } else {
            Goal::Place(Place::Server { info: like, connect_within })
        };
        let answer_within = redis.answer_timeout;
        let route = Route { goal, answer_within, prefix: redis.prefix.clone() };
        Link::open(route).await.map_err(failed)
    }

    fn sentinels(&self, redis: &config::Redis) -> Result<Sentinels, RedisError> {
        let infos = redis.sentinels.iter().map(|sentinel| {
            let info = self.trusting(self.url_of(sentinel).into_connection_info()?)?;
            let mut own = RedisConnectionInfo::default().set_skip_set_lib_name();
            if !redis.sentinel_username.is_empty() {
                own = own.set_username(&redis.sentinel_username);
            }
            if !redis.sentinel_password.is_empty() {
                own = own.set_password(redis.sentinel_password.reveal());
            }
            Ok(info.set_redis_settings(own))
        });
        Ok(Sentinels::new(redis.sentinel_master.clone(), infos.collect::<RedisResult<_>>()?))
    }

    fn cluster(&self, redis: &config::Redis) -> Result<ClusterClient, RedisError> {
        let nodes = redis.cluster_nodes.iter().map(|node| self.url_of(node));
        let mut client = ClusterClient::builder(nodes)
            .connection_timeout(redis.connect_timeout)
            .tcp_settings(self.info.tcp_settings().clone())
            .retries(CLUSTER_TRIES)
            .min_retry_wait(CLUSTER_PAUSE_MS.0)
            .max_retry_wait(CLUSTER_PAUSE_MS.1);
        if let Some(user) = self.info.redis_settings().username() {
            client = client.username(user);
        }
        if let Some(password) = self.info.redis_settings().password() {
            client = client.password(password);
        }
        if self.tls() {
            client = client.tls(TlsMode::Secure);
        }
        if let Some(certificates) = &self.certificates {
            client = client.certs(certificates.clone());
        }
        client.build()
    }

    /// `host:port` is reached with TLS where `redis.url` is.
    fn url_of(&self, node: &str) -> String {
        if node.contains("://") {
            return node.to_owned();
        }
        format!("{}://{node}", if self.tls() { "rediss" } else { "redis" })
    }

    /// Asks every configured sentinel and node by itself; answers what is wrong with them.
    pub(super) async fn silent(&self, redis: &config::Redis) -> RedisResult<Vec<String>> {
        let within = redis.connect_timeout;
        let mut silent = self.sentinels(redis)?.silent(within).await;
        for node in &redis.cluster_nodes {
            let addressed = self.url_of(node).into_connection_info()?;
            let own = self.info.redis_settings().clone();
            let info = Box::new(self.trusting(addressed)?.set_redis_settings(own));
            let place = Place::Server { info, connect_within: within };
            if let Err(error) = place.open().await {
                silent.push(format!("node {node} does not answer: {error}"));
            }
        }
        Ok(silent)
    }

    /// How the crate connects.
    pub(super) fn for_the_crate(&self, redis: &config::Redis) -> RedisConnectionOptions {
        let own = self.info.redis_settings();
        let certificates = self.certificates.clone();
        RedisConnectionOptions {
            url: redis.url.reveal().to_owned(),
            username: own.username().map(str::to_owned),
            password: own.password().map(str::to_owned),
            db: u8::try_from(own.db()).ok().filter(|db| *db > 0),
            tls: self.tls(),
            tls_certs: certificates.map(|TlsCertificates { client_tls, root_cert }| {
                let (client_cert, client_key) =
                    client_tls.map(|own| (own.client_cert, own.client_key)).unzip();
                TlsCerts { root_cert, client_cert, client_key }
            }),
            cluster_nodes: redis.cluster_nodes.iter().map(|node| self.url_of(node)).collect(),
            ..Default::default()
        }
    }
}

fn certificates(redis: &config::Redis) -> Result<Option<TlsCertificates>, QueueError> {
    let read = |key, path: &Path| {
        let failed = |source| QueueError::File { key, path: path.display().to_string(), source };
        (!path.as_os_str().is_empty()).then(|| std::fs::read(path).map_err(failed)).transpose()
    };
    let root_cert = read("redis.ca_file", &redis.ca_file)?;
    let client_cert = read("redis.cert_file", &redis.cert_file)?;
    let client_key = read("redis.key_file", &redis.key_file)?;
    let own = client_cert.zip(client_key);
    if root_cert.is_none() && own.is_none() {
        return Ok(None);
    }
    let client_tls =
        own.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    Ok(Some(TlsCertificates { client_tls, root_cert }))
}

fn unreachable_at(redis: &config::Redis, source: RedisError) -> QueueError {
    QueueError::Connect { place: place(redis), source }
}

/// Where Redis is, in words that hold no password.
pub(super) fn place(redis: &config::Redis) -> String {
    if !redis.sentinels.is_empty() {
        format!("master {} of the sentinels {}", redis.sentinel_master, redis.sentinels.join(", "))
    } else if !redis.cluster_nodes.is_empty() {
        format!("the cluster of {}", redis.cluster_nodes.join(", "))
    } else {
        redact_url(redis.url.reveal())
    }
}

/// How the crate connects to where the link leads.
fn options_at(options: &RedisConnectionOptions, place: &Place) -> RedisConnectionOptions {
    let mut options = options.clone();
    if let Place::Server { info, .. } = place
        && let ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } =
            info.addr()
    {
        options.host = Some(host.clone());
        options.port = Some(*port);
    }
    options
}

/// The crate's own connection, for producers' operations. By now we know that Redis is there; the
/// crate itself would try for many seconds without saying why.
pub(super) async fn open_for_producers(
    link: &Link,
    place: &Place,
    options: &RedisConnectionOptions,
) -> Result<RedisConnection, bullmq::Error> {
    let options = options_at(options, place);
    let opening = timeout(CRATE_OPENS_WITHIN, RedisConnection::new_managed_only(&options));
    link.unless_lost(opening).await?.unwrap_or(Err(bullmq::Error::ConnectionClosed))
}
