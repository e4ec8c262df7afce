//! Proposals that some photos are one, and what people decided about them.

use std::collections::BTreeMap;

use sqlx::{Any, AnyPool, Transaction};

use super::batch::{self, KEYS, ROWS};
use super::error::written;
use super::photos::{FileKey, file_key};
use super::row::TableRow;
use super::scanned::{Provider, UnknownWord};
use super::text::{SENTENCE, capped};
use super::{Catalogue, CatalogueError, users};
use crate::pixels::FINGERPRINT_VERSION;

const GROUPS: &str = "duplicate_groups";
const MEMBERS: &str = "duplicate_members";
/// Groups per statement when all are read.
const PAGE: u32 = 1_000;

/// How alike the photos of a group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The same bytes.
    Exact,
    /// The same picture.
    Near,
}

/// What a person has said of a group. Only the web tier writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They are one: all but the best are left out of later proposals.
    Duplicates,
    /// They are not: no two of them are proposed together again.
    Distinct,
}

/// A photo of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateMember {
    /// SHA-256 of the file, hexadecimal, as it was when the group was made.
    pub content_hash: String,
    /// Bits, of 256, by which it differs from the best one.
    pub distance: u32,
}

/// Photos that are proposed as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateGroup {
    /// Stays as long as the group does.
    pub id: String,
    /// How alike they are.
    pub likeness: Likeness,
    /// The one to keep.
    pub best: FileKey,
    /// Why, in plain words.
    pub best_reason: String,
    /// All of them.
    pub members: BTreeMap<FileKey, DuplicateMember>,
    /// Counts up with every change.
    pub revision: i32,
    /// What a person has said of it.
    pub decision: Option<Decision>,
}

/// What is to become of the proposals of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proposals {
    /// Groups that were not there.
    pub(crate) made: Vec<DuplicateGroup>,
    /// Groups that are others than before, with the revision that they had.
    pub(crate) changed: Vec<DuplicateGroup>,
    /// Groups that are none any more, by id and revision.
    pub(crate) gone: Vec<(String, i32)>,
}

impl Likeness {
    /// As it is stored: `exact` or `near`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Near => "near",
        }
    }

    fn parse(word: &str) -> Result<Self, UnknownWord> {
        match word {
            "exact" => Ok(Self::Exact),
            "near" => Ok(Self::Near),
            _ => Err(UnknownWord { what: "likeness", word: word.into() }),
        }
    }
}

impl Decision {
    /// Words that this build does not know say that somebody has decided, and so nothing is proposed again.
    fn of(word: &str) -> Self {
        if word == "duplicates" { Self::Duplicates } else { Self::Distinct }
    }
}

impl Catalogue {
    /// A user's groups of duplicates, at most `limit`, in the order of their ids, from the first or on
    /// `after` another.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn duplicate_groups(
        &self,
        user_id: i64,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DuplicateGroup>, CatalogueError> {
        let page = self.page_of_groups(self.readers(), user_id, after, limit);
        self.timed("duplicate_groups", page).await
    }

    /// All groups that hold any of these photos, decided ones included.
    pub(crate) async fn groups_with(
        &self,
        user_id: i64,
        photos: &[FileKey],
    ) -> Result<Vec<DuplicateGroup>, CatalogueError> {
        self.timed("groups_with", async {
            let mut groups = BTreeMap::new();
            for chunk in photos.chunks(KEYS) {
                let keys = batch::rows(chunk.len(), 2, 2, "", "");
                let sql = format!(
                    "SELECT g.*, m.provider, m.file_id, m.content_hash, m.distance \
                     FROM duplicate_groups g JOIN duplicate_members m \
                     ON m.user_id = g.user_id AND m.group_id = g.group_id \
                     WHERE g.user_id = $1 AND g.group_id IN (SELECT group_id \
                     FROM duplicate_members WHERE user_id = $1 \
                     AND (provider, file_id) IN (VALUES {keys}))"
                );
                let mut query = batch::query(sql, chunk.len() == KEYS).bind(user_id);
                for key in chunk {
                    query = query.bind(key.provider.as_str()).bind(key.file_id.as_str());
                }
                // From the primary: a decision must not be missed.
                let rows = query.fetch_all(&self.primary).await;
                let rows = rows.map_err(|source| CatalogueError::Read { table: GROUPS, source })?;
                let found = collected(&rows)?;
                groups.extend(found.into_iter().map(|group| (group.id.clone(), group)));
            }
            Ok(groups.into_values().collect())
        })
        .await
    }

