//! The API does what its description says, whatever it is asked: held by a schema-based fuzzer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::support::Missing;
use super::support::http::Call;
use super::support::process::Process;
use super::support::stage::Stage;

/// It needs a third of this on a busy machine.
const LIMIT: Duration = Duration::from_mins(3);
/// As in `tests/fuzz/schemathesis.toml`.
const TOKEN: &str = "secret";

fn schemathesis() -> Result<PathBuf, Missing> {
    if let Some(named) = std::env::var_os("ROADIE_TEST_SCHEMATHESIS") {
        return Ok(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("schemathesis"));
    found.into_iter().find(|program| program.is_file()).ok_or_else(|| Missing {
        what: "schemathesis",
        why: "it is not on the PATH, and ROADIE_TEST_SCHEMATHESIS is not set".to_owned(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_differs_from_the_description() {
    let program = need!(schemathesis());
    fuzz(&program, need!(Stage::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_differs_from_the_description_with_a_token() {
    let program = need!(schemathesis());
    fuzz(&program, need!(Stage::new()).set("http.tokens", TOKEN)).await;
}

async fn fuzz(program: &Path, stage: Stage) {
    let stage = stage.set("worker.rehearsals", true);
    stage.queues().await.queue("rehearsals").await.unwrap();
    let process = Process::serving(&stage).await;
    let description = Call::get("/api/v1/openapi.json")
        .with("Authorization", format!("Bearer {TOKEN}"))
        .send(process.http())
        .await;
    assert_eq!(description.status, 200, "{description:?}");
    std::fs::write(stage.path().join("openapi.json"), description.body).unwrap();
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let output = Command::new(program)
        .env("SCHEMATHESIS_HOOKS", settings.join("hooks.py"))
        .arg("--config-file")
        .arg(settings.join("schemathesis.toml"))
        .args(["run", "openapi.json", "--url", &format!("http://{}/api/v1", process.http())])
        .args(["--max-examples", "15", "--no-color"])
        // It keeps notes.
        .current_dir(stage.path())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIMIT, output).await.expect("it should have ended").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}
