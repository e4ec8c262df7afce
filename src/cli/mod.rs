//! What operators type. One file per command.

mod budget;
mod check;
mod dead;
mod demo;
mod enqueue;
mod evaluate;
mod health;
mod jobs;
mod link;
mod mail;
mod migrate;
mod operator;
mod privacy;
mod queues;
mod run;
mod schedules;
mod table;
mod tokens;
mod venues;
mod watch;
mod workers;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Sources};
use crate::memory;
use crate::observe::logs;
use crate::queue::Queues;

const AFTER: &str = "\
Exit codes: 0 done · 1 it did not work, the reason is on stderr · 2 wrong usage · 64 the configuration
is wrong. `run`: 0 drained · 75 jobs were released · 130 stopped hard · 70 a part of it died.
Configuration: `roadie check --defaults` prints every key with its explanation.";

/// Roadie runs the background jobs of a web application: it takes them from BullMQ queues in Redis,
/// reports progress, retries what can be retried and keeps what cannot.
#[derive(Debug, Parser)]
#[command(name = "roadie", version, after_help = AFTER)]
struct Cli {
    /// Configuration file (TOML), or `ROADIE_CONFIG`; `roadie check --defaults` is one to start from
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Override one key, e.g. --set worker.slots=4 (may be repeated)
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the configured queues until SIGTERM, SIGINT or SIGHUP
    Run(run::Args),
    /// Scan a folder of photos with nothing but this binary and a Redis that it starts itself
    Demo(demo::Args),
    /// Put a job into a queue
    Enqueue(enqueue::Args),
    /// Show all queues: depth by state, age of the oldest job, pauses; pause and resume them
    Queues(queues::Args),
    /// Show what fires by itself and when, and fire it now
    Schedules(schedules::Args),
    /// Show the processes that serve queues
    Workers(workers::Args),
    /// Look at single jobs, and cancel them
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Look at jobs that were given up on, and retry them
    #[command(subcommand)]
    Dead(dead::Command),
    /// Show and change what services of others may be asked
    Budget(budget::Args),
    /// Make a link to a variant that runs out, or see why one does not let in
    Link(link::Args),
    /// Show what became of mails, and decide about those of which nobody knows
    Mail(mail::Args),
    /// Show how many accounts of users there are, and seal their tokens under another key
    Tokens(tokens::Args),
    /// Show receipts of users who were erased, and let one in again
    #[command(subcommand)]
    Privacy(privacy::Command),
    /// Check configuration, Redis, database, object store and address, and name every fault
    Check(check::Args),
    /// Ask the process on this host whether it works
    Health(health::Args),
    /// Show the extracts of OpenStreetMap where venues are looked up; import and remove them
    Venues(venues::Args),
    /// Measure how good decisions are, on labelled data
    #[command(subcommand)]
    Evaluate(evaluate::Command),
    /// Bring the catalogue's schema up to date
    Migrate(migrate::Args),
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not SECTION.KEY=VALUE")),
    }
}

/// Parses the command line, runs the command, and answers the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Check(args) = &cli.command
        && args.defaults
    {
        say(include_str!("../../config/default.toml"));
        return ExitCode::SUCCESS;
    }
    if matches!(cli.command, Command::Run(_)) {
        memory::give_back_large_blocks();
    }
    // An empty one, as compose files pass on what is not set, names none.
    let named = || std::env::var_os("ROADIE_CONFIG").filter(|name| !name.is_empty());
    let sources = Sources {
        file: cli.config.or_else(|| named().map(PathBuf::from)),
        environment: environment(std::env::vars_os()),
        flags: cli.set,
    };
    if let Command::Demo(args) = cli.command {
        return finish(block_on(demo::demo(args, sources)));
    }
    // The others only look at queues, whose kinds may be somebody else's.
    let serves = matches!(cli.command, Command::Run(_) | Command::Check(_));
    let loaded = if serves { sources.load_for(&roadie_jobs::registry()) } else { sources.load() };
    let config = match loaded {
        Ok(config) => config,
        Err(error) => {
            complain(&format!("the configuration is wrong:\n{error}"));
            return ExitCode::from(64);
        }
    };
    finish(block_on(dispatch(cli.command, config)))
}

/// What is not UTF-8 cannot be a setting of ours.
fn environment(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

async fn dispatch(command: Command, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        // It holds the configuration, several times.
        Command::Run(args) => Box::pin(run::run(args, config)).await,
        Command::Enqueue(args) => enqueue::enqueue(args, config).await,
        Command::Queues(args) => queues::queues(args, config).await,
        Command::Schedules(args) => schedules::schedules(args, config).await,
        Command::Workers(args) => workers::workers(args, config).await,
        Command::Jobs(command) => jobs::jobs(command, config).await,
        Command::Dead(command) => dead::dead(command, config).await,
        Command::Budget(args) => budget::budget(args, config).await,
        Command::Link(args) => link::link(&args, &config),
        Command::Mail(args) => mail::mail(args, config).await,
        Command::Tokens(args) => tokens::tokens(args, config).await,
        Command::Privacy(command) => privacy::privacy(command, config).await,
        Command::Check(_) => check::check(config).await,
        Command::Health(args) => health::health(args, config).await,
        Command::Venues(args) => venues::venues(args, config).await,
        Command::Evaluate(command) => evaluate::evaluate(command).await,
        Command::Migrate(args) => migrate::migrate(args, config).await,
        Command::Demo(_) => Ok(ExitCode::from(2)),
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    // Handlers have threads of their own; what is done here waits for Redis most of the time, and threads
    // that hand it to each other cost more than they bring.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((cores / 4).max(1))
        .enable_all()
        .build()?;
    let result = runtime.block_on(command);
    // What still blocks a thread, such as a handler that never yields, must not hold the exit.
    runtime.shutdown_background();
    result
}

fn finish(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        complain(&logs::one_line(error.chain()));
        ExitCode::FAILURE
    })
}

/// Connects to the queues.
async fn open_queues(config: &Config) -> anyhow::Result<Queues> {
    Ok(Queues::connect(&config.redis).await?)
}

/// Prints to standard output. A reader that went away (`| head`) is no error.
fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// Prints to standard error.
fn complain(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "roadie: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    #[test]
    fn variables_that_are_not_utf8_are_skipped() {
        let odd = || OsString::from_vec(vec![b'x', 0xff]);
        let variables = [
            (OsString::from("A"), OsString::from("1")),
            (OsString::from("B"), odd()),
            (odd(), OsString::from("2")),
        ];
        let kept = environment(variables.into_iter());
        assert_eq!(kept, BTreeMap::from([("A".to_owned(), "1".to_owned())]));
    }
}
