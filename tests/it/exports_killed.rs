//! Whoever is killed or stopped while an export is made: its file is there as a whole or not at all.

use roadie::outcome::cancel::Cancelled;
use roadie_jobs::effects::catalogue::ExportState;
use serde_json::{Value, json};

use super::support::eventually;
use super::support::history::{PICTURE, concerts, starred};
use super::support::operator::{Operator, ended};
use super::support::process::Process;
use super::support::s3::{Held, S3Server};
use super::support::stage::{Stage, user};
use super::support::traces::objects;

const QUEUE: &str = "exports";
const FORMATS: [&str; 3] = ["csv", "json", "pdf"];

/// A user with concerts, and a store that can be made to wait.
struct Scene {
    stage: Stage,
    server: S3Server,
    user: i64,
}

impl Scene {
    async fn new(stage: Stage) -> Self {
        let server = S3Server::start(&stage).await;
        server.bucket(QUEUE);
        let stage = server.on(stage
            .with_short_leases()
            .set("worker.max_crashes", 9)
            .set("queues.exports.slots", 4));
        let user = user();
        concerts(&stage, user, 30).await;
        let picture = starred(&stage, user).await;
        server.put("images", PICTURE, &picture);
        Self { stage, server, user }
    }

    /// Asks for each format, under names that begin so; answers the jobs.
    async fn ask(&self, name: &str) -> Vec<String> {
        let asked = FORMATS.map(|format| {
            json!({ "exportId": format!("{name}-{format}"), "userId": self.user, "format": format })
        });
        self.stage.add_many(QUEUE, "export-history", asked).await
    }

    async fn returned(&self, jobs: &[String]) -> Vec<Value> {
        let mut answers = Vec::new();
        for job in jobs {
            answers.push(self.stage.returned(QUEUE, job).await);
        }
        answers
    }

    /// Waits until the store has been asked so often to take a file of that name, whatever its format.
    async fn put(&self, name: &str, times: usize) {
        eventually("files are put", async || {
            let asked = self.server.asked();
            let puts =
                asked.iter().filter(|asked| asked.method == "PUT" && asked.path.contains(name));
            match puts.count() {
                puts if puts >= times => Ok(()),
                puts => Err(format!("{puts} puts")),
            }
        })
        .await;
    }

    /// The files whose names begin so.
    async fn files(&self, name: &str) -> Vec<Vec<u8>> {
        let bucket = self.server.bucket(QUEUE);
        let keys = objects(&self.server, QUEUE).await;
        let named = keys.iter().filter(|key| key.contains(&format!("/{name}-")));
        named.map(|key| std::fs::read(bucket.join(key)).unwrap()).collect()
    }

    /// How far the exports are whose names begin so.
    async fn states(&self, name: &str) -> Vec<ExportState> {
        let exports = self.stage.catalogue().await.exports(self.user).await.unwrap();
        let named = exports.iter().filter(|export| export.export_id.starts_with(name));
        named.map(|export| export.state).collect()
    }

    fn scratch(&self) -> usize {
        self.stage.folder("tmp").read_dir().unwrap().count()
    }
}

on_both_databases!(a_file_is_there_as_a_whole_or_not_at_all);

async fn a_file_is_there_as_a_whole_or_not_at_all(stage: Stage) {
    let scene = Scene::new(stage).await;
    let (stage, server) = (&scene.stage, &scene.server);
    let worker = Process::serving(stage).await;
    let jobs = scene.ask("calm").await;
    scene.returned(&jobs).await;
    let calm = scene.files("calm").await;
    assert_eq!(calm.len(), 3);

    // Killed while it reads pictures for the PDF.
    server.shut(true);
    let reads = |server: &S3Server| server.asked().iter().filter(|a| a.range.is_some()).count();
    let before = reads(server);
    server.hold(Held { puts: true, ..Held::default() });
    let jobs = scene.ask("killed").await;
    eventually("a picture is read", async || {
        if reads(server) > before { Ok(()) } else { Err(String::new()) }
    })
    .await;
    worker.kill().await;
    server.shut(false);
    // And while it puts the file.
    let worker = Process::serving(stage).await;
    scene.put("killed-pdf", 1).await;
    eventually("all are being made", async || match scene.states("killed").await {
        states if states == [ExportState::Making; 3] => Ok(()),
        states => Err(format!("{states:?}")),
    })
    .await;
    worker.kill().await;
    assert_eq!(scene.files("killed").await.len(), 0);
    assert_eq!(scene.scratch(), 0);
    server.hold(Held::default());
    let worker = Process::serving(stage).await;
    let answers = scene.returned(&jobs).await;
    assert_eq!(scene.files("killed").await, calm);
    assert_eq!(scene.states("killed").await, [ExportState::Ready; 3]);
    for (answer, file) in answers.iter().zip(&calm) {
        assert_eq!(answer["bytes"], file.len(), "{answer}");
    }

    // Cancelled while it puts them; whoever asks again gets the file.
    server.hold(Held { puts: true, ..Held::default() });
    let jobs = scene.ask("cancelled").await;
    scene.put("cancelled-", 3).await;
    let operator = Operator::of(stage).await;
    for job in &jobs {
        assert_eq!(operator.cancel(QUEUE, job).await, Cancelled::Asked);
        ended(stage, QUEUE, job).await;
    }
    assert_eq!(scene.files("cancelled").await.len(), 0);
    assert_eq!(scene.states("cancelled").await, [ExportState::Making; 3]);
    server.hold(Held::default());
    let jobs = scene.ask("cancelled").await;
    scene.returned(&jobs).await;
    assert_eq!(scene.files("cancelled").await, calm);
    assert_eq!(scene.states("cancelled").await, [ExportState::Ready; 3]);
    assert_eq!((scene.scratch(), objects(server, QUEUE).await.len()), (0, 9));
    worker.kill().await;
}
