//! Opening the catalogue.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _};
use tokio::time::{Instant, sleep, timeout};

use super::options::{Backend, CatalogueOptions, creating, sqlite_file, without_secrets};
use super::{Catalogue, CatalogueError};

impl Catalogue {
    /// Opens the catalogue. An `SQLite` file is created when missing, with its folder; a
    /// `PostgreSQL` database must exist. The schema is left as it is: see [`Catalogue::migrate`].
    ///
    /// # Errors
    /// A bad URL; a folder that cannot be created; a database that cannot be opened.
    pub async fn connect(options: CatalogueOptions) -> Result<Self, CatalogueError> {
        install_default_drivers();
        let backend = Backend::of(&options.url)?;
        let url = match backend {
            Backend::PostgreSql => options.url.clone(),
            Backend::Sqlite => {
                create_folder(&options.url).await?;
                creating(&options.url)
            }
        };
        if backend == Backend::Sqlite {
            switch_to_wal(&url, options.acquire_timeout).await?;
        }
        let primary = open(&url, backend, &options).await?;
        let replica = match &options.read_replica_url {
            None => None,
            Some(url) if Backend::of(url)? == backend => Some(open(url, backend, &options).await?),
            Some(_) => {
                return Err(CatalogueError::Url {
                    reason: "the read replica is another kind of database".into(),
                });
            }
        };
        Ok(Self { primary, replica, backend, slow_query: options.slow_query })
    }
}

async fn open(
    url: &str,
    backend: Backend,
    options: &CatalogueOptions,
) -> Result<AnyPool, CatalogueError> {
    let opened = |source| CatalogueError::Open { url: without_secrets(url), source };
    let connect = connect_options(url).map_err(opened)?;
    // A pool that cannot connect only says that it timed out; a first connection says why.
    match timeout(options.acquire_timeout, AnyConnection::connect_with(&connect)).await {
        Ok(Ok(first)) => first.close().await.map_err(opened)?,
        Ok(Err(error)) => return Err(opened(error)),
        Err(_) => return Err(opened(sqlx::Error::PoolTimedOut)),
    }
    let limit_ms = options.statement_timeout.as_millis();
    AnyPoolOptions::new()
        .max_connections(options.pool_size.max(1))
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(options.idle_timeout)
        .after_connect(move |connection, _| {
            Box::pin(async move { prepare(connection, backend, limit_ms).await })
        })
        .connect_with(connect)
        .await
        .map_err(opened)
}

fn connect_options(url: &str) -> Result<AnyConnectOptions, sqlx::Error> {
    // Slow queries are logged by name in `Catalogue::timed`, without their values.
    Ok(AnyConnectOptions::from_str(url)?.disable_statement_logging())
}

/// Settings that belong to a connection, not to the database.
async fn prepare(
    connection: &mut AnyConnection,
    backend: Backend,
    limit_ms: u128,
) -> Result<(), sqlx::Error> {
    match backend {
        Backend::PostgreSql => {
            // A worker that freezes inside a transaction must not hold its locks for ever.
            let settings = "SELECT set_config('application_name', 'roadie', false), \
                            set_config('statement_timeout', $1, false), \
                            set_config('idle_in_transaction_session_timeout', $1, false)";
            sqlx::query(settings).bind(limit_ms.to_string()).execute(connection).await?;
        }
        Backend::Sqlite => {
            // NORMAL loses the last commits on a power cut, never the file; jobs are repeated.
            let settings = format!(
                "PRAGMA busy_timeout = {limit_ms}; PRAGMA synchronous = NORMAL; \
                 PRAGMA foreign_keys = ON"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(settings)).execute(connection).await?;
        }
    }
    Ok(())
}

/// Readers and a writer at the same time need the write-ahead log. The setting stays in the file.
async fn switch_to_wal(url: &str, patience: Duration) -> Result<(), CatalogueError> {
    let opened = |source| CatalogueError::Open { url: without_secrets(url), source };
    let give_up = Instant::now() + patience;
    loop {
        let mut connection =
            connect_options(url).map_err(opened)?.connect().await.map_err(opened)?;
        let switched = sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut connection).await;
        connection.close().await.map_err(opened)?;
        match switched.map_err(opened) {
            Ok(_) => return Ok(()),
            // SQLite answers "busy" at once, without waiting, while others open the same file.
            Err(error) if error.is_transient() && Instant::now() < give_up => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn create_folder(url: &str) -> Result<(), CatalogueError> {
    let file = sqlite_file(url)?;
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    tokio::fs::create_dir_all(folder)
        .await
        .map_err(|source| CatalogueError::Folder { folder: folder.display().to_string(), source })
}
