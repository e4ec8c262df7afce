//! The demo's user gets mails, as files.

use std::path::PathBuf;
use std::time::Duration;

use roadie_jobs::Job as _;
use roadie_jobs::effects::Clock;
use roadie_jobs::effects::catalogue::{Catalogue, MailState};
use roadie_jobs::email::SendEmail;
use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::daemon::catalogue_options;

/// A mail is a file, which takes no time; the rest is for a busy machine.
const WITHIN: Duration = Duration::from_secs(20);

/// What web tiers write when a user wants mails.
pub(super) async fn subscribe(config: &Config, user: i64) -> anyhow::Result<()> {
    let catalogue = Catalogue::connect(catalogue_options(config)).await?;
    let now = Clock::System.now_ms();
    catalogue.set_mail_recipient(user, "you@example.org", "You", now).await?;
    for list in ["milestones", "scans"] {
        catalogue.set_mail_wanted(user, list, true, now).await?;
    }
    catalogue.close().await;
    Ok(())
}

/// The mails that were sent: their files and subjects, the first one first.
pub(super) async fn sent(
    catalogue: &Catalogue,
    config: &Config,
    user: i64,
) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let deadline = Instant::now() + WITHIN;
    // Whoever names queues may leave that of mails out.
    while config.queues.contains_key(SendEmail::QUEUE) {
        let mails = catalogue.ledger(None, Some(user), 100).await?;
        let sent = |state| matches!(state, MailState::Sent);
        if !mails.is_empty() && mails.iter().all(|mail| sent(mail.state))
            || Instant::now() > deadline
        {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    let Ok(files) = config.mail.folder.join(user.to_string()).read_dir() else {
        return Ok(Vec::new());
    };
    let mut files: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    files.sort();
    let read = |file: PathBuf| {
        let mail = std::fs::read_to_string(&file)?;
        let subject = mail.lines().find_map(|line| line.strip_prefix("Subject: "));
        Ok((file, subject.unwrap_or_default().to_owned()))
    };
    files.into_iter().map(read).collect()
}
