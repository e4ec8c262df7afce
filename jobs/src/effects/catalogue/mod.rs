//! The catalogue: whose photos there are, what was found out about each file, and dead letters.
//!
//! `PostgreSQL` in production, `SQLite` as the embedded default; one set of SQL texts serves both
//! (through sqlx's `Any` layer), and every test runs on both. Writes are upserts on natural keys,
//! so a job that is repeated changes nothing. Time comes in from the caller, as Unix milliseconds.
//!
//! - [`CatalogueOptions`]: where it is; `connect`: opening it;
//! - `schema`: migrations;
//! - [`ScannedFile`] and its parts: what a scan hands over; `page`: how it is stored;
//! - `processed`: what a scan can skip; `photos`, `outcomes`, `summary`: what can be asked;
//! - `photo_id`: what photos are called outside; `variants`: what is shown instead of them;
//! - `matching`: from photos to concerts: sessions, shows, links and why they were made;
//! - `history`: all nights of a user, to be written into a file; `exports`: the files;
//! - `drive`: what listings of Google Drive have seen;
//! - `lookalikes`: photos by what they look like; `duplicates`: which are proposed as one;
//! - [`Account`]: sealed tokens of users;
//! - `mail`: to whom, which mails, and what became of them;
//! - `erasure`: the right to be forgotten: whom nothing may be written of any more, and receipts;
//! - `venue_table`: places of OpenStreetMap where concerts could be;
//! - [`NewDeadLetter`], [`DeadLetter`]: jobs that were given up on.

mod accounts;
mod batch;
mod bury;
mod connect;
mod dead_letters;
mod drive;
mod duplicates;
mod erasure;
mod error;
mod exports;
mod history;
mod letter;
mod lookalikes;
mod mail;
mod matching;
mod options;
mod outcomes;
mod page;
mod photo_id;
mod photos;
mod processed;
mod row;
mod scanned;
mod schema;
mod summary;
#[cfg(test)]
mod tests;
mod text;
mod users;
mod variants;
mod venue_table;

use std::time::Duration;

use sqlx::AnyPool;
use tokio::time::Instant;

pub use accounts::{Account, AccountState, FreshTokens};
pub use duplicates::{Decision, DuplicateGroup, DuplicateMember, Likeness};
pub use erasure::{Counted, Erasure, Receipt, Standing, Store};
pub use error::CatalogueError;
pub use exports::{Export, ExportState};
pub use letter::{DeadLetter, DeadLetterFilter, DeadReason, FailedAttempt, NewDeadLetter};
pub use mail::{LedgerCount, LedgerMail, MailKey, MailState};
pub use matching::{Concert, Concerts};
pub use options::CatalogueOptions;
pub use outcomes::PhotoOutcome;
pub use page::PageSummary;
pub use photos::{CataloguedPhoto, FileKey};
pub use scanned::{Note, OutcomeStatus, PhotoFacts, Provider, ScannedFile, Verdict};
pub use schema::MigrationReport;
pub use summary::{CatalogueSummary, OutcomeCount};
pub use variants::StoredVariants;
pub use venue_table::{OsmArea, OsmExtract, OsmImport, OsmPlace, Surroundings};

pub(crate) use drive::{
    DriveCursor, DriveItem, DrivePage, DriveScope, Due, ItemKind, ListedPhoto, Named, OpenFolder,
    OpenShortcut, Place,
};
pub(crate) use duplicates::Proposals;
pub(crate) use erasure::Pass;
pub(crate) use error::catalogue_error;
pub(crate) use exports::{ExportOrder, MadeExport};
pub(crate) use history::{NightRow, ShowRow};
pub(crate) use lookalikes::{Content, Lookalike};
pub(crate) use mail::{CelebratedNight, Mark, NewMail, NightTold, NotSent, Recipient};
pub(crate) use matching::{
    EveningMatch, GroupedPhoto, GroupedSession, MatchTally, Member, PhotoSession, Regrouping,
    SessionMatch, SessionPhoto,
};
pub(crate) use text::sha256_hex;
pub(crate) use variants::StarredPhoto;

use crate::metric;
use options::Backend;

/// A handle on the catalogue; clones share its connections.
#[derive(Clone, Debug)]
pub struct Catalogue {
    primary: AnyPool,
    /// May lag behind, so decisions never rest on it.
    replica: Option<AnyPool>,
    backend: Backend,
    slow_query: Duration,
}

impl Catalogue {
    /// `"postgresql"` or `"sqlite"`.
    pub fn backend(&self) -> &'static str {
        self.backend.name()
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`CatalogueError::Ping`] when there is none within the acquire timeout.
    pub async fn ping(&self) -> Result<(), CatalogueError> {
        self.timed("ping", async {
            sqlx::query("SELECT 1").execute(&self.primary).await.map_err(CatalogueError::Ping)?;
            Ok(())
        })
        .await
    }

    /// Connections that are open now, replica included.
    pub fn pool_size(&self) -> u32 {
        self.pools().map(AnyPool::size).sum()
    }

    /// Open connections that nobody uses now.
    pub fn pool_idle(&self) -> usize {
        self.pools().map(AnyPool::num_idle).sum()
    }

    /// Waits for running queries and closes every connection.
    pub async fn close(&self) {
        for pool in self.pools() {
            pool.close().await;
        }
    }

    /// Where listings and reports are read.
    fn readers(&self) -> &AnyPool {
        self.replica.as_ref().unwrap_or(&self.primary)
    }

    fn pools(&self) -> impl Iterator<Item = &AnyPool> {
        std::iter::once(&self.primary).chain(&self.replica)
    }

    /// Measures one access; `query` is its name in metrics and logs.
    async fn timed<T>(
        &self,
        query: &'static str,
        access: impl Future<Output = Result<T, CatalogueError>>,
    ) -> Result<T, CatalogueError> {
        let started = Instant::now();
        let result = access.await;
        let elapsed = started.elapsed();
        metrics::histogram!(metric::DB_QUERY_SECONDS, "query" => query)
            .record(elapsed.as_secs_f64());
        if elapsed >= self.slow_query {
            metrics::counter!(metric::DB_SLOW_QUERIES).increment(1);
            tracing::warn!(query, elapsed_seconds = elapsed.as_secs_f64(), "slow catalogue query");
        }
        result
    }
}
