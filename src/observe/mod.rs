//! 4 · What leaves: metrics, health, logs.
//!
//! - [`metrics`]: every family of metrics, by name, in one file;
//! - [`http`]: `/metrics`, `/livez`, `/readyz`;
//! - [`health`]: what ready means;
//! - [`logs`]: the subscriber.

pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;
