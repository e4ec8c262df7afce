//! `roadie mail`

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use roadie_jobs::Job as _;
use roadie_jobs::effects::Clock;
use roadie_jobs::effects::catalogue::{Catalogue, LedgerMail, MailKey, MailState};
use roadie_jobs::effects::mail::MailKeys;
use roadie_jobs::email::{List, SendEmail, Template};
use serde_json::json;

use super::table::{clip, plain, table, time};
use super::{open_queues, say};
use crate::config::Config;
use crate::daemon::catalogue_options;
use crate::queue::NewJob;

/// Show how many mails there are, by what became of them; look at single ones, and decide about those of which
/// nobody knows. No address is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// As long as a job may take that sends a mail.
const ANSWER_MS: i64 = 15 * 60 * 1_000;

const RESEND: &str = "\
A mail is `unknown` when its worker, or the connection, was lost between the content and the server's answer. The
server's log tells whether it has it: look for the Message-ID. Sent again, it has the same one.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List mails, the latest first
    List {
        /// reserved, sending, sent, failed, suppressed, unwanted or unknown
        #[arg(long, value_parser = state)]
        state: Option<MailState>,
        /// Only of this user
        #[arg(long)]
        user: Option<i64>,
        /// At most so many
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Send a mail that was not surely sent
    #[command(after_help = RESEND)]
    Resend {
        /// To whom
        user: i64,
        /// Which template
        #[arg(value_parser = template)]
        template: Template,
        /// What it is about, as `roadie mail list` shows it
        value: String,
    },
    /// End the subscription that a token of a mail is for
    Unsubscribe {
        /// The last part of the link
        token: String,
    },
    /// From now on an address gets no mail, whoever has it
    Suppress {
        /// The address; only a hash of it is kept
        address: String,
        /// Why: complaint, bad-address, operator
        #[arg(long, default_value = "operator")]
        reason: String,
    },
    /// An address may get mail again
    Allow {
        /// The address
        address: String,
    },
}

fn state(word: &str) -> Result<MailState, String> {
    MailState::ALL
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| format!("there are: {}", MailState::ALL.map(MailState::as_str).join(", ")))
}

fn template(word: &str) -> Result<Template, String> {
    let all = Template::ALL.map(Template::name).join(", ");
    Template::named(word).ok_or_else(|| format!("there are: {all}"))
}

pub(super) async fn mail(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::connect(catalogue_options(&config)).await?;
    let keys = MailKeys::new(config.mail.signing_keys());
    let now = Clock::System.now_ms();
    match args.command {
        None => counts(&catalogue, args.json).await?,
        Some(Command::List { state, user, limit }) => {
            list(&catalogue.ledger(state, user, limit).await?, args.json)?;
        }
        Some(Command::Resend { user, template, value }) => {
            resend(&catalogue, &config, user, template, value).await?;
        }
        Some(Command::Unsubscribe { token }) => {
            let (user, list) = keys.verify(&token)?;
            let list = List::named(&list).with_context(|| format!("there is no list `{list}`"))?;
            let known = catalogue.set_mail_wanted(user, list.name(), false, now).await?;
            ensure!(known, "there is no user {user} (any more)");
            say(&format!("user {user} gets no more mails of {}", list.name()));
        }
        Some(Command::Suppress { address, reason }) => {
            let hashes = hashes(&keys, &address)?;
            catalogue.suppress_mail(&hashes[0], &reason, None, now).await?;
            say("the address gets no more mails");
        }
        Some(Command::Allow { address }) => {
            let removed = catalogue.allow_mail(&hashes(&keys, &address)?).await?;
            say(if removed { "the address may get mails again" } else { "it got mails anyway" });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn hashes(keys: &MailKeys, address: &str) -> anyhow::Result<Vec<String>> {
    let hashes = keys.address_hashes(address);
    ensure!(!hashes.is_empty(), "there is no key to hash addresses with: mail.keys is empty");
    Ok(hashes)
}

async fn counts(catalogue: &Catalogue, json: bool) -> anyhow::Result<()> {
    let counts = catalogue.ledger_counts().await?;
    if json {
        say(&serde_json::to_string_pretty(&counts)?);
    } else if counts.is_empty() {
        say("no mail was asked for yet");
    } else {
        let row = |count: &roadie_jobs::effects::catalogue::LedgerCount| {
            vec![count.template.clone(), count.state.as_str().to_owned(), count.mails.to_string()]
        };
        let rows: Vec<Vec<String>> = counts.iter().map(row).collect();
        say(&table(&["template", "state", "mails"], &rows));
    }
    Ok(())
}

fn list(mails: &[LedgerMail], json: bool) -> anyhow::Result<()> {
    if json {
        say(&serde_json::to_string_pretty(mails)?);
        return Ok(());
    }
    let row = |mail: &LedgerMail| {
        vec![
            mail.user_id.to_string(),
            plain(&mail.template),
            plain(&mail.value),
            mail.state.as_str().to_owned(),
            mail.status.clone().unwrap_or_default(),
            mail.attempts.to_string(),
            time(mail.ended_at.or(mail.sending_at).unwrap_or(mail.reserved_at)),
            clip(mail.reason.as_deref().unwrap_or_default(), 60),
        ]
    };
    let rows: Vec<Vec<String>> = mails.iter().map(row).collect();
    let head = ["user", "template", "value", "state", "server", "tries", "since (UTC)", "reason"];
    say(&table(&head, &rows));
    Ok(())
}

async fn resend(
    catalogue: &Catalogue,
    config: &Config,
    user_id: i64,
    template: Template,
    value: String,
) -> anyhow::Result<()> {
    let key = MailKey { user_id, template: template.name(), value };
    let handed_over = Clock::System.now_ms().saturating_sub(ANSWER_MS);
    let mail = catalogue.mail_again(&key, handed_over).await?;
    let mail = mail.context(
        "there is no such mail, or it was sent, or a worker has handed it over in the last 15 minutes and may still \
         be answered",
    )?;
    let payload = json!({ "userId": user_id, "template": template, "value": key.value });
    // The first job's id may still be taken.
    let id = format!("mail:{user_id}:{}:{}:{}", key.template, key.value, mail.attempts + 1);
    let kind = SendEmail::KIND.to_owned();
    let job = NewJob { kind, payload, id: Some(id), ..NewJob::default() };
    say(&open_queues(config).await?.add(SendEmail::QUEUE, job).await?);
    Ok(())
}
