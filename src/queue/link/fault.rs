//! What an error says about the connection that it came over.

use std::fmt;

use redis::{ErrorKind, RedisError, ServerError, Value};

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is dead, or nobody answers at its other end: replace it.
    Broken,
    /// The server is not the master, or not ready to be: look again for the one that is.
    Moved,
    /// The server is the right one and refuses for now: the same command may work later.
    Refused(Refusal),
    /// The command itself is wrong, or not allowed.
    Command,
}

/// Why a server that answers does not do what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `maxmemory` is reached, and nothing may be evicted.
    Full,
    /// It cannot save to its disk (`stop-writes-on-bgsave-error`, a failed append).
    Disk,
    /// Fewer replicas than `min-replicas-to-write` keep up.
    Replicas,
    /// A script blocks it, or a part of the cluster is down.
    Busy,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => {
                "its memory is full (maxmemory is reached); raise maxmemory, or keep fewer finished \
                 jobs (removeOnComplete, removeOnFail)"
            }
            Self::Disk => "it cannot write to its disk; make room there, its log says more",
            Self::Replicas => {
                "too few replicas keep up with it (min-replicas-to-write); bring them back"
            }
            Self::Busy => "a script blocks it, or a part of the Cluster is down; it goes on by itself",
        })
    }
}

/// Codes by which a server tells that writes belong elsewhere, or that it has only just started.
const MOVED: [&str; 4] = ["READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED"];

impl Fault {
    /// What an error means.
    pub fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io | ErrorKind::Parse | ErrorKind::ClusterConnectionNotFound => Self::Broken,
            _ => Self::of_code(error.code().unwrap_or_default(), error.detail()),
        }
    }

    /// Whether another connection would help.
    pub(super) fn concerns_the_connection(self) -> bool {
        matches!(self, Self::Broken | Self::Moved)
    }

    /// What a reply means, if it is an error: those of the server come as replies.
    pub(super) fn in_reply(reply: &Value) -> Option<(Self, &ServerError)> {
        match reply {
            Value::ServerError(error) => {
                Some((Self::of_code(error.code(), error.details()), error))
            }
            _ => None,
        }
    }

    fn of_code(code: &str, detail: Option<&str>) -> Self {
        if MOVED.contains(&code) {
            return Self::Moved;
        }
        match code {
            "OOM" => Self::Refused(Refusal::Full),
            "MISCONF" => Self::Refused(Refusal::Disk),
            "NOREPLICAS" => Self::Refused(Refusal::Replicas),
            "BUSY" | "CLUSTERDOWN" | "TRYAGAIN" => Self::Refused(Refusal::Busy),
            // Redis 6 wraps what a script met: `ERR Error running script … -READONLY You can't …`.
            "ERR" => {
                detail.and_then(wrapped).map_or(Self::Command, |code| Self::of_code(code, None))
            }
            _ => Self::Command,
        }
    }
}

/// The code that an error of a script carries in its text.
fn wrapped(detail: &str) -> Option<&str> {
    let (_, inner) = detail.split_once(": -")?;
    inner.split_whitespace().next().filter(|code| *code != "ERR")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn errors_say_what_to_do() {
        let io = |kind| RedisError::from(std::io::Error::from(kind));
        let script =
            "Error running script (call to f_1): @user_script:3: -READONLY You can't write";
        for (error, expected) in [
            (io(std::io::ErrorKind::BrokenPipe), Fault::Broken),
            (io(std::io::ErrorKind::TimedOut), Fault::Broken),
            (server("READONLY", "You can't write against a read only replica."), Fault::Moved),
            (server("LOADING", "Redis is loading the dataset in memory"), Fault::Moved),
            (server("MASTERDOWN", "Link with MASTER is down"), Fault::Moved),
            (server("UNBLOCKED", "force unblock from blocking operation"), Fault::Moved),
            (server("ERR", script), Fault::Moved),
            (server("OOM", "command not allowed"), Fault::Refused(Refusal::Full)),
            (server("MISCONF", "Errors writing to the AOF file"), Fault::Refused(Refusal::Disk)),
            (server("NOREPLICAS", "Not enough good replicas"), Fault::Refused(Refusal::Replicas)),
            (server("BUSY", "Redis is busy running a script"), Fault::Refused(Refusal::Busy)),
            (server("ERR", "wrong number of arguments: -1"), Fault::Command),
            (server("NOPERM", "this user has no permissions"), Fault::Command),
            (server("NOSCRIPT", "No matching script"), Fault::Command),
        ] {
            assert_eq!(Fault::of(&error), expected, "{error}");
        }
    }
}
