//! Clockwork beside the workers.
//!
//! - [`retention`]: what is kept of finished jobs;
//! - [`schedules`]: what is to be done again and again;
//! - [`canary`]: proves that jobs move.

mod canary;
mod retention;
pub(crate) mod schedules;

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
        let schedules = engine.control.spawn(schedules::keep(Arc::clone(engine)));
        Self { tasks: vec![retention, canary, schedules] }
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
