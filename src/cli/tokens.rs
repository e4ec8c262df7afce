//! `roadie tokens`

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context as _;
use roadie_jobs::effects::catalogue::{Account, Catalogue};
use roadie_jobs::effects::{Column, SealError, TokenKeys, key_of};

use super::table::table;
use super::{complain, say};
use crate::config::Config;
use crate::daemon::catalogue_options;

/// Accounts in one batch.
const BATCH: u32 = 200;

/// Show how many accounts of users there are, in which state, and under which key their tokens are
/// sealed. No token is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// As JSON, for scripts
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

const ROTATE: &str = "\
To replace a key: put a new one before it in tokens.keys of every process and of the web tier, run this,
then take the old one away. It may be interrupted and run again, while workers and web tiers go on.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Seal all tokens anew under the first key
    #[command(after_help = ROTATE)]
    Rotate,
}

pub(super) async fn tokens(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::connect(catalogue_options(&config)).await?;
    match args.command {
        None => list(&catalogue, args.json).await,
        Some(Command::Rotate) => rotate(&catalogue, &config.tokens.keys(), args.json).await,
    }
}

async fn list(catalogue: &Catalogue, json: bool) -> anyhow::Result<ExitCode> {
    let mut counts: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    let mut last = None;
    loop {
        let accounts = catalogue.accounts(last.as_ref(), BATCH).await?;
        for account in &accounts {
            let key = key_of(&account.refresh_token).unwrap_or("?");
            let (provider, state) = (account.provider.as_str(), account.state.as_str());
            *counts.entry((provider.to_owned(), state.to_owned(), key.to_owned())).or_default() +=
                1;
        }
        match accounts.into_iter().next_back() {
            Some(account) => last = Some(account),
            None => break,
        }
    }
    if json {
        let row = |((provider, state, key), accounts)| serde_json::json!({ "provider": provider, "state": state, "key": key, "accounts": accounts });
        let rows: Vec<_> = counts.into_iter().map(row).collect();
        say(&serde_json::to_string_pretty(&rows)?);
    } else if counts.is_empty() {
        say("no account is connected");
    } else {
        let row = |((provider, state, key), accounts): (_, u64)| {
            vec![provider, state, key, accounts.to_string()]
        };
        let rows: Vec<Vec<String>> = counts.into_iter().map(row).collect();
        say(&table(&["provider", "state", "key", "accounts"], &rows));
    }
    Ok(ExitCode::SUCCESS)
}

/// What became of the accounts.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
struct Rotated {
    resealed: u64,
    already: u64,
    unreadable: u64,
}

async fn rotate(catalogue: &Catalogue, keys: &TokenKeys, json: bool) -> anyhow::Result<ExitCode> {
    let first = keys.sealing().context("there is no key to seal with: tokens.keys is empty")?;
    let mut rotated = Rotated::default();
    let mut last: Option<Account> = None;
    loop {
        let accounts = catalogue.accounts(last.as_ref(), BATCH).await?;
        for account in &accounts {
            reseal(catalogue, keys, account.clone(), &mut rotated).await?;
        }
        match accounts.into_iter().next_back() {
            Some(account) => last = Some(account),
            None => break,
        }
    }
    let Rotated { resealed, already, unreadable } = rotated;
    if json {
        say(&serde_json::to_string_pretty(&rotated)?);
    } else {
        say(&format!("{resealed} accounts sealed anew under {first}, {already} were so already"));
    }
    if unreadable == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    complain(&format!(
        "{unreadable} accounts could not be opened and were left as they are: the reasons are above"
    ));
    Ok(ExitCode::FAILURE)
}

/// Seals the tokens of one account anew, also when somebody changes them meanwhile.
async fn reseal(
    catalogue: &Catalogue,
    keys: &TokenKeys,
    mut account: Account,
    rotated: &mut Rotated,
) -> anyhow::Result<()> {
    loop {
        let anew = |name, sealed: &str| {
            let column = Column { user_id: account.user_id, provider: account.provider, name };
            keys.seal(column, &keys.open(column, sealed)?)
        };
        let sealed = [Some(&account.refresh_token), account.access_token.as_ref()];
        if sealed.into_iter().flatten().all(|sealed| key_of(sealed) == keys.sealing()) {
            rotated.already += 1;
            return Ok(());
        }
        let both = || -> Result<_, SealError> {
            let access = account.access_token.as_deref();
            let access = access.map(|access| anew("access_token", access)).transpose()?;
            Ok((anew("refresh_token", &account.refresh_token)?, access))
        };
        let (refresh, access) = match both() {
            Ok(both) => both,
            Err(error) => {
                let Account { user_id, provider, .. } = account;
                complain(&format!("account of user {user_id} at {provider}: {error}"));
                rotated.unreadable += 1;
                return Ok(());
            }
        };
        if catalogue.reseal(&account, &refresh, access.as_deref()).await? {
            rotated.resealed += 1;
            return Ok(());
        }
        match catalogue.account(account.user_id, account.provider).await? {
            Some(changed) => account = changed,
            None => return Ok(()),
        }
    }
}
