//! What the runbook tells operators to type works as it is written there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::json;
use tokio::process::Command;

use super::support::eventually;
use super::support::process::Process;
use super::support::redis::free_port;
use super::support::stage::Stage;

const RUNBOOK: &str = include_str!("../../deploy/RUNBOOK.md");
const QUEUE: &str = "rehearsals";

/// Lines of code blocks that begin with the program's name.
fn typed() -> Vec<&'static str> {
    let blocks = RUNBOOK.split("```").skip(1).step_by(2);
    blocks.flat_map(str::lines).filter(|line| line.starts_with("roadie ")).collect()
}

/// Commands within sentences.
fn mentioned() -> Vec<&'static str> {
    let prose = RUNBOOK.split("```").step_by(2);
    let spans =
        prose.flat_map(|text| text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)));
    spans.filter(|span| span.starts_with("roadie ")).collect()
}

/// The program as it is called on a host that has the fleet's configuration: a folder for the `PATH`.
fn program(stage: &Stage) -> PathBuf {
    let folder = stage.folder("bin");
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let settings: Vec<String> = stage.arguments().iter().map(|text| quoted(text)).collect();
    let program = quoted(env!("CARGO_BIN_EXE_roadie"));
    let script = format!("#!/bin/sh\nexec {program} \"$@\" {}\n", settings.join(" "));
    let path = folder.join("roadie");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

async fn shell(line: &str, bin: &Path, names: [(&str, &str); 3]) -> Output {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths(std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path)));
    let mut shell = Command::new("sh");
    shell.args(["-euc", line]).env_clear().env("PATH", path.unwrap()).envs(names);
    shell.current_dir(bin).kill_on_drop(true).output().await.unwrap()
}

#[tokio::test]
async fn every_command_of_the_runbook_works() {
    let stage = need!(Stage::new())
        .with_rehearsals(4)
        .set("http.listen", format!("127.0.0.1:{}", free_port()))
        .set("tokens.keys", format!("k1:{}", "0f".repeat(32)));
    let bin = program(&stage);
    let (mut process, mut job, mut letter) = (None, String::new(), String::new());
    let commands = typed();
    assert!(commands.len() > 25, "{}", commands.len());
    for line in commands {
        // What comes before is done before anything runs.
        if process.is_none() && line.starts_with("roadie health") {
            process = Some(Process::serving(&stage).await);
            let acts = (0..3).map(|_| json!({ "act": "fail" }));
            for id in stage.add_many(QUEUE, "rehearse", acts).await {
                stage.failed(QUEUE, &id).await;
                letter = stage.letter(&id).await.id;
                job = id;
            }
        }
        let names = [("QUEUE", QUEUE), ("JOB", &*job), ("LETTER", &letter[..letter.len().min(8)])];
        let said = shell(line, &bin, names).await;
        assert!(said.status.success(), "{line}\n{said:?}");
    }
    // The last of them were about replaying what had died, and it died once more.
    for id in ["1", "2", "3"] {
        eventually("the job ran again", async || {
            let traces = stage.field(QUEUE, id, "stacktrace").await.unwrap();
            let traces: Vec<String> = serde_json::from_str(&traces).unwrap();
            if traces.len() > 3 { Ok(()) } else { Err(format!("{traces:?}")) }
        })
        .await;
    }
    process.unwrap().kill().await;
}

#[tokio::test]
async fn every_command_that_the_runbook_mentions_exists() {
    let stage = need!(Stage::new());
    let bin = program(&stage);
    let mentioned = mentioned();
    assert!(mentioned.len() > 20, "{}", mentioned.len());
    for span in mentioned {
        // Options are looked at before help is given; what has to be named may be left out.
        let line = format!("{span} --help");
        let said = shell(&line, &bin, [("QUEUE", "q"), ("JOB", "1"), ("LETTER", "a")]).await;
        assert!(said.status.success(), "{span}\n{said:?}");
    }
}
