//! Log lines: text for people, JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{Log, LogFormat};

/// Chatty libraries, and the crate's own lines about jobs that we decide and log ourselves.
const QUIET: &str =
    "bullmq=off,apalis=warn,apalis_core=off,aws_smithy_runtime=warn,sqlx=warn,hyper=warn";

/// Installs the subscriber; log lines go to standard error.
///
/// # Errors
///
/// A filter that does not parse, or a subscriber that is installed already.
pub fn install(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", log.level))
        .map_err(|e| anyhow::anyhow!("log.level `{}` is not a filter: {e}", log.level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match log.format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|e| anyhow::anyhow!("install the log subscriber: {e}"))
}

/// An error and its causes in one line. Libraries like to repeat a cause in their own message; it is
/// said once.
pub fn one_line<T: ToString>(chain: impl IntoIterator<Item = T>) -> String {
    chain.into_iter().fold(String::new(), |line, cause| {
        let cause = cause.to_string();
        match line.as_str() {
            "" => cause,
            said if said.ends_with(&cause) => line,
            said => format!("{said}: {cause}"),
        }
    })
}

/// See [`one_line`].
pub fn error_line(error: &(dyn std::error::Error + 'static)) -> String {
    one_line(std::iter::successors(Some(error), |error| error.source()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        for (chain, line) in [
            (vec!["a"], "a"),
            (vec!["a", "b"], "a: b"),
            (vec!["a: b", "b", "b"], "a: b"),
            (vec!["a: b", "c"], "a: b: c"),
        ] {
            assert_eq!(one_line(chain), line);
        }
    }
}
