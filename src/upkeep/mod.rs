//! Clockwork beside the workers.
//!
//! - [`retention`]: what is kept of finished jobs;
//! - [`canary`]: proves that jobs move.

mod canary;
mod retention;

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::worker::Engine;

/// What goes on beside the jobs until the process stops.
#[derive(Debug)]
pub(crate) struct Upkeep {
    tasks: Vec<JoinHandle<()>>,
}

impl Upkeep {
    pub(crate) fn start(engine: &Arc<Engine>) -> Self {
        let retention = engine.control.spawn(retention::keep(Arc::clone(engine)));
        let canary = engine.control.spawn(canary::keep(Arc::clone(engine)));
        Self { tasks: vec![retention, canary] }
    }

    pub(crate) async fn stop(self, engine: &Engine) {
        for task in self.tasks {
            task.abort();
            // Only that it has ended counts.
            let _ = task.await;
        }
        retention::hand_over(engine).await;
    }
}
