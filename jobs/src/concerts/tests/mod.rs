//! Handlers on a real catalogue, with services that say what the test says. Where a case comes from a bug
//! of the application that Roadie serves, its test tells what went wrong there.

mod faults;
mod linking;
mod sessions;
pub(crate) mod stage;