    /// All groups of a user, decided ones included.
    pub(crate) async fn all_groups(
        &self,
        user_id: i64,
    ) -> Result<Vec<DuplicateGroup>, CatalogueError> {
        let mut all: Vec<DuplicateGroup> = Vec::new();
        loop {
            let after = all.last().map(|group| group.id.clone());
            let page = self.page_of_groups(&self.primary, user_id, after.as_deref(), PAGE);
            let page = self.timed("all_groups", page).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    async fn page_of_groups(
        &self,
        pool: &AnyPool,
        user_id: i64,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DuplicateGroup>, CatalogueError> {
        let sql = "SELECT g.*, m.provider, m.file_id, m.content_hash, m.distance FROM \
                   (SELECT * FROM duplicate_groups WHERE user_id = $1 AND group_id > $2 \
                   ORDER BY group_id LIMIT $3) g JOIN duplicate_members m \
                   ON m.user_id = g.user_id AND m.group_id = g.group_id";
        let query = sqlx::query(sql).bind(user_id).bind(after.unwrap_or_default());
        let rows = query.bind(i64::from(limit)).fetch_all(pool).await;
        collected(&rows.map_err(|source| CatalogueError::Read { table: GROUPS, source })?)
    }

    /// Stores all of it in one transaction, or nothing: answers whether it did. It does not when a
    /// group was decided about, or changed, since it was read.
    ///
    /// # Errors
    /// [`CatalogueError::Begin`], `Write` or `Commit`.
    pub(crate) async fn propose(
        &self,
        user_id: i64,
        proposals: &Proposals,
        now_ms: i64,
    ) -> Result<bool, CatalogueError> {
        // Boxed: the statements' futures are large, and so would be every handler's.
        self.timed("propose", Box::pin(self.store_proposals(user_id, proposals, now_ms))).await
    }

    async fn store_proposals(
        &self,
        user_id: i64,
        proposals: &Proposals,
        now_ms: i64,
    ) -> Result<bool, CatalogueError> {
        let mut transaction = self.primary.begin().await.map_err(CatalogueError::Begin)?;
        // A write comes first: SQLite can wait for its write lock only at the beginning.
        users::ensure(&mut transaction, user_id, now_ms).await?;
        for (id, revision) in &proposals.gone {
            let sql = "DELETE FROM duplicate_groups \
                       WHERE user_id = $1 AND group_id = $2 AND revision = $3 AND decision IS NULL";
            let query = sqlx::query(sql).bind(user_id).bind(id.as_str()).bind(*revision);
            let gone = query.execute(&mut *transaction).await.map_err(written(GROUPS))?;
            if gone.rows_affected() == 0 {
                return Ok(false);
            }
        }
        for group in &proposals.changed {
            let sql = "UPDATE duplicate_groups SET kind = $4, best_provider = $5, \
                       best_file_id = $6, best_reason = $7, members = $8, \
                       revision = revision + 1, updated_at = $9 \
                       WHERE user_id = $1 AND group_id = $2 AND revision = $3 AND decision IS NULL";
            let query = bind_group(sql, user_id, group).bind(now_ms);
            let changed = query.execute(&mut *transaction).await.map_err(written(GROUPS))?;
            if changed.rows_affected() == 0 {
                return Ok(false);
            }
            let sql = "DELETE FROM duplicate_members WHERE user_id = $1 AND group_id = $2";
            let query = sqlx::query(sql).bind(user_id).bind(group.id.as_str());
            query.execute(&mut *transaction).await.map_err(written(MEMBERS))?;
        }
        for group in &proposals.made {
            let sql = "INSERT INTO duplicate_groups (user_id, group_id, revision, kind, \
                       best_provider, best_file_id, best_reason, members, created_at, updated_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
            let query = bind_group(sql, user_id, group).bind(now_ms);
            query.execute(&mut *transaction).await.map_err(written(GROUPS))?;
        }
        let groups: Vec<_> = proposals.changed.iter().chain(&proposals.made).collect();
        store_members(&mut transaction, user_id, &groups).await?;
        transaction.commit().await.map_err(CatalogueError::Commit)?;
        Ok(true)
    }

    /// Notes that these photos, each with the content that it had, were compared with all others.
    pub(crate) async fn compared<'p>(
        &self,
        user_id: i64,
        photos: impl Iterator<Item = (&'p FileKey, &'p str)>,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let photos: Vec<_> = photos.collect();
        self.timed("compared", async {
            for chunk in photos.chunks(KEYS) {
                let keys = batch::rows(chunk.len(), 4, 3, "", "");
                let sql = format!(
                    "UPDATE photo_fingerprints SET compared_at = $2 \
                     WHERE user_id = $1 AND version = $3 AND compared_at IS NULL \
                     AND (provider, file_id, content_hash) IN (VALUES {keys})"
                );
                let query = batch::query(sql, chunk.len() == KEYS);
                let mut query = query.bind(user_id).bind(now_ms).bind(FINGERPRINT_VERSION);
                for (key, content_hash) in chunk {
                    query = query.bind(key.provider.as_str()).bind(key.file_id.as_str());
                    query = query.bind(*content_hash);
                }
                query.execute(&self.primary).await.map_err(written("photo_fingerprints"))?;
            }
            Ok(())
        })
        .await
    }
}

fn bind_group<'q>(
    sql: &'static str,
    user_id: i64,
    group: &'q DuplicateGroup,
) -> batch::AnyQuery<'q> {
    sqlx::query(sql)
        .bind(user_id)
        .bind(group.id.as_str())
        .bind(group.revision)
        .bind(group.likeness.as_str())
        .bind(group.best.provider.as_str())
        .bind(group.best.file_id.as_str())
        .bind(capped(&group.best_reason, SENTENCE))
        .bind(i32::try_from(group.members.len()).unwrap_or(i32::MAX))
}

