//! Keeps a running job's lease alive. A lost lease stops the job: somebody else may run it.

use std::time::Duration;

use roadie_jobs::{Cancel, CancelReason};

use super::port::Port;
use crate::queue::reserved::Reserved;

/// A lease is renewed this many times within its life, so that one lost packet does no harm.
const RENEWALS: u32 = 3;

/// Renews until the lease is lost. Dropped when the job is settled.
///
/// While Redis does not answer nobody else can take the job either, so only its answer counts.
pub(crate) async fn keep(reserved: &Reserved, port: &Port, cancel: &Cancel, lease: Duration) {
    loop {
        tokio::time::sleep(lease / RENEWALS).await;
        match reserved.extend(lease).await {
            Ok(true) => {}
            Ok(false) => {
                cancel.cancel(CancelReason::LeaseLost);
                return;
            }
            Err(error) => tracing::debug!(%error, job.id = reserved.id(), "lease not renewed yet"),
        }
        if let Err(error) = port.renew_claims().await {
            tracing::debug!(%error, job.id = reserved.id(), "claims not renewed yet");
        }
    }
}
