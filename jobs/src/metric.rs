//! The names of the metrics that handlers and effects record themselves. Their help texts and buckets
//! stand with all others in the engine's `observe/metrics.rs`.

use crate::email::{Alert, Template};

/// Files that scans have dealt with, by `result` ([`SCAN_RESULTS`]).
pub const PHOTOS_SCANNED: &str = "roadie_photos_scanned_total";
/// Time of one photo scan; the application's own name.
pub const SCAN_SECONDS: &str = "photo_scan_duration_seconds";
/// Time of one access to the catalogue, by `query`.
pub const DB_QUERY_SECONDS: &str = "roadie_db_query_seconds";
/// Accesses to the catalogue that were slower than `database.slow_query`.
pub const DB_SLOW_QUERIES: &str = "roadie_db_slow_queries_total";

/// Evenings that were matched, by `status` ([`MATCH_STATUSES`]); the application's own name.
pub const CONCERT_MATCHES: &str = "concert_match_total";

/// The `status` label of [`CONCERT_MATCHES`]: linked, left to its owner, without a show; or a look-up
/// without an answer, so that nothing was decided.
pub const MATCH_STATUSES: [&str; 4] = ["auto", "review", "none", "unanswered"];

/// The `result` label of [`PHOTOS_SCANNED`].
pub const SCAN_RESULTS: [&str; 5] = ["clean", "flawed", "refused", "failed", "unchanged"];

/// Mails by `template` and `outcome` ([`MAIL_OUTCOMES`]).
pub const MAILS: &str = "roadie_mails_total";
/// Mails of which somebody should know, by `reason`.
pub const MAIL_ALERTS: &str = "roadie_mail_alerts_total";

/// The `outcome` label of [`MAILS`].
pub const MAIL_OUTCOMES: [&str; 6] =
    ["sent", "deferred", "failed", "suppressed", "unwanted", "unknown"];

/// The `template` label of [`MAILS`].
pub const MAIL_TEMPLATES: [&str; 5] = [
    Template::Milestone.name(),
    Template::MilestoneDigest.name(),
    Template::ScanFinished.name(),
    Template::ExportReady.name(),
    Template::ReconnectNeeded.name(),
];

/// The `reason` label of [`MAIL_ALERTS`]: we, or our mails, are not wanted; nothing goes out as it is
/// configured; nobody knows whether a mail was sent.
pub const MAIL_ALERT_REASONS: [&str; 3] =
    [Alert::Policy.name(), Alert::Configuration.name(), Alert::Unknown.name()];
