//! From photos to concerts.
//!
//! - `photos`: photos as far as sessions are made of them; `regroup`: storing the sessions;
//! - `session`: one session, for matching, and which ones are to be matched;
//! - `record`: storing what was decided, all of it in one transaction; `shows`: what it rests on, shared
//!   by all users; `found`: what there is to tell of it;
//! - `owner`: what is known of whose photos they are; `tally`: what came of it, in numbers.

mod found;
mod owner;
mod photos;
mod record;
mod regroup;
mod session;
mod shows;
mod tally;

pub use found::{Concert, Concerts};
pub(crate) use photos::SessionPhoto;
pub(crate) use record::{EveningMatch, SessionMatch};
pub(crate) use regroup::{GroupedPhoto, GroupedSession, Regrouping};
pub(crate) use session::{Member, PhotoSession};
pub(crate) use tally::MatchTally;

use serde::Serialize;
use serde_json::Value;

const SESSIONS: &str = "photo_sessions";
const MEMBERS: &str = "session_photos";
const LINKS: &str = "photo_links";

/// A variant without fields, as it is stored.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod looking {
    //! What tests of handlers look at, and do as a web tier would.

    use sqlx::{AssertSqlSafe, Row as _};

    use crate::effects::catalogue::Catalogue;

    impl Catalogue {
        /// The first column of what a statement answers.
        pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
            let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
            let rows = query.fetch_all(&self.primary).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }

        pub(crate) async fn execute(&self, sql: &str) {
            let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
            query.execute(&self.primary).await.unwrap();
        }
    }
}
