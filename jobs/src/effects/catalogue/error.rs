//! What can go wrong with the catalogue, named after the step that failed.

use std::time::Duration;

use sqlx::migrate::MigrateError;

use crate::job::JobError;

/// A step of the catalogue that failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The URL names no database that can be used.
    #[error("catalogue url: {reason}")]
    Url {
        /// What is wrong with it; holds no part of the URL.
        reason: String,
    },
    /// The folder of an `SQLite` file could not be created.
    #[error("create the catalogue's folder {folder}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The database could not be reached or opened.
    #[error("open the catalogue at {url}")]
    Open {
        /// The URL without its password.
        url: String,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// The database does not answer.
    #[error("ping the catalogue")]
    Ping(#[source] sqlx::Error),
    /// The list of applied migrations could not be read.
    #[error("read the list of applied migrations")]
    AppliedMigrations(#[source] MigrateError),
    /// A migration could not be applied, or was changed after it had been applied.
    #[error("apply migration {name}")]
    Migrate {
        /// The migration, as its file is named.
        name: String,
        /// Why not.
        #[source]
        source: MigrateError,
    },
    /// A transaction could not be started.
    #[error("begin a transaction")]
    Begin(#[source] sqlx::Error),
    /// A transaction could not be committed; whether it was is unknown.
    #[error("commit a transaction")]
    Commit(#[source] sqlx::Error),
    /// Rows could not be read.
    #[error("read from {table}")]
    Read {
        /// The table.
        table: &'static str,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// Rows could not be written.
    #[error("write to {table}")]
    Write {
        /// The table.
        table: &'static str,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// A stored value is not what this build expects.
    #[error("decode {table}.{column}")]
    Decode {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What it found instead.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An abbreviated dead letter id fits more than one.
    #[error("more than one dead letter has an id that begins with {prefix}")]
    AmbiguousId {
        /// What was asked for.
        prefix: String,
    },
}

/// What the database answers to whoever writes something of an erased user.
pub(super) const ERASED: &str = "the user was erased";

impl CatalogueError {
    /// Whether a row was refused because its user was erased.
    pub fn is_erased(&self) -> bool {
        let (Self::Write { source, .. } | Self::Commit(source)) = self else { return false };
        source.as_database_error().is_some_and(|error| error.message().contains(ERASED))
    }

    /// Whether the same call may succeed later without anybody changing anything.
    ///
    /// Unknown errors count as transient: repeating costs less than giving up on a job.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Url { .. } | Self::Decode { .. } | Self::AmbiguousId { .. } => false,
            // A disk may be mounted late.
            Self::Folder { .. } => true,
            Self::Open { source, .. }
            | Self::Ping(source)
            | Self::Begin(source)
            | Self::Commit(source)
            | Self::Read { source, .. }
            | Self::Write { source, .. } => transient(source),
            Self::AppliedMigrations(source) | Self::Migrate { source, .. } => match source {
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                    transient(source)
                }
                _ => false,
            },
        }
    }
}

/// How long a catalogue that does not answer is left alone.
const REST: Duration = Duration::from_secs(30);

/// What becomes of a job: a database that restarts should not use up its attempts.
pub(crate) fn catalogue_error(error: CatalogueError) -> JobError {
    if error.is_erased() {
        return JobError::erased();
    }
    if error.is_transient() { JobError::retry_after(REST, error) } else { JobError::discard(error) }
}

/// A statement that reads a table failed.
pub(super) fn unread(table: &'static str) -> impl Fn(sqlx::Error) -> CatalogueError {
    move |source| CatalogueError::Read { table, source }
}

/// A statement that writes a table failed.
pub(super) fn written(table: &'static str) -> impl Fn(sqlx::Error) -> CatalogueError {
    move |source| CatalogueError::Write { table, source }
}

fn transient(error: &sqlx::Error) -> bool {
    use sqlx::Error as E;
    match error {
        E::Database(database) => database.code().is_none_or(|code| transient_code(&code)),
        E::Configuration(_)
        | E::InvalidArgument(_)
        | E::RowNotFound
        | E::TypeNotFound { .. }
        | E::ColumnIndexOutOfBounds { .. }
        | E::ColumnNotFound(_)
        | E::ColumnDecode { .. }
        | E::Encode(_)
        | E::Decode(_)
        | E::AnyDriverError(_)
        | E::InvalidSavePointStatement => false,
        _ => true,
    }
}

/// Five characters are an SQLSTATE of `PostgreSQL`; fewer digits are a result code of `SQLite`.
pub(super) fn transient_code(code: &str) -> bool {
    if code.len() == 5 {
        return transient_sqlstate(code);
    }
    // An extended code keeps the primary one in its low byte.
    match code.parse::<u32>().map(|extended| extended & 0xff) {
        // ERROR (bad SQL, no such table), TOOBIG, CONSTRAINT, MISMATCH, MISUSE, RANGE, NOTADB.
        Ok(primary) => !matches!(primary, 1 | 18 | 19 | 20 | 21 | 25 | 26),
        Err(_) => true,
    }
}

fn transient_sqlstate(code: &str) -> bool {
    match code {
        // Serialization failure and deadlock are in a class that is otherwise permanent here.
        "40001" | "40P01" => true,
        _ => !matches!(
            // Classes: unsupported, bad data, broken constraint, bad SQL, beyond a fixed limit.
            code.get(..2),
            Some("0A" | "22" | "23" | "40" | "42" | "44" | "54")
        ),
    }
}
