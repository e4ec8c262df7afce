//! Real BullMQ clients, those of npm (5 and 6) and the one for Python, against the real binary.
//!
//! What is promised is in `tests/conformance/cases`, one module a topic; each test here runs one.
//! `node tests/conformance/run.mjs` runs all and prints the table.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A case ends by itself long before; its features have deadlines of their own.
const LIMIT: Duration = Duration::from_mins(4);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs one case with every client that is there; panics with its output when a feature fails.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a skipped test must not look like a passed one, and the table is worth seeing"
)]
fn conform(case: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let skipped = |what: &str, why: &str| {
        let all = env::var("REQUIRE_ALL").is_ok_and(|all| all != "0");
        assert!(!all, "conformance of {case} with {what} cannot run: {why}");
        eprintln!("SKIPPED: conformance of {case} with {what} because {why}");
    };
    if let Some(why) = missing(&folder) {
        return skipped("BullMQ's own clients", &why);
    }
    let mut clients = vec!["5", "6"];
    match without_python(&folder) {
        None => clients.push("python"),
        Some(why) => skipped("BullMQ for Python", &why),
    }
    let mut command = Command::new("node");
    command
        .arg(folder.join("run.mjs"))
        .args(["--end-with-stdin", case])
        .args(clients.iter().flat_map(|client| ["--client", client]))
        .env("ROADIE_BIN", env!("CARGO_BIN_EXE_roadie"));
    let (passed, output) = Run::start(&mut command).finish();
    println!("{output}");
    assert!(passed, "{case} does not conform to BullMQ:\n{output}");
}

/// Why the clients cannot run here, if they cannot.
fn missing(folder: &Path) -> Option<String> {
    let redis = env::var_os("ROADIE_TEST_REDIS_SERVER").map(PathBuf::from);
    if !redis.map_or_else(|| on_path("redis-server"), |program| program.is_file()) {
        return Some("there is no redis-server".to_owned());
    }
    if !on_path("node") {
        return Some("there is no node".to_owned());
    }
    (!folder.join("node_modules/bullmq5").is_dir())
        .then(|| "its packages are missing; run `npm ci` in tests/conformance".to_owned())
}

/// Why the client for Python cannot run here, if it cannot.
fn without_python(folder: &Path) -> Option<String> {
    let program = env::var("ROADIE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&program)
        .args(["-c", "import bullmq; print('bullmq==' + bullmq.__version__)"])
        .output();
    let found = found.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    let wanted = std::fs::read_to_string(folder.join("python/requirements.txt"))
        .expect("the packages for Python are listed");
    let there = !found.is_empty() && wanted.lines().any(|line| line == found);
    (!there).then(|| {
        format!("{program} has not the packages of python/requirements.txt; name one in ROADIE_TEST_PYTHON")
    })
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A running case. It ends itself and all that it has started once its standard input is closed, so
/// nothing is left behind however this process ends.
struct Run {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Run {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node starts");
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    /// Waits for the end; answers whether all features passed, and what was said.
    fn finish(mut self) -> (bool, String) {
        let out = read(self.child.stdout.take());
        let err = read(self.child.stderr.take());
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("node can be waited for") {
                break Some(status);
            }
            if Instant::now() > deadline {
                self.end();
                break None;
            }
            thread::sleep(LOOK_EVERY);
        };
        let mut said = err.join().expect("stderr is read");
        said += &out.join().expect("stdout is read");
        if status.is_none() {
            said += "\nstopped: it was not done in time";
        }
        (status.is_some_and(|status| status.success()), said)
    }

    /// Asks it to end, which is quick, and insists if it is not.
    fn end(&mut self) {
        self.stdin = None;
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
        // Fails when it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.end();
    }
}

fn read(pipe: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before a broken pipe is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// One test a case.
macro_rules! cases {
    ($($case:ident),*) => {
        /// Every case file has its test.
        #[test]
        fn all_cases_are_run() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases");
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .expect("the cases are there")
                .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(str::to_owned))
                .collect();
            files.sort();
            assert_eq!(files, [$(stringify!($case)),*]);
        }

        $(#[test]
        fn $case() {
            conform(stringify!($case));
        })*
    };
}

cases!(
    application,
    backoff,
    board,
    cleaning,
    controls,
    deduplication,
    events,
    flow_failures,
    flows,
    getters,
    limits,
    metadata,
    mirror,
    pause,
    payloads,
    producer,
    repeatable,
    retention,
    retries,
    schedulers,
    thousand,
    together
);
