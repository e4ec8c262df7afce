//! A private Redis on a socket of its own: no port, no persistence, gone when the demo ends.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use percent_encoding::utf8_percent_encode;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::START_WITHIN;
use crate::config::PATH_IN_URL;

/// Programs that speak Redis' protocol and take its command line, the real ones first.
const PROGRAMS: [&str; 3] = ["redis-server", "valkey-server", "meebis"];

/// A running server; killed when dropped.
#[derive(Debug)]
pub(super) struct RedisServer {
    child: Child,
    program: PathBuf,
    url: String,
    /// Removed with the server.
    _socket: TempDir,
}

impl RedisServer {
    /// Starts the given program, or the first one on the PATH.
    pub(super) async fn start(program: Option<&Path>, data: &Path) -> anyhow::Result<Self> {
        let program = program.map(Path::to_path_buf).or_else(on_path).context(
            "no redis-server, valkey-server or meebis on the PATH; install one \
             (apt-get install redis-server, or cargo install meebis), or name one with --redis-server",
        )?;
        let folder = socket_folder()?;
        let socket = folder.path().join("redis.sock");
        let log = std::fs::File::create(data.join("redis.log")).context("make the log of Redis")?;
        let mut command = Command::new(&program);
        command.arg("--unixsocket").arg(&socket);
        // meebis opens no port beside a socket, and knows nothing of persistence.
        if program.file_name().is_some_and(|name| name != "meebis") {
            command.args(["--port", "0"]);
            command.args(["--unixsocketperm", "700", "--save", "", "--appendonly", "no"]);
            command.args(["--maxmemory-policy", "noeviction", "--dir"]).arg(data);
        }
        let child = command
            // Ctrl-C is for the demo, which stops its Redis last.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log of Redis")?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let path = socket.to_str().context("the folder for temporary files is not UTF-8")?;
        let url = format!("redis+unix://{}", utf8_percent_encode(path, PATH_IN_URL));
        let mut server = Self { child, program, url, _socket: folder };
        server.answered(data).await?;
        Ok(server)
    }

    async fn answered(&mut self, data: &Path) -> anyhow::Result<()> {
        let client = redis::Client::open(self.url.as_str()).context("address the private Redis")?;
        let deadline = Instant::now() + START_WITHIN;
        loop {
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                redis::cmd("PING")
                    .query_async::<()>(&mut connection)
                    .await
                    .context("ping Redis")?;
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(data.join("redis.log")).unwrap_or_default();
                anyhow::bail!("{} ended at once ({status}):\n{log}", self.program.display());
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "{} did not answer within {} s; see {}",
                self.program.display(),
                START_WITHIN.as_secs(),
                data.join("redis.log").display()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// For people.
    pub(super) fn shown(&self) -> String {
        format!("{} (private, {})", self.program.display(), self.url)
    }

    pub(super) async fn stop(mut self) {
        // It holds nothing that anybody will read again. The folder of its socket goes with it.
        let _ = self.child.kill().await;
    }
}

/// A private folder with a short name: the path of a socket holds about a hundred bytes at most.
fn socket_folder() -> anyhow::Result<TempDir> {
    let temporary = std::env::temp_dir();
    let short = if temporary.as_os_str().len() > 60 { Path::new("/tmp") } else { &temporary };
    tempfile::Builder::new()
        .prefix("roadie-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(short)
        .with_context(|| format!("make a folder for the socket of Redis in {}", short.display()))
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    PROGRAMS.iter().find_map(|program| {
        folders.iter().map(|folder| folder.join(program)).find(|file| file.is_file())
    })
}
