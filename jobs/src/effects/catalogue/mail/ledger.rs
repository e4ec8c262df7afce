//! Every mail once, written before it is sent.
//!
//! A mail is `reserved` until a server waits for nothing but its content; then it is `sending`, which only
//! one attempt can make it, and whoever finds it so later does not know whether it was sent.

use super::MAILS;
use super::entry::{LedgerCount, LedgerMail, MailKey, MailState, NewMail, NotSent, mail};
use crate::effects::catalogue::error::{unread, written};
use crate::effects::catalogue::row::TableRow;
use crate::effects::catalogue::text::{LABEL, SENTENCE, capped};
use crate::effects::catalogue::{Catalogue, CatalogueError};

/// What is said of a mail while its answer is awaited.
const UNANSWERED: &str = "handed over; no answer yet";

impl Catalogue {
    /// The mail's entry, made if there is none yet. None: there is no such user (any more).
    pub(crate) async fn reserve_mail(
        &self,
        mail: NewMail<'_>,
        now_ms: i64,
    ) -> Result<Option<LedgerMail>, CatalogueError> {
        let sql = "INSERT INTO mails (user_id, template, value, facts, state, attempts, reserved_at) \
                   SELECT user_id, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), 'reserved', \
                   0, CAST($5 AS BIGINT) FROM users WHERE user_id = $1 \
                   ON CONFLICT (user_id, template, value) DO NOTHING";
        self.timed("reserve_mail", async {
            let MailKey { user_id, template, value } = mail.key;
            let query = sqlx::query(sql).bind(user_id).bind(*template).bind(value);
            let query = query.bind(mail.facts.map(str::to_owned)).bind(now_ms);
            query.execute(&self.primary).await.map_err(written(MAILS))?;
            self.ledger_mail(mail.key).await
        })
        .await
    }

    async fn ledger_mail(&self, key: &MailKey) -> Result<Option<LedgerMail>, CatalogueError> {
        let sql = "SELECT * FROM mails WHERE user_id = $1 AND template = $2 AND value = $3";
        let query = sqlx::query(sql).bind(key.user_id).bind(key.template).bind(&key.value);
        let row = query.fetch_optional(&self.primary).await.map_err(unread(MAILS))?;
        row.map(|row| mail(TableRow { table: MAILS, row: &row })).transpose()
    }

