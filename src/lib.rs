//! Roadie: a standalone worker daemon for `BullMQ` queues. This package is *how* work is run; *what*
//! the work is lives in `roadie-jobs`.
//!
//! In the order in which a job meets them:
//!
//! 1. [`queue`]: producers → queue; the only code that knows the queue's Redis layout;
//! 2. [`worker`]: queue → handler: slots, leases, the stack around every handler;
//! 3. [`outcome`]: result → completed, retried, postponed, released, or a dead letter;
//! 4. [`upkeep`]: clockwork beside the workers: schedules, retention, canaries;
//! 5. [`observe`]: what leaves: metrics, health, logs.
//!
//! [`intake`]: other doors into the queue. [`budget`]: what the fleet may ask of services of others;
//! [`stand_in`]: such services, as evaluations need them.
//!
//! Around them: [`config`] (every knob), [`daemon`] (builds, starts and stops the parts),
//! [`lifecycle`] (signals and exit codes), `memory` (how much of it pictures may take), [`cli`] (what
//! operators type).

pub mod budget;
pub mod cli;
pub mod config;
pub mod daemon;
mod intake;
pub mod lifecycle;
mod memory;
pub mod observe;
pub mod outcome;
pub mod queue;
pub mod stand_in;
pub mod upkeep;
pub mod worker;
