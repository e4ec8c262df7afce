//! Clockwork beside the workers.
//!
//! - [`retention`]: what is kept of finished jobs;
//! - [`schedules`]: what is to be done again and again;
//! - [`exports`]: files that users have asked for, until their time is over;
//! - [`canary`]: proves that jobs move.

mod canary;
mod exports;
mod retention;
pub(crate) mod schedules;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinHandle;

use crate::observe::metrics;
use crate::worker::Engine;

/// A Redis that does not answer must not hold up a shutdown: what was claimed runs out by itself.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(1);

/// What goes on beside the jobs until the process stops.
#[derive(Debug)]
pub(crate) struct Upkeep {
    tasks: Vec<JoinHandle<()>>,
}

impl Upkeep {
    pub(crate) fn start(engine: &Arc<Engine>, recorder: PrometheusHandle) -> Self {
        let retention = engine.control.spawn(retention::keep(Arc::clone(engine)));
        let canary = engine.control.spawn(canary::keep(Arc::clone(engine)));
        let exports = engine.control.spawn(exports::keep(Arc::clone(engine)));
        let schedules = engine.control.spawn(schedules::keep(Arc::clone(engine)));
        let samples = engine.control.spawn(metrics::keep(recorder));
        Self { tasks: vec![retention, canary, exports, schedules, samples] }
    }

    pub(crate) async fn stop(self, engine: &Engine) {
        for task in self.tasks {
            task.abort();
            // Only that it has ended counts.
            let _ = task.await;
        }
        let _ = tokio::time::timeout(HAND_OVER_WITHIN, retention::hand_over(engine)).await;
    }
}