    /// A server waits for the content of a mail that was asked for `attempts` times before: from now on
    /// nobody else sends it. Answers whether that is so; otherwise somebody else was faster.
    pub(crate) async fn begin_sending(
        &self,
        key: &MailKey,
        attempts: i32,
        message_id: &str,
        now_ms: i64,
    ) -> Result<bool, CatalogueError> {
        let sql = "UPDATE mails SET state = 'sending', reason = $5, status = NULL, message_id = $6, \
                   attempts = attempts + 1, sending_at = $7, ended_at = NULL \
                   WHERE user_id = $1 AND template = $2 AND value = $3 AND attempts = $4 \
                   AND state NOT IN ('sending', 'sent', 'unknown')";
        self.timed("begin_sending", async {
            let query = sqlx::query(sql).bind(key.user_id).bind(key.template).bind(&key.value);
            let query = query.bind(attempts).bind(UNANSWERED).bind(message_id).bind(now_ms);
            let done = query.execute(&self.primary).await.map_err(written(MAILS))?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    /// Whoever has handed the mail over was answered: it is sent. Also when others had given up on
    /// knowing.
    pub(crate) async fn mail_sent(
        &self,
        key: &MailKey,
        attempt: i32,
        status: &str,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let sql = "UPDATE mails SET state = 'sent', reason = NULL, status = $5, ended_at = $6 \
                   WHERE user_id = $1 AND template = $2 AND value = $3 AND attempts = $4 \
                   AND state IN ('sending', 'unknown')";
        self.timed("mail_sent", async {
            let query = sqlx::query(sql).bind(key.user_id).bind(key.template).bind(&key.value);
            let query = query.bind(attempt).bind(capped(status, LABEL)).bind(now_ms);
            query.execute(&self.primary).await.map_err(written(MAILS))?;
            Ok(())
        })
        .await
    }

    /// Whoever has handed the mail over, or finds that somebody has, knows that it was not sent, or does
    /// not know whether it was. `attempt` is the count with that one.
    pub(crate) async fn mail_not_taken(
        &self,
        key: &MailKey,
        attempt: i32,
        became: &NotSent<'_>,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let sql = "UPDATE mails SET state = $5, reason = $6, status = $7, \
                   deferred_at = COALESCE(deferred_at, $8), ended_at = $9 \
                   WHERE user_id = $1 AND template = $2 AND value = $3 AND attempts = $4 \
                   AND state = 'sending'";
        self.timed("mail_not_taken", async { self.note(sql, key, attempt, became, now_ms).await })
            .await
    }

    /// The mail is not sent now, or never; no server waited for its content.
    pub(crate) async fn mail_not_sent(
        &self,
        key: &MailKey,
        attempts: i32,
        became: &NotSent<'_>,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let sql = "UPDATE mails SET state = $5, reason = $6, status = $7, \
                   deferred_at = COALESCE(deferred_at, $8), ended_at = $9, attempts = attempts + $10 \
                   WHERE user_id = $1 AND template = $2 AND value = $3 AND attempts = $4 \
                   AND state NOT IN ('sending', 'sent', 'unknown')";
        self.timed("mail_not_sent", async { self.note(sql, key, attempts, became, now_ms).await })
            .await
    }

    async fn note(
        &self,
        sql: &'static str,
        key: &MailKey,
        attempts: i32,
        became: &NotSent<'_>,
        now_ms: i64,
    ) -> Result<(), CatalogueError> {
        let ended = (became.state != MailState::Reserved).then_some(now_ms);
        let query = sqlx::query(sql)
            .bind(key.user_id)
            .bind(key.template)
            .bind(&key.value)
            .bind(attempts)
            .bind(became.state.as_str())
            .bind(capped(became.reason, SENTENCE))
            .bind(became.status.clone())
            .bind(became.deferred.then_some(now_ms))
            .bind(ended);
        let query = if sql.contains("$10") { query.bind(i32::from(became.asked)) } else { query };
        query.execute(&self.primary).await.map_err(written(MAILS))?;
        Ok(())
    }

    /// A mail that was not surely sent may be sent, as if it were a new one. Answers its entry; none: it
    /// was sent, or there is no such mail, or it was handed over after `handed_over_ms`, so that its answer
    /// may still come.
    ///
    /// # Errors
    /// [`CatalogueError::Write`], [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn mail_again(
        &self,
        key: &MailKey,
        handed_over_ms: i64,
    ) -> Result<Option<LedgerMail>, CatalogueError> {
        let sql = "UPDATE mails SET state = 'reserved', reason = 'an operator sends it again', \
                   deferred_at = NULL, ended_at = NULL WHERE user_id = $1 AND template = $2 \
                   AND value = $3 AND state <> 'sent' AND NOT (state = 'sending' AND sending_at > $4)";
        self.timed("mail_again", async {
            let query = sqlx::query(sql).bind(key.user_id).bind(key.template).bind(&key.value);
            let done = query.bind(handed_over_ms).execute(&self.primary).await;
            let done = done.map_err(written(MAILS))?;
            if done.rows_affected() == 0 { Ok(None) } else { self.ledger_mail(key).await }
        })
        .await
    }

    /// Mails that were asked for and not tried yet, of these templates.
    pub(crate) async fn mails_to_ask_for(
        &self,
        user_id: i64,
        templates: [&str; 2],
    ) -> Result<Vec<(String, String)>, CatalogueError> {
        let sql = "SELECT template, value FROM mails WHERE user_id = $1 AND state = 'reserved' \
                   AND attempts = 0 AND template IN ($2, $3) ORDER BY reserved_at LIMIT 100";
        self.timed("mails_to_ask_for", async {
            let query = sqlx::query(sql).bind(user_id).bind(templates[0]).bind(templates[1]);
            let rows = query.fetch_all(&self.primary).await.map_err(unread(MAILS))?;
            let read = |row| {
                let row = TableRow { table: MAILS, row };
                Ok((row.get("template")?, row.get("value")?))
            };
            rows.iter().map(read).collect()
        })
        .await
    }

    /// The mails of the ledger, the newest first: of a state, a user, or all.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn ledger(
        &self,
        state: Option<MailState>,
        user_id: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LedgerMail>, CatalogueError> {
        let sql = "SELECT * FROM mails WHERE ($1 = '' OR state = $1) AND ($2 = 0 OR user_id = $3) \
                   ORDER BY reserved_at DESC, user_id, template, value LIMIT $4";
        self.timed("ledger", async {
            let query = sqlx::query(sql)
                .bind(state.map_or("", MailState::as_str))
                .bind(i32::from(user_id.is_some()))
                .bind(user_id.unwrap_or_default())
                .bind(i64::from(limit));
            let rows = query.fetch_all(&self.primary).await.map_err(unread(MAILS))?;
            rows.iter().map(|row| mail(TableRow { table: MAILS, row })).collect()
        })
        .await
    }

    /// How many mails there are, by template and state.
    ///
    /// # Errors
    /// [`CatalogueError::Read`] or [`CatalogueError::Decode`].
    pub async fn ledger_counts(&self) -> Result<Vec<LedgerCount>, CatalogueError> {
        let sql = "SELECT template, state, COUNT(*) AS mails FROM mails \
                   GROUP BY template, state ORDER BY template, state";
        self.timed("ledger_counts", async {
            let rows = sqlx::query(sql).fetch_all(self.readers()).await.map_err(unread(MAILS))?;
            let count = |row| {
                let row = TableRow { table: MAILS, row };
                Ok(LedgerCount {
                    template: row.get("template")?,
                    state: row.word("state")?,
                    mails: row.get("mails")?,
                })
            };
            rows.iter().map(count).collect()
        })
        .await
    }
}
