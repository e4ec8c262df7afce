//! What a mail tells, beside what is looked up when it is sent. Ids and numbers: no names, no address.

use serde::{Deserialize, Serialize};

use super::milestones::Milestone;

/// What a mail tells; each template has some of these, and does without those that are missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Facts {
    /// What is celebrated, the greatest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) milestones: Vec<Milestone>,
    /// How many more there are.
    pub(crate) more: usize,
    /// Photos that a scan has dealt with.
    pub(crate) photos: Option<u64>,
    /// Of these, linked to a concert.
    pub(crate) linked: Option<u64>,
    /// Concerts that are new.
    pub(crate) new_concerts: Option<u64>,
    /// Photos of no concert.
    pub(crate) unmatched: Option<u64>,
    /// Of an export: `csv`, `json` or `pdf`.
    pub(crate) format: Option<String>,
    /// Concerts in it.
    pub(crate) concerts: Option<u64>,
    /// Its size.
    pub(crate) bytes: Option<u64>,
    /// Where it can be fetched.
    pub(crate) link: Option<String>,
    /// Until when, in Unix milliseconds.
    pub(crate) expires_at: Option<i64>,
    /// Of an account: `drive`.
    pub(crate) provider: Option<String>,
}

impl Facts {
    /// As the ledger keeps them.
    pub(crate) fn written(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are always JSON")
    }

    /// As the ledger has kept them. What another build has written may be missing.
    pub(super) fn read(written: Option<&str>) -> Self {
        written.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}
