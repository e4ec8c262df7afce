//! Mail: to whom, which, and what became of it.
//!
//! - `recipients`: where a user gets mail, and which; addresses that get none;
//! - `ledger`: every mail once, written before it is sent; `entry`: what it holds of one;
//! - `milestones`: the nights that milestones are counted of, and what was celebrated.

mod entry;
mod ledger;
mod milestones;
mod recipients;

pub use entry::{LedgerCount, LedgerMail, MailKey, MailState};
pub(crate) use entry::{NewMail, NotSent};
pub(crate) use milestones::{CelebratedNight, Mark, NightTold};
pub(crate) use recipients::Recipient;

const MAILS: &str = "mails";
