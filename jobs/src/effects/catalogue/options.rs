//! Where the catalogue is and how it is used.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::any::AnyConnectOptions;

use super::CatalogueError;

/// Where the catalogue is and how it is used. `Debug` shows no password.
#[derive(Clone)]
pub struct CatalogueOptions {
    /// `postgres://user:password@host/database?sslmode=…` or `sqlite:path/to/file.db`.
    pub url: String,
    /// A read-only copy for listings and reports; the same kind of database as `url`.
    pub read_replica_url: Option<String>,
    /// Connections at most, for each of the two URLs.
    pub pool_size: u32,
    /// How long to wait for a free connection.
    pub acquire_timeout: Duration,
    /// How long one statement may run (`PostgreSQL`), or wait for the write lock (`SQLite`, which
    /// cannot limit the run time).
    pub statement_timeout: Duration,
    /// When an unused connection is closed.
    pub idle_timeout: Duration,
    /// A query that takes longer is logged and counted.
    pub slow_query: Duration,
}

impl Default for CatalogueOptions {
    fn default() -> Self {
        Self {
            url: "sqlite:roadie.db".into(),
            read_replica_url: None,
            pool_size: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_mins(10),
            slow_query: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for CatalogueOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replica = self.read_replica_url.as_deref().map(without_secrets);
        f.debug_struct("CatalogueOptions")
            .field("url", &without_secrets(&self.url))
            .field("read_replica_url", &replica)
            .field("pool_size", &self.pool_size)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("slow_query", &self.slow_query)
            .finish()
    }
}

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    PostgreSql,
    Sqlite,
}

impl Backend {
    pub(super) fn of(url: &str) -> Result<Self, CatalogueError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Ok(Self::PostgreSql),
            Some("sqlite") => Ok(Self::Sqlite),
            _ => Err(CatalogueError::Url {
                reason: "begins with neither postgres:// nor sqlite:".into(),
            }),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PostgreSql => "postgresql",
            Self::Sqlite => "sqlite",
        }
    }
}

/// The URL without password and parameters (which may hold one too), for logs and messages.
pub(super) fn without_secrets(url: &str) -> String {
    let Ok(options) = AnyConnectOptions::from_str(url) else {
        return "(not a url)".into();
    };
    let mut url = options.database_url;
    url.set_query(None);
    url.set_fragment(None);
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "(not a url)".into();
    }
    url.into()
}

/// The file that an `SQLite` URL names.
pub(super) fn sqlite_file(url: &str) -> Result<PathBuf, CatalogueError> {
    let rest = url.strip_prefix("sqlite:").unwrap_or(url);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    // Every pooled connection would get an empty database of its own.
    if path.is_empty() || path == ":memory:" || parameters.contains("mode=memory") {
        return Err(CatalogueError::Url {
            reason: "an sqlite catalogue needs a file, it cannot be kept in memory".into(),
        });
    }
    match percent_decode_str(path).decode_utf8() {
        Ok(path) => Ok(PathBuf::from(path.as_ref())),
        Err(_) => Err(CatalogueError::Url { reason: "the path is not UTF-8".into() }),
    }
}

/// The `SQLite` URL with the permission to create the file, unless it says otherwise itself.
pub(super) fn creating(url: &str) -> String {
    if url.contains("mode=") {
        url.into()
    } else {
        format!("{url}{}mode=rwc", if url.contains('?') { '&' } else { '?' })
    }
}
