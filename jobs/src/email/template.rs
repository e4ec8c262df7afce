//! What mails there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// One thing to celebrate; `value` says which: `nights-100`.
    Milestone,
    /// Several at once; `value` is the day.
    MilestoneDigest,
    /// Photos were scanned; `value` is the scan.
    ScanFinished,
    /// A file can be fetched; `value` is the export's id.
    ExportReady,
    /// An account does not let in any more; `value` is the provider, and since when.
    ReconnectNeeded,
}

/// What users can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Congratulations.
    Milestones,
    /// Results of scans.
    Scans,
    /// Files that they have asked for.
    Exports,
    /// What concerns their accounts.
    Accounts,
}

impl Template {
    /// All of them, for metrics.
    pub const ALL: [Self; 5] = [
        Self::Milestone,
        Self::MilestoneDigest,
        Self::ScanFinished,
        Self::ExportReady,
        Self::ReconnectNeeded,
    ];

    /// As it is on the wire and in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milestone => "milestone",
            Self::MilestoneDigest => "milestone-digest",
            Self::ScanFinished => "scan-finished",
            Self::ExportReady => "export-ready",
            Self::ReconnectNeeded => "reconnect-needed",
        }
    }

    /// The template of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.name() == name)
    }

    /// Whose preference counts.
    pub const fn list(self) -> List {
        match self {
            Self::Milestone | Self::MilestoneDigest => List::Milestones,
            Self::ScanFinished => List::Scans,
            Self::ExportReady => List::Exports,
            Self::ReconnectNeeded => List::Accounts,
        }
    }
}

impl List {
    /// As it is in preferences and tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Milestones => "milestones",
            Self::Scans => "scans",
            Self::Exports => "exports",
            Self::Accounts => "accounts",
        }
    }

    /// The list of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Milestones, Self::Scans, Self::Exports, Self::Accounts];
        all.into_iter().find(|list| list.name() == name)
    }

    /// Whether somebody gets its mails who has not said anything about it: what was asked for, or is
    /// needed. All else is for those who have asked for it, and waits while they sleep.
    pub const fn unasked(self) -> bool {
        matches!(self, Self::Exports | Self::Accounts)
    }
}
