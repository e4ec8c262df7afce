//! Migrations: the same files for both databases, compiled in.

use std::collections::BTreeMap;

use sqlx::AnyConnection;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migrate as _, MigrateError, Migration, MigrationType};

use super::erasure::{guard, is_guarded};
use super::options::Backend;
use super::{Catalogue, CatalogueError};

/// Version, name, SQL. Files that a database has seen are never edited, only followed by new ones.
/// A migration must leave the schema usable for the previous build, which runs on during a deploy.
pub(super) const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "catalogue", include_str!("../../../migrations/0001_catalogue.sql")),
    (2, "duplicates", include_str!("../../../migrations/0002_duplicates.sql")),
    (3, "variants", include_str!("../../../migrations/0003_variants.sql")),
    (4, "matching", include_str!("../../../migrations/0004_matching.sql")),
    (5, "venue_table", include_str!("../../../migrations/0005_venue_table.sql")),
    (6, "accounts", include_str!("../../../migrations/0006_accounts.sql")),
    (7, "drive", include_str!("../../../migrations/0007_drive.sql")),
    (8, "mail", include_str!("../../../migrations/0008_mail.sql")),
    (9, "exports", include_str!("../../../migrations/0009_exports.sql")),
    (10, "erasure", include_str!("../../../migrations/0010_erasure.sql")),
];

/// Where sqlx notes what was applied.
const APPLIED: &str = "_sqlx_migrations";

/// What [`Catalogue::migrate`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationReport {
    /// Migrations applied by this call, as their files are named; empty if there was nothing to do.
    pub applied: Vec<String>,
    /// Migrations that had been applied before.
    pub known: usize,
}

impl Catalogue {
    /// Brings the schema up to date. Several processes may call it at once: one does the work, the
    /// others wait and find it done. Migrations of a newer build are left alone.
    ///
    /// # Errors
    /// [`CatalogueError::Migrate`] when a migration fails (it is rolled back), or when one was
    /// edited after it had been applied.
    pub async fn migrate(&self) -> Result<MigrationReport, CatalogueError> {
        let mut pooled = self.primary.acquire().await.map_err(CatalogueError::Begin)?;
        let report = match self.backend {
            Backend::PostgreSql => {
                // Waiting for the lock or building an index may take longer than a query may.
                sqlx::query("SET statement_timeout = 0")
                    .execute(&mut *pooled)
                    .await
                    .map_err(CatalogueError::Begin)?;
                apply_pending(&mut pooled, self.backend).await
            }
            Backend::Sqlite => {
                // sqlx locks nothing here; taking the write lock first keeps other processes out.
                let mut transaction = sqlx::Connection::begin_with(&mut *pooled, "BEGIN IMMEDIATE")
                    .await
                    .map_err(CatalogueError::Begin)?;
                let report = apply_pending(&mut transaction, self.backend).await?;
                transaction.commit().await.map_err(CatalogueError::Commit)?;
                Ok(report)
            }
        };
        // Closing it also gives back the lock of a run that failed, and the changed setting.
        pooled.close().await.map_err(CatalogueError::Commit)?;
        let report = report?;
        self.name_photos().await?;
        Ok(report)
    }

    /// The names of migrations that this database has not seen yet, or `triggers` if only those are
    /// missing that keep erased users out; changes nothing.
    ///
    /// # Errors
    /// [`CatalogueError::AppliedMigrations`] or `Read` when the lists cannot be read.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, CatalogueError> {
        let query = sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations");
        let applied = match query.fetch_all(&self.primary).await {
            Ok(applied) => applied,
            Err(error) if is_missing_table(&error) => Vec::new(),
            Err(error) => return Err(CatalogueError::AppliedMigrations(error.into())),
        };
        let pending = MIGRATIONS.iter().filter(|(version, ..)| !applied.contains(version));
        let pending: Vec<_> = pending.map(|&(version, name, _)| file_name(version, name)).collect();
        if !pending.is_empty() {
            return Ok(pending);
        }
        let mut connection = self.primary.acquire().await.map_err(CatalogueError::Begin)?;
        let guarded = is_guarded(&mut connection, self.backend).await?;
        Ok(if guarded { pending } else { vec!["triggers".to_owned()] })
    }
}

async fn apply_pending(
    connection: &mut AnyConnection,
    backend: Backend,
) -> Result<MigrationReport, CatalogueError> {
    let listed = CatalogueError::AppliedMigrations;
    connection.lock().await.map_err(listed)?;
    connection.ensure_migrations_table(APPLIED).await.map_err(listed)?;
    let applied = connection.list_applied_migrations(APPLIED).await.map_err(listed)?;
    let applied: BTreeMap<_, _> = applied.into_iter().map(|m| (m.version, m.checksum)).collect();

    let mut report = MigrationReport::default();
    for &(version, name, sql) in MIGRATIONS {
        let failed = |source| CatalogueError::Migrate { name: file_name(version, name), source };
        let kind = MigrationType::Simple;
        let migration = Migration::new(version, name.into(), kind, sql.into_sql_str(), false);
        match applied.get(&version) {
            Some(checksum) if *checksum == migration.checksum => report.known += 1,
            Some(_) => return Err(failed(MigrateError::VersionMismatch(version))),
            None => {
                connection.apply(APPLIED, &migration).await.map_err(failed)?;
                report.applied.push(file_name(version, name));
            }
        }
    }
    guard(connection, backend).await?;
    connection.unlock().await.map_err(listed)?;
    Ok(report)
}

pub(super) fn file_name(version: i64, name: &str) -> String {
    format!("{version:04}_{name}")
}

fn is_missing_table(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().is_some_and(|code| code == "42P01")
            || error.message().starts_with("no such table")
    })
}
