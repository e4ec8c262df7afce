//! Signals, the order of stopping, and the exit code that says how it went.

use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Soft: no new jobs, running ones go on. Hard: now. Hard includes soft.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Cancelled by the first signal, or when a part of the process dies.
    pub soft: CancellationToken,
    /// Cancelled by the second signal.
    pub hard: CancellationToken,
}

impl Default for Stop {
    fn default() -> Self {
        let hard = CancellationToken::new();
        Self { soft: hard.child_token(), hard }
    }
}

/// How a process ended. The numbers are part of the interface: process managers read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: asked to stop, and every job in hand was finished.
    Drained,
    /// 75 (`EX_TEMPFAIL`): asked to stop; jobs were left over when the grace period ended, and were
    /// released to other workers.
    Released,
    /// 130: a second signal stopped it hard; leases of jobs in hand run out by themselves.
    Hard,
    /// 70 (`EX_SOFTWARE`): a part of the process died.
    Failed,
}

impl Exit {
    /// The process' exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Drained => 0,
            Self::Released => 75,
            Self::Hard => 130,
            Self::Failed => 70,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Turns SIGTERM and SIGINT into a soft stop, and the next one into a hard stop.
///
/// # Errors
///
/// When the handlers cannot be installed.
pub fn listen(stop: Stop) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping: no new jobs; send it again to stop at once");
        stop.soft.cancel();
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal = name, "stopping at once");
        stop.hard.cancel();
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
