//! What Roadie promises, held against real servers: one file per promise.
//!
//! Every test has a key prefix, a folder and a catalogue of its own, so all of them run at the same
//! time. A server that is not there skips its tests aloud, or fails them where `REQUIRE_ALL` is set.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as loudly as the tests themselves")]

#[macro_use]
mod support;

mod backoff;
mod budget;
mod budget_decisions;
mod budget_matching;
mod cache;
mod canary;
mod cancel;
mod cancel_waiting;
mod chaos_frozen;
mod chaos_kill_storm;
mod chaos_mail;
mod chaos_poison;
mod chaos_redis;
mod chaos_stalled;
mod children;
mod cli;
mod cluster;
mod conformance;
mod dashboard;
mod dedup_photos;
mod delete_user;
mod delete_user_killed;
mod delete_user_requests;
mod delete_user_versions;
mod evaluate;
mod exports;
mod exports_killed;
mod exports_links;
mod exports_scripts;
mod fair;
mod health;
mod http_auth;
mod http_cancel;
mod http_events;
mod http_fuzz;
mod http_idempotency;
mod http_jobs;
mod http_queues;
mod intake_apalis;
mod intake_backlog;
mod isolation;
mod link;
mod mail;
mod mail_outage;
mod matching;
mod memory;
mod metrics;
mod optimize_photo;
mod order;
mod outcome;
mod pause;
mod producer;
mod prometheus;
mod recovery;
mod redis_acl;
mod redis_full;
mod redis_restart;
mod retention;
mod retention_upkeep;
mod rolling_restart;
mod runbook;
mod scan_drive;
mod scan_drive_accounts;
mod scan_drive_faults;
mod scan_folder;
mod scan_progress;
mod scan_refusals;
mod scan_s3;
mod scan_s3_faults;
mod schedules;
mod sentinel;
mod shared_photos;
mod shutdown;
mod stand_ins;
mod start;
mod tls;
mod tokens;
mod undecodable;
mod variant_looks;
mod venues;
mod wire;
mod workers;
