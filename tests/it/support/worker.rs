//! A daemon in this process.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusHandle;
use roadie::daemon::Daemon;
use roadie::lifecycle::{Exit, Stop};
use roadie::observe::metrics;
use roadie_jobs::Registry;
use tokio::task::JoinHandle;

use super::SOON;
use super::play::Play;
use super::stage::Stage;

/// All daemons of this process share their metrics; tests of metrics use a process of their own.
static RECORDER: LazyLock<PrometheusHandle> = LazyLock::new(|| metrics::install().unwrap());

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) http: SocketAddr,
    stop: Stop,
    running: JoinHandle<anyhow::Result<Exit>>,
}

impl Worker {
    /// Serves the stage's queues with every kind and the tests' own.
    pub(crate) async fn start(stage: &Stage) -> Self {
        Self::with(stage, roadie_jobs::registry().with::<Play>()).await
    }

    pub(crate) async fn with(stage: &Stage, registry: Registry) -> Self {
        let daemon = Daemon::build(stage.config(), registry, RECORDER.clone()).await.unwrap();
        let stop = Stop::default();
        Self {
            http: daemon.http_address().unwrap(),
            running: tokio::spawn(daemon.run(stop.clone())),
            stop,
        }
    }

    /// A sample of a family of metrics that only this stage has, because of its labels.
    pub(crate) async fn counted(&self, sample: &str, at_least: u64) {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        super::http::counted(self.http, sample, |value| value >= Some(at_least as f64)).await;
    }

    /// Ends it as a second signal does: what matters was seen before.
    pub(crate) async fn stop(self) {
        self.stop.hard.cancel();
        self.ended().await;
    }

    /// Ends it as the first signal does.
    pub(crate) async fn drain(self) -> Exit {
        self.stop.soft.cancel();
        self.ended().await
    }

    async fn ended(mut self) -> Exit {
        let ended = tokio::time::timeout(SOON, &mut self.running).await;
        let exit = ended.expect("the daemon should have ended by now");
        exit.unwrap().unwrap()
    }
}

/// After a failed test: a daemon that is merely dropped complains louder than the test did.
impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.hard.cancel();
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.running.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
