//! The task that watches a connection and replaces it.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisResult;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::fault::Fault;
use super::route::{Place, Route, Socket};
use super::{Link, State, Wire, no_answer};

/// Pause between looks at a connection that seems well.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Pauses between attempts: the first is made at once.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(150),
    Duration::from_millis(250),
];

/// Where the next connection comes from.
pub(super) enum Source {
    /// As configured.
    Route(Box<Route>),
    /// Wherever another link leads.
    Beside {
        /// That link.
        leader: Link,
        /// `CLIENT SETNAME`.
        name: String,
        /// The leader's generation when the connection was opened.
        since: u64,
    },
}

/// Runs until it is aborted.
pub(super) async fn keep(
    mut source: Source,
    state: Arc<watch::Sender<State>>,
    answer_within: Duration,
) {
    let mut changes = state.subscribe();
    let mut opened = Instant::now();
    loop {
        let current = state.borrow().wire.clone();
        let mut attempts = 0;
        if let Some(Wire { socket, place, life }) = current {
            tokio::select! {
                _ = changes.wait_for(|state| state.wire.is_none()) => {}
                trouble = source.trouble(socket, &place, answer_within) => {
                    state.send_if_modified(|state| state.lose(life.generation, &trouble));
                }
            }
            source.tell(|| {
                tracing::warn!(reason = %state.borrow().trouble, "lost the connection to Redis");
            });
            // A server that answers, but is the wrong one, must not be hammered.
            attempts = usize::from(opened.elapsed() < LOOK_EVERY);
        }
        let lost = Instant::now();
        let (socket, place) = loop {
            if let Some(before) = attempts.checked_sub(1) {
                sleep(PAUSES[before.min(PAUSES.len() - 1)]).await;
            }
            attempts += 1;
            match source.open().await {
                Ok(next) => break next,
                Err(error) => state.send_modify(|state| state.trouble = error.to_string()),
            }
        };
        opened = Instant::now();
        source.tell(|| tracing::info!(%place, after = ?lost.elapsed(), "connected to Redis again"));
        state.send_modify(|state| state.renew(socket, place));
    }
}

impl Source {
    async fn open(&mut self) -> RedisResult<(Socket, Place)> {
        match self {
            Self::Route(route) => route.open().await,
            Self::Beside { leader, name, since } => {
                let Wire { place, life, .. } = leader.next_wire().await;
                *since = life.generation;
                let mut socket = place.open().await?;
                // Some managed servers and some users are not allowed to; then it has no name.
                let _ = redis::cmd("CLIENT")
                    .arg("SETNAME")
                    .arg(name.as_str())
                    .query_async::<()>(&mut socket)
                    .await;
                Ok((socket, place))
            }
        }
    }

    /// Waits until there is a reason to replace a connection that nobody has complained about.
    async fn trouble(
        &mut self,
        mut socket: Socket,
        place: &Place,
        answer_within: Duration,
    ) -> String {
        match self {
            Self::Route(route) => {
                let prefix = route.prefix.clone();
                tokio::select! {
                    trouble = heart_stops(&mut socket, &prefix, answer_within) => trouble,
                    trouble = route.master_moves(place, LOOK_EVERY) => trouble,
                }
            }
            Self::Beside { leader, since, .. } => {
                leader.changed(*since).await;
                "Redis was reconnected".to_owned()
            }
        }
    }

    /// Those beside another link fail with it, which says so.
    fn tell(&self, say: impl FnOnce()) {
        if matches!(self, Self::Route(_)) {
            say();
        }
    }
}

/// Asks for a sign of life until there is none.
async fn heart_stops(socket: &mut Socket, prefix: &str, answer_within: Duration) -> String {
    let ping = redis::cmd("PING");
    loop {
        sleep(LOOK_EVERY).await;
        let answer = timeout(answer_within, socket.send_home(&ping, prefix)).await;
        let answer = answer.unwrap_or_else(|_| Err(no_answer(answer_within)));
        // A user who may not ping has an answer too.
        if let Err(error) = answer.and_then(redis::Value::extract_error)
            && Fault::of(&error).concerns_the_connection()
        {
            return error.to_string();
        }
    }
}
