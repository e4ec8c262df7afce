//! Private Redis servers on Unix sockets, which end with this process however it ends.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use redis::{FromRedisValue, RedisResult};

use super::Missing;

/// Starts the server, tells its process id, and ends it when standard input closes: a pipe closes
/// however its owner ends. Signals for the whole group (Ctrl-C) must not end it before.
const WATCH: &str = r#"
trap '' HUP INT TERM
dir=$1; shift
"$@" >>"$dir/log" 2>&1 &
echo "$!"
read -r _
kill -9 "$!" 2>/dev/null
wait
rm -rf "$dir"
"#;

/// Programs that speak Redis' protocol and take its command line.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

const START_WITHIN: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub(crate) struct RedisServer {
    program: PathBuf,
    /// What the command line begins with.
    leading: Vec<String>,
    options: Mutex<Vec<String>>,
    dir: PathBuf,
    /// The latest one watches the running server.
    watchers: Mutex<Vec<(Child, String)>>,
}

/// One for all tests that do not harm it.
pub(crate) fn shared() -> Result<Arc<RedisServer>, Missing> {
    static SHARED: LazyLock<Option<Arc<RedisServer>>> =
        LazyLock::new(|| RedisServer::start(&[]).ok().map(Arc::new));
    program()?;
    Ok(Arc::clone(SHARED.as_ref().expect("the shared Redis does not start")))
}

fn program() -> Result<PathBuf, Missing> {
    if let Some(named) = std::env::var_os("ROADIE_TEST_REDIS_SERVER") {
        return Ok(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    PROGRAMS
        .iter()
        .find_map(|name| folders.iter().map(|f| f.join(name)).find(|f| f.is_file()))
        .ok_or_else(|| Missing {
            what: "Redis",
            why: format!(
                "none of {PROGRAMS:?} is on the PATH, and ROADIE_TEST_REDIS_SERVER is not set"
            ),
        })
}

/// A TCP port that nobody listens on, and that no connection of another test is given.
pub(crate) fn free_port() -> u16 {
    free_port_in(24_000..32_000)
}

/// Hands out each port of a stretch once. Those from 32,768 on Linux gives to whoever asks for none.
pub(crate) fn free_port_in(stretch: Range<u16>) -> u16 {
    // Others may run these tests at the same time.
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(..)));
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = stretch.start + next % (stretch.end - stretch.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Whether the server is more than one for development, which speaks no TLS and knows no sentinels.
pub(crate) fn complete() -> Result<(), Missing> {
    let said = Command::new(program()?).arg("--version").output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    if ["Redis server", "Valkey server"].iter().any(|name| said.contains(name)) {
        return Ok(());
    }
    Err(Missing { what: "a complete Redis", why: format!("this one says it is {said:?}") })
}

impl RedisServer {
    /// A server without persistence, and with these options.
    pub(crate) fn start(options: &[&str]) -> Result<Self, Missing> {
        Self::start_with(options, |_| Vec::new())
    }

    /// A sentinel with this configuration.
    pub(crate) fn sentinel(configuration: &str, options: &[&str]) -> Result<Self, Missing> {
        Self::start_with(options, |dir| {
            // Sentinels write their findings into it.
            let file = dir.join("sentinel.conf");
            std::fs::write(&file, configuration).unwrap();
            vec![file.display().to_string(), "--sentinel".to_owned()]
        })
    }

    fn start_with(
        options: &[&str],
        leading: impl FnOnce(&Path) -> Vec<String>,
    ) -> Result<Self, Missing> {
        let program = program()?;
        let dir = tempfile::Builder::new().prefix("roadie").tempdir().unwrap().keep();
        let server = Self {
            program,
            leading: leading(&dir),
            options: Mutex::new(options.iter().map(|&option| option.to_owned()).collect()),
            dir,
            watchers: Mutex::default(),
        };
        server.launch();
        Ok(server)
    }

    fn launch(&self) {
        let mut watcher = Command::new("sh")
            .args(["-c", WATCH, "sh"])
            .arg(&self.dir)
            .arg(&self.program)
            .args(&self.leading)
            .args(["--port", "0", "--unixsocket", "redis.sock", "--dir"])
            .arg(&self.dir)
            .args(["--save", "", "--maxmemory-policy", "noeviction"])
            .args(&*self.options.lock().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        BufReader::new(watcher.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        self.watchers.lock().unwrap().push((watcher, pid.trim().to_owned()));
        let deadline = Instant::now() + START_WITHIN;
        let client = redis::Client::open(self.url()).unwrap();
        loop {
            let answer = client
                .get_connection()
                .and_then(|mut redis| redis::cmd("PING").query::<String>(&mut redis));
            match answer {
                Ok(_) => return,
                Err(error) => assert!(
                    Instant::now() < deadline,
                    "{} does not answer: {error}\n{}",
                    self.program.display(),
                    std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
                ),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        let options = self.options.lock().unwrap();
        let password = options.iter().position(|option| option == "--requirepass");
        let password = password.map(|at| format!("?pass={}", options[at + 1])).unwrap_or_default();
        format!("redis+unix://{}{password}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        Path::new(&self.dir).join("redis.sock")
    }

    /// Sends it a signal, by the name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.watchers.lock().unwrap().last().unwrap().1.clone();
        super::process::signal(&pid, name);
    }

    /// Asks it something on its socket.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &str) -> RedisResult<T> {
        let mut connection = redis::Client::open(self.url())?.get_connection()?;
        let mut words = command.split_whitespace();
        let mut cmd = redis::cmd(words.next().unwrap());
        for word in words {
            cmd.arg(word);
        }
        cmd.query(&mut connection)
    }

    /// As a power failure would end it.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
        // The socket file outlives the server; connecting tells whether anybody listens.
        let deadline = Instant::now() + START_WITHIN;
        while std::os::unix::net::UnixStream::connect(self.socket()).is_ok() {
            assert!(Instant::now() < deadline, "Redis survives SIGKILL");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts it again on its own files.
    pub(crate) fn restart(&self) {
        self.launch();
    }

    /// The same with more options.
    pub(crate) fn restart_with(&self, options: &[&str]) {
        self.options.lock().unwrap().extend(options.iter().map(|&option| option.to_owned()));
        self.launch();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        for (mut watcher, _) in self.watchers.get_mut().unwrap().drain(..) {
            drop(watcher.stdin.take());
            let _ = watcher.wait();
        }
    }
}

/// What the server noted of scripts in its slow log: which, and how many microseconds.
pub(crate) async fn slow_scripts(redis: &mut roadie::queue::Link) -> Vec<(String, u64)> {
    type Entry = (u64, u64, u64, Vec<String>);
    let noted: Vec<redis::Value> =
        redis::cmd("SLOWLOG").arg("GET").arg(-1).query_async(redis).await.unwrap();
    let entries = noted.into_iter().filter_map(|entry| {
        let redis::Value::Array(mut parts) = entry else { return None };
        parts.truncate(4);
        redis::from_redis_value::<Entry>(redis::Value::Array(parts)).ok()
    });
    entries
        .filter(|(.., command)| command[0].to_ascii_lowercase().starts_with("eval"))
        .map(|(_, _, micros, command)| (command[1].clone(), micros))
        .collect()
}
