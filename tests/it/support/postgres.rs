//! A PostgreSQL database for each test that wants one.

use std::str::FromStr as _;

use sqlx::any::{AnyConnectOptions, install_default_drivers};
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::{Missing, provided};

/// Makes two tests of one function that takes a stage.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        $(mod $test {
            use $crate::support::{postgres::Database, stage::Stage};

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$test(need!(Stage::new())).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgresql() {
                let database = need!(Database::create().await);
                super::$test(need!(Stage::new()).with_database(database)).await;
            }
        })+
    };
}

/// An empty database; dropped with this handle.
#[derive(Debug)]
pub(crate) struct Database {
    server: String,
    name: String,
    url: String,
}

impl Database {
    pub(crate) async fn create() -> Result<Self, Missing> {
        let server = provided("TEST_POSTGRES_URL", "PostgreSQL")?;
        let name = format!("roadie_it_{}", uuid::Uuid::new_v4().simple());
        let mut url = AnyConnectOptions::from_str(&server).unwrap().database_url;
        url.set_path(&name);
        run(&server, format!("CREATE DATABASE {name}")).await;
        Ok(Self { server, name, url: url.into() })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own, because the test's runtime may be ending.
        let dropping = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&server, format!("DROP DATABASE {name} WITH (FORCE)")));
        });
        let _ = dropping.join();
    }
}

async fn run(server: &str, sql: String) {
    install_default_drivers();
    let options = AnyConnectOptions::from_str(server).unwrap();
    let mut connection: AnyConnection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
