//! `roadie budget`

use std::process::ExitCode;
use std::time::Duration;

use roadie_jobs::effects::Target;
use serde_json::{Value, json};

use super::table::{clip, plain, table, time};
use super::{open_queues, operator, say};
use crate::budget::Budgets;
use crate::budget::operate::{Breaker, Change, Standing};
use crate::config::Config;

const EXAMPLES: &str = "\
Targets: setlist.fm nominatim overpass google-drive smtp
Examples:
  roadie budget set setlist.fm --rate 16 --per-day 50000 --reserve 5000
  roadie budget pause overpass --reason 'they asked us to' --for 2h
  roadie budget resume setlist.fm";

/// Show what the fleet may ask services of others, what it has asked, and which of them are left alone;
/// or change it for the running fleet. Changes stay until `reset`, also through restarts.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// As JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    /// Who changes it; by default user@host
    #[arg(long, global = true, value_parser = operator::named)]
    by: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set limits instead of those that are configured; what is not named stays
    Set {
        /// Which service
        #[arg(value_parser = target)]
        target: Target,
        #[command(flatten)]
        limits: Limits,
    },
    /// Ask nothing until the pause is over or lifted; jobs are postponed
    Pause {
        /// Which service
        #[arg(value_parser = target)]
        target: Target,
        /// Why, for those who wonder
        #[arg(long)]
        reason: String,
        /// How long, e.g. 30m or 2h; without an end: until somebody resumes it
        #[arg(long = "for", value_parser = humantime::parse_duration)]
        length: Option<Duration>,
    },
    /// Ask again now: lift a pause, and forget that the service failed, refused or asked for patience
    Resume {
        /// Which service
        #[arg(value_parser = target)]
        target: Target,
    },
    /// Back to the limits that are configured
    Reset {
        /// Which service
        #[arg(value_parser = target)]
        target: Target,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Limits {
    /// Questions a second; 0: no limit
    #[arg(long)]
    rate: Option<f64>,
    /// How many of them at once, after a pause
    #[arg(long)]
    burst: Option<u32>,
    /// Questions under way; 0: no limit
    #[arg(long)]
    concurrent: Option<u32>,
    /// Questions in any 24 hours; 0: no limit
    #[arg(long)]
    per_day: Option<u64>,
    /// How many of those are only for jobs that somebody waits for
    #[arg(long)]
    reserve: Option<u64>,
}

fn target(text: &str) -> Result<Target, String> {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
    };
    let found = Target::ALL.into_iter().find(|target| letters(target.label()) == letters(text));
    let known = Target::ALL.map(Target::label).join(", ");
    found.ok_or_else(|| format!("there is no `{text}`; there are: {known}"))
}

pub(super) async fn budget(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let budgets = Budgets::new(open_queues(&config).await?, &config.budgets);
    let by = args.by.unwrap_or_else(operator::name);
    let shown = match args.command {
        None => Target::ALL.to_vec(),
        Some(Command::Set { target, limits }) => {
            let Limits { rate, burst, concurrent, per_day, reserve } = limits;
            let change = Change { rate, burst, concurrent, per_day, reserve };
            let faults = change.of(budgets.standing(target).await?.limits()).faults();
            anyhow::ensure!(faults.is_empty(), "{target}: {}", faults.join("; "));
            budgets.set(target, &change, &by).await?;
            vec![target]
        }
        Some(Command::Pause { target, reason, length }) => {
            anyhow::ensure!(
                length.is_none_or(|length| !length.is_zero()),
                "{target} was not paused: the pause would be over already"
            );
            budgets.pause(target, &by, &reason, length).await?;
            vec![target]
        }
        Some(Command::Resume { target }) => {
            budgets.resume(target, &by).await?;
            vec![target]
        }
        Some(Command::Reset { target }) => {
            budgets.reset(target, &by).await?;
            vec![target]
        }
    };
    let mut standings = Vec::new();
    for target in shown {
        standings.push((target, budgets.standing(target).await?));
    }
    if args.json {
        let list: Vec<Value> = standings.iter().map(as_json).collect::<Result<_, _>>()?;
        say(&serde_json::to_string_pretty(&list)?);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = standings.iter().map(row).collect();
    say(&table(
        &[
            "target",
            "rate/s",
            "burst",
            "at once",
            "24 h",
            "used",
            "left",
            "reserve",
            "waiting",
            "breaker",
            "until (UTC)",
            "why",
        ],
        &rows,
    ));
    for (target, standing) in &standings {
        if let Some(changed) = &standing.changed {
            say(&plain(&format!("{target}: last change {changed}")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row((target, standing): &(Target, Standing)) -> Vec<String> {
    let limit = |limit: f64| if limit > 0.0 { limit.to_string() } else { "-".to_owned() };
    let left = standing.left().map_or_else(|| "-".to_owned(), |left| left.to_string());
    let Standing { rate, burst, concurrent, per_day, reserve, used, waiting, .. } = standing;
    let (breaker, until, why) = match (&standing.held, standing.breaker) {
        (Some(reason), _) => {
            let by = standing.held_by.as_deref().unwrap_or("somebody");
            ("paused", standing.held_until, format!("{by}: {reason}"))
        }
        (None, breaker) => {
            let name = match breaker {
                Breaker::Closed => "closed",
                Breaker::HalfOpen => "half-open",
                Breaker::Open => "open",
            };
            (name, standing.until, standing.why.map_or_else(String::new, |why| why.to_string()))
        }
    };
    vec![
        target.label().to_owned(),
        limit(*rate),
        burst.to_string(),
        limit(f64::from(*concurrent)),
        if *per_day > 0 { per_day.to_string() } else { "-".to_owned() },
        used.to_string(),
        left,
        if *reserve > 0 { reserve.to_string() } else { "-".to_owned() },
        waiting.to_string(),
        breaker.to_owned(),
        until.map_or_else(|| "-".to_owned(), time),
        clip(&why, 60),
    ]
}

fn as_json((target, standing): &(Target, Standing)) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(standing)?;
    value["target"] = json!(target.label());
    value["left"] = json!(standing.left());
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_known_however_they_are_written() {
        for (text, known) in [
            ("setlist.fm", Some(Target::SetlistFm)),
            ("setlist_fm", Some(Target::SetlistFm)),
            ("Nominatim", Some(Target::Nominatim)),
            ("google-drive", Some(Target::GoogleDrive)),
            ("spotify", None),
        ] {
            assert_eq!(target(text).ok(), known, "{text}");
        }
    }
}
