//! What keeps rows of an erased user out: a trigger on each table that holds things of one user. It is no
//! migration, whose text never changes: a table that comes later gets its own with the next `migrate`.

use std::collections::BTreeSet;

use sqlx::{AnyConnection, AssertSqlSafe};

use super::owned::guarded;
use crate::effects::catalogue::CatalogueError;
use crate::effects::catalogue::error::{ERASED, unread, written};
use crate::effects::catalogue::options::Backend;

const TRIGGERS: &str = "triggers";

/// Makes the triggers that are missing. The caller keeps other processes from doing the same.
pub(in crate::effects::catalogue) async fn guard(
    connection: &mut AnyConnection,
    backend: Backend,
) -> Result<(), CatalogueError> {
    let missing = missing(connection, backend).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let mut sql = String::new();
    if backend == Backend::PostgreSql {
        sql.push_str(&function());
    }
    for table in missing {
        sql.push_str(&triggers(backend, table));
    }
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(written(TRIGGERS))?;
    Ok(())
}

/// Whether every table that there is has its trigger.
pub(in crate::effects::catalogue) async fn is_guarded(
    connection: &mut AnyConnection,
    backend: Backend,
) -> Result<bool, CatalogueError> {
    Ok(missing(connection, backend).await?.is_empty())
}

async fn missing(
    connection: &mut AnyConnection,
    backend: Backend,
) -> Result<Vec<&'static str>, CatalogueError> {
    let (tables, triggers) = match backend {
        Backend::PostgreSql => (
            "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()",
            "SELECT CAST(event_object_table AS TEXT) FROM information_schema.triggers \
             WHERE trigger_schema = current_schema() AND trigger_name = 'refuse_erased'",
        ),
        Backend::Sqlite => (
            "SELECT name FROM sqlite_master WHERE type = 'table'",
            "SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'refuse_erased%'",
        ),
    };
    let mut named = async |sql: &'static str| {
        let rows = sqlx::query_scalar::<_, String>(sql).fetch_all(&mut *connection).await;
        Ok::<BTreeSet<String>, _>(rows.map_err(unread(TRIGGERS))?.into_iter().collect())
    };
    let (there, kept) = (named(tables).await?, named(triggers).await?);
    Ok(guarded().filter(|table| there.contains(*table) && !kept.contains(*table)).collect())
}

fn function() -> String {
    // Class 23: a broken constraint, which is broken the next time, too.
    format!(
        "CREATE OR REPLACE FUNCTION roadie_refuse_erased() RETURNS trigger LANGUAGE plpgsql AS $$ \
         BEGIN \
         IF EXISTS (SELECT 1 FROM erased_users WHERE user_id = NEW.user_id) THEN \
         RAISE EXCEPTION '{ERASED}' USING ERRCODE = '23514'; \
         END IF; \
         RETURN NEW; \
         END $$;"
    )
}

fn triggers(backend: Backend, table: &str) -> String {
    match backend {
        Backend::PostgreSql => format!(
            "CREATE TRIGGER refuse_erased BEFORE INSERT OR UPDATE ON {table} \
             FOR EACH ROW EXECUTE FUNCTION roadie_refuse_erased();"
        ),
        Backend::Sqlite => ["INSERT", "UPDATE"]
            .map(|what| {
                format!(
                    "CREATE TRIGGER refuse_erased_{what}_{table} BEFORE {what} ON {table} \
                     WHEN EXISTS (SELECT 1 FROM erased_users WHERE user_id = NEW.user_id) \
                     BEGIN SELECT RAISE(ABORT, '{ERASED}'); END;"
                )
            })
            .concat(),
    }
}
