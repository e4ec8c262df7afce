//! Which tables hold things of one user. All others are shared by all users, and stay: venues and their
//! names, artists, nights, setlists, places of OpenStreetMap.

/// A table with a column `user_id`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owned {
    pub(crate) table: &'static str,
    /// The rest of its key; of a table with one row a user, all of it.
    pub(crate) key: &'static str,
}

const fn owned(table: &'static str, key: &'static str) -> Owned {
    Owned { table, key }
}

/// In the order in which rows are removed: before what they refer to, so that each is counted where it is.
pub(crate) const OWNED: &[Owned] = &[
    owned("photo_links", "provider, file_id"),
    owned("match_evidence", "session_id, evening"),
    owned("session_venues", "session_id, osm"),
    owned("session_photos", "provider, file_id"),
    owned("photo_sessions", "session_id"),
    owned("venue_aliases", "venue_id, alias"),
    owned("duplicate_members", "group_id, provider, file_id"),
    owned("duplicate_groups", "group_id"),
    owned("photo_fingerprints", "provider, file_id"),
    owned("photo_variants", "provider, file_id"),
    owned("photo_outcomes", "provider, file_id"),
    owned("processed_files", "provider, file_id"),
    owned("photos", "provider, file_id"),
    owned("drive_items", "scope, item_id"),
    owned("drive_cursors", "scope, drive_id"),
    owned("drive_scopes", "scope"),
    owned("exports", "export_id"),
    owned("mails", "template, value"),
    owned("milestone_marks", "series"),
    owned("mail_preferences", "list"),
    owned("mail_recipients", "user_id"),
    owned("provider_accounts", "provider"),
];

/// Tables into which no row of an erased user comes; `users` is removed last, by itself.
pub(crate) fn guarded() -> impl Iterator<Item = &'static str> {
    OWNED.iter().map(|owned| owned.table).chain(["users"])
}
