//! Mail to users.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use roadie_jobs::effects::SigningKey;
use roadie_jobs::effects::mail::{Encryption, MailKeys, MailSettings, SmtpSettings, mailbox};
use serde::Deserialize;

use super::services::host;
use super::{Secret, load};

/// What a job may take that sends a mail, less some for itself.
const LONGEST: Duration = Duration::from_mins(12);
const LEAST_SECRET: usize = 32;

/// `[mail]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The mail server, or empty.
    pub url: Secret,
    /// User name, if the address has none.
    pub username: String,
    /// Password.
    pub password: Secret,
    /// Whether an unencrypted connection becomes an encrypted one before anything is sent.
    pub starttls: bool,
    /// Whether mails may be sent unencrypted to other hosts.
    pub allow_plaintext: bool,
    /// Certificates to trust (PEM); empty: the usual ones.
    pub ca_file: PathBuf,
    /// What we call ourselves; empty: the domain of `from`.
    pub hello: String,
    /// A folder for mails instead of a server, or empty.
    pub folder: PathBuf,
    /// Whom mails are from.
    pub from: String,
    /// What the application is called; empty: the name in `from`.
    pub app_name: String,
    /// Where it is.
    pub app_url: String,
    /// Where a token that is put behind it ends a subscription.
    pub unsubscribe_url: String,
    /// An address that ends subscriptions as well.
    pub unsubscribe_mailto: String,
    /// Keys for links and addresses, as `name:secret`.
    pub keys: Vec<Secret>,
    /// The hour from which on nobody is congratulated.
    pub quiet_from: u32,
    /// The hour until which.
    pub quiet_to: u32,
    /// Longest time until a server waits for the content.
    #[serde(with = "load::duration")]
    pub timeout: Duration,
    /// Longest time until it says that it has it.
    #[serde(with = "load::duration")]
    pub answer_timeout: Duration,
    /// Connections kept for the next mail.
    pub idle_connections: usize,
    /// First pause of a mail that was put off.
    #[serde(with = "load::duration")]
    pub first_pause: Duration,
    /// Longest pause.
    #[serde(with = "load::duration")]
    pub longest_pause: Duration,
    /// How long a server may put it off.
    #[serde(with = "load::duration")]
    pub give_up: Duration,
}

/// Parts of `mail.url`.
struct Address {
    encrypted: bool,
    host: String,
    port: u16,
    login: Option<(String, String)>,
}

impl Mail {
    /// Whether any mail is sent.
    pub fn is_on(&self) -> bool {
        !self.url.is_empty() || !self.folder.as_os_str().is_empty()
    }

    /// How mails are made; none: none are.
    pub fn settings(&self) -> Option<MailSettings> {
        let from = mailbox(&self.from).ok().filter(|_| self.is_on())?;
        let named = || from.name.clone().unwrap_or_else(|| from.email.domain().to_owned());
        let app_name = if self.app_name.is_empty() { named() } else { self.app_name.clone() };
        Some(MailSettings {
            app_name,
            from,
            keys: MailKeys::new(self.signing_keys()),
            unsubscribe_url: self.unsubscribe_url.clone(),
            unsubscribe_mailto: self.unsubscribe_mailto.clone(),
            app_url: self.app_url.clone(),
            quiet: (self.quiet_from, self.quiet_to),
            first_pause: self.first_pause,
            longest_pause: self.longest_pause,
            give_up: self.give_up,
        })
    }

    /// The keys that links and addresses are made with.
    pub fn signing_keys(&self) -> Vec<SigningKey> {
        self.keys.iter().filter_map(key).collect()
    }

    /// Where the mail server is; none: there is none.
    ///
    /// # Errors
    /// `ca_file` cannot be read.
    pub fn smtp(&self) -> anyhow::Result<Option<SmtpSettings>> {
        use anyhow::Context as _;
        let Some(address) = self.address().filter(|_| !self.url.is_empty()) else {
            return Ok(None);
        };
        let file = Some(&self.ca_file).filter(|file| !file.as_os_str().is_empty());
        let read = |file: &PathBuf| {
            std::fs::read(file).with_context(|| format!("read {} (mail.ca_file)", file.display()))
        };
        let ca = file.map(read).transpose()?;
        let own = || Some((self.username.clone(), self.password.reveal().to_owned()));
        let domain = mailbox(&self.from).map(|from| from.email.domain().to_owned());
        Ok(Some(SmtpSettings {
            encryption: match (address.encrypted, self.starttls) {
                (true, _) => Encryption::Tls,
                (false, true) => Encryption::StartTls,
                (false, false) => Encryption::None,
            },
            host: address.host,
            port: address.port,
            hello: if self.hello.is_empty() {
                domain.unwrap_or_default()
            } else {
                self.hello.clone()
            },
            login: address.login.or_else(|| own().filter(|_| !self.username.is_empty())),
            ca,
            timeout: self.timeout,
            answer_timeout: self.answer_timeout,
            idle: self.idle_connections,
        }))
    }

