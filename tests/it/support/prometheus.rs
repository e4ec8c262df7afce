//! A real Prometheus that scrapes processes, and evaluates the alerts of `deploy/`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{Missing, SOON, http};

/// A program of the Prometheus package: in the folder that `ROADIE_TEST_PROMETHEUS` names, else on
/// the `PATH`.
fn program(name: &str) -> Result<PathBuf, Missing> {
    let named = std::env::var_os("ROADIE_TEST_PROMETHEUS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = named.into_iter().chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file()).ok_or_else(|| {
        Missing {
            what: "Prometheus",
            why: format!(
                "{name} is not on the PATH, and ROADIE_TEST_PROMETHEUS names no folder with it"
            ),
        }
    })
}

/// What `promtool check metrics` has to say against a scrape; empty: nothing.
pub(crate) fn lint(scrape: &str) -> Result<String, Missing> {
    let mut tool = std::process::Command::new(program("promtool")?)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(scrape.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Ok(if output.status.success() { said } else { format!("{}: {said}", output.status) })
}

/// What operators are told of.
const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/alerts.yml");

/// A running server; ends with this handle.
#[derive(Debug)]
pub(crate) struct Prometheus {
    _server: Child,
    _dir: TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// Scrapes these addresses twice a second.
    pub(crate) async fn scraping(targets: &[SocketAddr]) -> Result<Self, Missing> {
        let program = program("prometheus")?;
        let dir = tempfile::tempdir().unwrap();
        let targets: Vec<String> = targets.iter().map(|target| format!("'{target}'")).collect();
        let configuration = format!(
            "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s }}\n\
             rule_files: ['{ALERTS}']\n\
             scrape_configs: [{{ job_name: roadie, static_configs: [{{ targets: [{}] }}] }}]\n",
            targets.join(", ")
        );
        std::fs::write(dir.path().join("prometheus.yml"), configuration).unwrap();
        let port = super::redis::free_port();
        let mut server = Command::new(program)
            .current_dir(dir.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .args(["--web.console.templates=none", "--web.console.libraries=none"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap()).lines();
        let ready = async {
            let mut said = String::new();
            while let Some(line) = log.next_line().await.unwrap() {
                if line.contains("Server is ready to receive web requests") {
                    return;
                }
                said.push_str(&line);
                said.push('\n');
            }
            panic!("Prometheus ended:\n{said}");
        };
        tokio::time::timeout(SOON, ready).await.expect("Prometheus should be ready by now");
        // Whoever does not read what it says stops it.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Self { _server: server, _dir: dir, address })
    }

    /// What the API answers.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let (status, body) = http::get(self.address, &format!("/api/v1/{path}")).await;
        assert_eq!(status, 200, "{path}: {body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        answer["data"].clone()
    }

    /// The value of an expression that has one.
    pub(crate) async fn value(&self, expression: &str) -> Option<f64> {
        self.values(expression).await.first().copied()
    }

    /// What an expression comes to, a value for each series.
    pub(crate) async fn values(&self, expression: &str) -> Vec<f64> {
        let query = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        let answer = self.api(&format!("query?query={query}")).await;
        let series = answer["result"].as_array().unwrap();
        series.iter().map(|one| one["value"][1].as_str().unwrap().parse().unwrap()).collect()
    }
}
