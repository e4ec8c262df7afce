//! Other doors into the queue, for those who do not speak BullMQ.
//!
//! - [`apalis`]: Rust producers that push to apalis-redis queues;
//! - [`http`]: the API.

pub(crate) mod apalis;
pub(crate) mod http;
