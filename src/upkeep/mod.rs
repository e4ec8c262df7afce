//! Clockwork beside the workers.
//!
//! - [`retention`]: what is kept of finished jobs.

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
        let retention = retention::keep(Arc::clone(engine));
        Self { tasks: vec![engine.control.spawn(retention)] }
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