async fn store_members(
    transaction: &mut Transaction<'static, Any>,
    user_id: i64,
    groups: &[&DuplicateGroup],
) -> Result<(), CatalogueError> {
    let members: Vec<_> = groups
        .iter()
        .flat_map(|group| group.members.iter().map(|(key, member)| (&group.id, key, member)))
        .collect();
    for chunk in members.chunks(ROWS) {
        let values = batch::rows(chunk.len(), 2, 5, "$1, ", "");
        let sql = format!(
            "INSERT INTO duplicate_members \
             (user_id, group_id, provider, file_id, content_hash, distance) VALUES {values}"
        );
        let mut query = batch::query(sql, chunk.len() == ROWS).bind(user_id);
        for (id, key, member) in chunk {
            query = query
                .bind(id.as_str())
                .bind(key.provider.as_str())
                .bind(key.file_id.as_str())
                .bind(member.content_hash.as_str())
                .bind(i32::try_from(member.distance).unwrap_or(i32::MAX));
        }
        query.execute(&mut **transaction).await.map_err(written(MEMBERS))?;
    }
    Ok(())
}

/// Groups from rows of a group and one of its members each.
fn collected(rows: &[sqlx::any::AnyRow]) -> Result<Vec<DuplicateGroup>, CatalogueError> {
    let mut groups: BTreeMap<String, DuplicateGroup> = BTreeMap::new();
    for row in rows {
        let row = TableRow { table: GROUPS, row };
        let id: String = row.get("group_id")?;
        if !groups.contains_key(&id) {
            groups.insert(id.clone(), group(row)?);
        }
        if let Some(group) = groups.get_mut(&id) {
            let member = DuplicateMember {
                content_hash: row.get("content_hash")?,
                distance: row.number("distance")?.unwrap_or(0),
            };
            group.members.insert(file_key(row)?, member);
        }
    }
    Ok(groups.into_values().collect())
}

fn group(row: TableRow<'_>) -> Result<DuplicateGroup, CatalogueError> {
    let decision: Option<&str> = row.get("decision")?;
    Ok(DuplicateGroup {
        id: row.get("group_id")?,
        likeness: row.parse("kind", Likeness::parse)?,
        best: FileKey {
            provider: row.parse("best_provider", Provider::parse)?,
            file_id: row.get("best_file_id")?,
        },
        best_reason: row.get("best_reason")?,
        members: BTreeMap::new(),
        revision: row.get("revision")?,
        decision: decision.map(Decision::of),
    })
}
