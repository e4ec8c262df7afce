//! A database of its own for each test.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions as _};
use tokio::task::JoinSet;

use crate::effects::catalogue::{Catalogue, CatalogueOptions};

/// Makes two tests of one function that takes [`Database`].
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::effects::catalogue::tests::databases::on_sqlite(super::$test).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgresql() {
                $crate::effects::catalogue::tests::databases::on_postgresql(super::$test).await;
            }
        })+
    };
}
pub(super) use on_both;

/// An empty database.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub(super) url: String,
}

impl Database {
    /// A catalogue as a process would open it, schema included.
    pub(super) async fn catalogue(&self) -> Catalogue {
        let catalogue = self.without_schema().await;
        catalogue.migrate().await.unwrap();
        catalogue
    }

    pub(super) async fn without_schema(&self) -> Catalogue {
        Catalogue::connect(self.options()).await.unwrap()
    }

    pub(super) fn options(&self) -> CatalogueOptions {
        CatalogueOptions {
            url: self.url.clone(),
            pool_size: 4,
            acquire_timeout: Duration::from_secs(30),
            ..CatalogueOptions::default()
        }
    }

    pub(super) fn is_postgresql(&self) -> bool {
        self.url.starts_with("postgres")
    }
}

pub(super) async fn on_sqlite<F: Future<Output = ()> + Send + 'static>(
    test: impl FnOnce(Database) -> F,
) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made on demand/catalogue.db");
    test(Database { url: format!("sqlite:{}", file.display()) }).await;
}

pub(super) async fn on_postgresql<F: Future<Output = ()> + Send + 'static>(
    test: impl FnOnce(Database) -> F,
) {
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        return skip("PostgreSQL: TEST_POSTGRES_URL is not set");
    };
    let random = RandomState::new().build_hasher().finish();
    let name = format!("roadie_test_{random:016x}");
    run(&server, format!("CREATE DATABASE {name}")).await;
    let mut url = AnyConnectOptions::from_str(&server).unwrap().database_url;
    url.set_path(&name);
    // In a task of its own, so that the database is dropped after a panic too.
    let mut task = JoinSet::new();
    task.spawn(test(Database { url: url.into() }));
    let outcome = task.join_next().await.unwrap();
    run(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(error) = outcome {
        std::panic::resume_unwind(error.into_panic());
    }
}

async fn run(server: &str, sql: String) {
    install_default_drivers();
    let options = AnyConnectOptions::from_str(server).unwrap();
    let mut connection: AnyConnection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

/// Says that a test could not run, or fails it where every test must.
#[expect(clippy::print_stderr, reason = "a skipped test must not look like a passed one")]
pub(super) fn skip(why: &str) {
    assert!(std::env::var("REQUIRE_ALL").is_err(), "cannot run: {why}");
    eprintln!("SKIPPED: {why}");
}
