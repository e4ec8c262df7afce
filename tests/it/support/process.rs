//! A daemon in a process of its own, and the command line.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::stage::Stage;
use super::{SOON, eventually};

/// Sends a signal, by the name without `SIG`.
pub(crate) fn signal(pid: &str, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, pid]).status().unwrap();
    assert!(sent.success(), "SIG{name} to {pid}: {sent}");
}

/// The program, without what the machine's environment would tell it.
pub(crate) fn roadie(stage: &Stage, command: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_roadie"));
    program
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TMPDIR", stage.folder("tmp"))
        .current_dir(stage.path())
        .args(command)
        .args(stage.arguments())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    program
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) async fn run(stage: &Stage, command: &[&str]) -> Said {
    let output = tokio::time::timeout(SOON, roadie(stage, command).output())
        .await
        .expect("the command should have ended")
        .unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running `roadie run`. Its log is shown when the test fails.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: u32,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it; see [`Process::serving`].
    pub(crate) fn start(stage: &Stage) -> Self {
        let mut child =
            roadie(stage, &["run"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut log = written.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { pid: child.id().unwrap(), child, log }
    }

    /// Starts it and waits until it serves.
    pub(crate) async fn serving(stage: &Stage) -> Self {
        let process = Self::start(stage);
        process.logged(" serving ").await;
        process
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a piece of the log.
    pub(crate) async fn logged(&self, piece: &str) {
        eventually(&format!("the log says `{piece}`"), async || {
            let log = self.log();
            if log.contains(piece) { Ok(()) } else { Err(log) }
        })
        .await;
    }

    /// Where its metrics are; once it serves.
    pub(crate) fn http(&self) -> SocketAddr {
        let log = self.log();
        let (_, rest) = log.split_once("http=").unwrap();
        let address = rest.split_whitespace().next().unwrap();
        address.parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.pid.to_string(), name);
    }

    /// Whether it is still there.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its exit code, or -1 after a signal; fails when it does not end in time.
    pub(crate) async fn exit(&mut self, limit: Duration) -> i32 {
        let Ok(status) = tokio::time::timeout(limit, self.child.wait()).await else {
            panic!("still running after {limit:?}");
        };
        status.unwrap().code().unwrap_or(-1)
    }

    /// As a crash of the machine would end it.
    pub(crate) async fn kill(mut self) -> String {
        self.signal("KILL");
        self.exit(SOON).await;
        self.log()
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "explains a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of process {}:\n{}", self.pid, self.log());
        }
    }
}
