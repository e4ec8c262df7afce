//! A connection to Redis that replaces itself.
//!
//! One multiplexed socket (or one per node of a Cluster), watched by a task of its own: when a
//! command meets a dead connection, a server that does not answer or one that is not the master any
//! more, or when a heartbeat does, the connection is dropped and the next one opened, at once and
//! then several times a second. Commands meanwhile wait for a moment, and then fail with the reason.
//!
//! - [`fault`]: what an error says about its connection;
//! - [`route`]: where a connection leads: a server, the master that sentinels name, a Cluster;
//! - [`sentinels`]: asking them for the master;
//! - [`keeper`]: the task that watches and replaces.

mod blocking;
pub mod fault;
mod keeper;
pub(super) mod route;
pub(super) mod sentinels;

use std::io;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use redis::aio::ConnectionLike;
use redis::cluster_routing::{Route as Slot, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use blocking::blocks_for;
use fault::Fault;
use keeper::Source;
use route::{Place, Route, Socket};

/// How long a command waits for a connection before it fails.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection that replaces itself. Cheap to clone; the clones share it.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    state: Arc<watch::Sender<State>>,
    /// Longest time for an answer, beside the time that a command blocks by itself.
    answer_within: Duration,
    prefix: String,
    /// Ends with the last clone.
    _keeper: AbortOnDropHandle<()>,
}

/// What all clones share.
struct State {
    /// Counts connections, from 1.
    generation: u64,
    /// None while it is being replaced.
    wire: Option<Wire>,
    /// Why there is none.
    trouble: String,
}

/// One connection.
#[derive(Clone)]
struct Wire {
    socket: Socket,
    place: Place,
    life: Life,
}

/// The time of one connection.
#[derive(Clone)]
struct Life {
    generation: u64,
    /// Cancelled when the connection is given up, so that no command waits for it in vain.
    gone: CancellationToken,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

impl Link {
    /// Opens the first connection; fails when that does.
    pub(super) async fn open(mut route: Route) -> RedisResult<Self> {
        let first = route.open().await?;
        let (answer_within, prefix) = (route.answer_within, route.prefix.clone());
        Ok(Self::keep(Some(first), Source::Route(Box::new(route)), answer_within, prefix))
    }

    /// A socket of its own to the same server, for commands that block such as `BZPOPMIN`. They need
    /// a time limit; their answer is awaited a little longer. It follows this link to another server,
    /// which fails a command that blocks just then, and is known to Redis by its name.
    #[must_use]
    pub fn dedicated(&self, client_name: &str) -> Self {
        let Shared { answer_within, prefix, .. } = &*self.shared;
        let source =
            Source::Beside { leader: self.clone(), name: client_name.to_owned(), since: 0 };
        Self::keep(None, source, *answer_within, prefix.clone())
    }

    fn keep(
        first: Option<(Socket, Place)>,
        source: Source,
        answer_within: Duration,
        prefix: String,
    ) -> Self {
        let state = State { generation: 0, wire: None, trouble: "not connected yet".to_owned() };
        let state = Arc::new(watch::Sender::new(state));
        if let Some((socket, place)) = first {
            state.send_modify(|state| state.renew(socket, place));
        }
        let keeper = tokio::spawn(keeper::keep(source, Arc::clone(&state), answer_within));
        let shared =
            Shared { state, answer_within, prefix, _keeper: AbortOnDropHandle::new(keeper) };
        Self { shared: Arc::new(shared) }
    }

    /// Counts the connections so far: another number means that Redis was away, or is another server.
    pub fn generation(&self) -> u64 {
        self.shared.state.borrow().generation
    }

    /// Waits for a connection later than this generation; answers its own.
    pub async fn changed(&self, since: u64) -> u64 {
        let mut state = self.shared.state.subscribe();
        // The sender is a part of this link.
        state.wait_for(|s| s.generation > since).await.map_or(since, |state| state.generation)
    }

    /// Where it leads now, and the generation; waits for a moment if it leads nowhere.
    pub(super) async fn place(&self) -> RedisResult<(u64, Place)> {
        self.wire().await.map(|wire| (wire.life.generation, wire.place))
    }

    /// Runs something that goes over another connection to the same server; fails when this link's
    /// connection is given up meanwhile.
    pub(super) async fn unless_lost<T>(&self, work: impl Future<Output = T>) -> RedisResult<T> {
        let Wire { life, .. } = self.wire().await?;
        tokio::select! {
            done = work => Ok(done),
            () = life.gone.cancelled() => Err(self.no_connection()),
        }
    }