    fn address(&self) -> Option<Address> {
        let url = self.url.reveal();
        let (encrypted, rest) = match url.split_once("://")? {
            ("smtp", rest) => (false, rest),
            ("smtps", rest) => (true, rest),
            _ => return None,
        };
        let rest = rest.trim_end_matches('/');
        let (login, server) = match rest.rsplit_once('@') {
            Some((login, server)) => (Some(login.split_once(':')?), server),
            None => (None, rest),
        };
        let plain = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
        let login = match login {
            Some((user, password)) => Some((plain(user)?, plain(password)?)),
            None => None,
        };
        let default = if encrypted { 465 } else { 587 };
        let (host, port) = match server
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':') || host.ends_with(']'))
        {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None => (server, default),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let usable = !host.is_empty() && !host.contains(['/', '?', '#', ' ']);
        usable.then(|| Address { encrypted, host: host.to_owned(), port, login })
    }

    /// Everything that is wrong, in words.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut need = |ok: bool, fault: &dyn Fn() -> String| {
            if !ok {
                faults.push(fault());
            }
        };
        for (key, hour) in [("quiet_from", self.quiet_from), ("quiet_to", self.quiet_to)] {
            need(hour < 24, &|| format!("mail.{key} is {hour}; hours are 0 to 23"));
        }
        for (key, pause) in [
            ("timeout", self.timeout),
            ("answer_timeout", self.answer_timeout),
            ("first_pause", self.first_pause),
            ("longest_pause", self.longest_pause),
        ] {
            need(!pause.is_zero(), &|| format!("mail.{key} must not be 0"));
        }
        need(self.timeout + self.answer_timeout <= LONGEST, &|| {
            "mail.timeout and mail.answer_timeout together are longer than 12m".to_owned()
        });
        if !self.is_on() {
            return faults;
        }
        need(self.url.is_empty() || self.folder.as_os_str().is_empty(), &|| {
            "mail.url and mail.folder are both set; mails go to one or the other".to_owned()
        });
        need(mailbox(&self.from).is_ok(), &|| {
            format!(
                "mail.from: `{}` is not an address such as Concerts <mail@example.com>",
                self.from
            )
        });
        for (key, url) in [("app_url", &self.app_url), ("unsubscribe_url", &self.unsubscribe_url)] {
            need(url.is_empty() || web(url), &|| {
                format!("mail.{key}: `{url}` is not an address such as https://example.com/u/")
            });
        }
        // Nobody unsubscribes from files.
        let files = self.url.is_empty();
        let one_click =
            self.unsubscribe_url.starts_with("https://") && self.unsubscribe_url.is_ascii();
        need(one_click || (files && self.unsubscribe_url.is_empty()), &|| {
            "mail.unsubscribe_url must begin with https://: whoever gets congratulations must be able to end \
             them with one click (RFC 8058)"
                .to_owned()
        });
        let mailto: &str = &self.unsubscribe_mailto;
        let address = mailbox(mailto).is_ok_and(|mailbox| mailbox.name.is_none());
        // It becomes a part of a header.
        let plain = mailto.is_ascii() && !mailto.contains(['<', '?', ' ']);
        need(mailto.is_empty() || (address && plain), &|| {
            format!("mail.unsubscribe_mailto: `{mailto}` is not an address in ASCII")
        });
        need(files || !self.keys.is_empty(), &|| {
            "mail.keys is empty: links that end a subscription are signed with one of them (name:secret, \
             `openssl rand -hex 32`)"
                .to_owned()
        });
        for (at, secret) in self.keys.iter().enumerate() {
            let fine = key(secret).is_some_and(|key| {
                let named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                !key.name.is_empty()
                    && key.name.chars().all(named)
                    && key.secret.len() >= LEAST_SECRET
            });
            need(fine, &|| {
                format!(
                    "mail.keys: number {} is not name:secret with a secret of at least {LEAST_SECRET} \
                     characters and a name of letters, digits, - and _",
                    at + 1
                )
            });
        }
        if self.url.is_empty() {
            return faults;
        }
        let Some(address) = self.address() else {
            let shown = super::redact_url(self.url.reveal());
            faults
                .push(format!("mail.url: `{shown}` is not smtp://host:port or smtps://host:port"));
            return faults;
        };
        // RFC 8314, section 7.3. Nobody would greet first, and all ends in "no answer in time".
        if !address.encrypted && address.port == 465 {
            faults.push(format!(
                "mail.url: servers speak TLS from the beginning on port 465; write smtps://{}",
                address.host
            ));
        }
        if !address.encrypted && !self.starttls && !self.allow_plaintext && !is_here(&address.host)
        {
            faults.push(format!(
                "mail.starttls is false, so mails and passwords would go to {} as everybody on the way can \
                 read them; use smtps:// or starttls, or allow it with mail.allow_plaintext = true",
                address.host
            ));
        }
        faults
    }
}

fn key(text: &Secret) -> Option<SigningKey> {
    let (name, secret) = text.reveal().split_once(':')?;
    Some(SigningKey { name: name.to_owned(), secret: secret.to_owned() })
}

/// An address for a browser, perhaps with parameters.
fn web(url: &str) -> bool {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    host(plain).is_some()
        && !url.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
