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

/// Turns SIGTERM, SIGINT and SIGHUP (the terminal was closed) into a soft stop, and the next one into
/// a hard stop. Whoever was started with SIGHUP ignored, as by `nohup`, keeps ignoring it.
///
/// # Errors
///
/// When the handlers cannot be installed.
pub fn listen(stop: Stop) -> std::io::Result<impl Future<Output = ()>> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) },
    };
    Ok(async move {
        let name = signals.next().await;
        tracing::info!(signal = name, "stopping; send it again to stop at once");
        stop.soft.cancel();
        let name = signals.next().await;
        tracing::warn!(signal = name, "stopping at once");
        stop.hard.cancel();
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Whether this process was started so that SIGHUP does not reach it, as by `nohup`; where /proc does not
/// tell, it does reach it.
pub fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignored_in(&status))
}

/// The mask of ignored signals; SIGHUP is its lowest bit.
fn ignored_in(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen() {
        assert!(ignored_in("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0"));
        assert!(!ignored_in("Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t1"));
        assert!(!ignored_in(""));
    }
}