    /// Runs a command that names no key, such as `SCAN`, on the server that holds the queues.
    pub(super) async fn query_at_home<T: FromRedisValue>(&self, cmd: &Cmd) -> RedisResult<T> {
        let Wire { mut socket, life, .. } = self.wire().await?;
        let reply = socket.send_home(cmd, &self.shared.prefix);
        let reply = self.settle(&life, self.shared.answer_within, reply, slice::from_ref).await?;
        Ok(redis::from_redis_value(reply.extract_error()?)?)
    }

    fn no_connection(&self) -> RedisError {
        let trouble = &self.shared.state.borrow().trouble;
        let text = format!("no connection to Redis, trying again all the time: {trouble}");
        io::Error::new(io::ErrorKind::NotConnected, text).into()
    }

    /// The connection; fails when there is none for a while.
    async fn wire(&self) -> RedisResult<Wire> {
        if let Some(wire) = &self.shared.state.borrow().wire {
            return Ok(wire.clone());
        }
        timeout(PATIENCE, self.next_wire()).await.map_err(|_| self.no_connection())
    }

    /// The connection, as soon as there is one.
    async fn next_wire(&self) -> Wire {
        let mut state = self.shared.state.subscribe();
        loop {
            if let Some(wire) = &state.borrow_and_update().wire {
                return wire.clone();
            }
            if state.changed().await.is_err() {
                // Its sender is a part of this link.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits for an answer, and gives the connection up when it says so, or does not come.
    async fn settle<T>(
        &self,
        life: &Life,
        limit: Duration,
        answer: impl Future<Output = RedisResult<T>>,
        replies: impl Fn(&T) -> &[Value],
    ) -> RedisResult<T> {
        let result = tokio::select! {
            biased;
            answer = timeout(limit, answer) => answer.unwrap_or_else(|_| Err(no_answer(limit))),
            () = life.gone.cancelled() => Err(self.no_connection()),
        };
        let trouble = match &result {
            // Errors of single commands and of scripts are a part of the reply.
            Ok(reply) => replies(reply)
                .iter()
                .filter_map(Fault::in_reply)
                .find(|(fault, _)| fault.concerns_the_connection())
                .map(|(_, error)| error.to_string()),
            Err(error) => Fault::of(error).concerns_the_connection().then(|| error.to_string()),
        };
        if let Some(trouble) = trouble {
            self.shared.state.send_if_modified(|state| state.lose(life.generation, &trouble));
        }
        result
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        async move {
            let Wire { mut socket, life, .. } = self.wire().await?;
            let limit = self.shared.answer_within.saturating_add(blocks_for(cmd));
            self.settle(&life, limit, socket.req_packed_command(cmd), slice::from_ref).await
        }
        .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        async move {
            let Wire { mut socket, life, .. } = self.wire().await?;
            let answer = socket.req_packed_commands(pipeline, offset, count);
            self.settle(&life, self.shared.answer_within, answer, Vec::as_slice).await
        }
        .boxed()
    }

    fn get_db(&self) -> i64 {
        let state = self.shared.state.borrow();
        state.wire.as_ref().map_or(0, |wire| wire.socket.get_db())
    }
}

impl State {
    fn renew(&mut self, socket: Socket, place: Place) {
        self.generation += 1;
        let life = Life { generation: self.generation, gone: CancellationToken::new() };
        self.wire = Some(Wire { socket, place, life });
    }

    /// Gives a connection up; false when it is gone already.
    fn lose(&mut self, generation: u64, trouble: &str) -> bool {
        if generation != self.generation {
            return false;
        }
        let Some(wire) = self.wire.take() else {
            return false;
        };
        trouble.clone_into(&mut self.trouble);
        wire.life.gone.cancel();
        true
    }
}

impl Socket {
    async fn send_home(&mut self, cmd: &Cmd, prefix: &str) -> RedisResult<Value> {
        match self {
            Self::Server(connection) => connection.send_packed_command(cmd).await,
            Self::Cluster(connection) => {
                let home =
                    SingleNodeRoutingInfo::SpecificNode(Slot::with_key(prefix, SlotAddr::Master));
                connection.route_command(cmd.clone(), RoutingInfo::SingleNode(home)).await
            }
        }
    }
}

fn no_answer(limit: Duration) -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, format!("Redis gave no answer within {limit:?}")).into()
}
