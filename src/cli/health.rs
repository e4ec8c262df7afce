//! `roadie health`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use tokio::time::Instant;

use super::{complain, say};
use crate::config::Config;

/// Longer than the process waits for what it looks at.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_millis(250);

/// Ask the process that listens on http.listen of this host whether it works: for health checks of
/// containers, and to restart processes one after the other. Exit code 0 when it is ready, else 1.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask again until it is ready, but no longer than this, e.g. 60s
    #[arg(long, value_parser = humantime::parse_duration)]
    wait: Option<Duration>,
}

/// What `/readyz` answers.
#[derive(Debug, Deserialize)]
struct Health {
    ready: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
struct Check {
    name: String,
    ok: bool,
    reason: Option<String>,
}

pub(super) async fn health(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let listen = config.http.listen.context("http.listen is empty: nobody can be asked")?;
    let url = format!("http://{}/readyz", reachable(listen)?);
    // It is this host that is asked, without TLS: not through the proxy that an environment names, and
    // without a look for certificates, of which a small system has none.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only(None);
    let client = client.timeout(ANSWER_WITHIN).build()?;
    let deadline = Instant::now() + args.wait.unwrap_or_default();
    loop {
        let health = ask(&client, &url).await;
        if health.as_ref().is_ok_and(|health| health.ready) {
            say("ready");
            return Ok(ExitCode::SUCCESS);
        }
        if Instant::now() >= deadline {
            let faults = health?.checks.into_iter().filter(|check| !check.ok);
            for Check { name, reason, .. } in faults {
                complain(&format!("not ready: {name}: {}", reason.unwrap_or_default()));
            }
            return Ok(ExitCode::FAILURE);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn ask(client: &reqwest::Client, url: &str) -> anyhow::Result<Health> {
    let unanswered = || format!("{url} does not answer; is roadie running here?");
    let answer = client.get(url).send().await.with_context(unanswered)?;
    let body = answer.bytes().await.with_context(unanswered)?;
    serde_json::from_slice(&body).with_context(|| format!("{url} is not roadie's"))
}

/// Where a listener of this host can be asked.
fn reachable(listen: SocketAddr) -> anyhow::Result<SocketAddr> {
    anyhow::ensure!(
        listen.port() != 0,
        "http.listen is {listen}: which port was free is in the log of `roadie run` only; name one"
    );
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_all_addresses_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:9464", Some("127.0.0.1:9464")),
            ("[::]:9464", Some("[::1]:9464")),
            ("10.1.2.3:80", Some("10.1.2.3:80")),
            ("127.0.0.1:0", None),
        ] {
            let found = reachable(listen.parse().unwrap()).ok();
            assert_eq!(found, asked.map(|asked| asked.parse().unwrap()), "{listen}");
        }
    }
}
