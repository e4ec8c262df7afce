//! HTTP services of others, and what their answers are worth.
//!
//! - `unanswered`: why there is no answer, and what a job makes of that;
//! - `fetch`: one question, one reply, over the network, and what it is worth; budgets and caches are put
//!   around it;
//! - `setlist_fm`, `overpass`, `nominatim`: what each is asked, and what of its reply is an answer;
//! - `online`: the three together answer what matching asks.
//!
//! Whatever is not surely an answer is none: a page of HTML, a remark that a query timed out, JSON that
//! ends in the middle or has another shape, an answer to another question. Only the answers of a service
//! itself can say that there is nothing.

mod fetch;
mod nominatim;
mod online;
mod overpass;
mod setlist_fm;
#[cfg(test)]
mod tests;
mod unanswered;

pub use fetch::{Answer, Ask, Fetch, Judge, Reply, Web};
pub use online::{Online, Services};
pub(crate) use overpass::Element;
pub use unanswered::Unanswered;
